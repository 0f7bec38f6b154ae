import { readFile } from 'node:fs/promises';
import { type KubernetesObject, loadYaml, type V1CustomResourceDefinition } from '@kubernetes/client-node';
import operator, { type OperatorLogger, type ResourceEvent, type ResourceMeta } from '@dot-i/k8s-operator';
import { addFinalizer, removeFinalizer } from '../kube/finalizers.js';
import { isAlreadyExists } from '../kube/kube-api-error.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { StructuredLogger } from '../kube/logger.js';
import { collectionPath, objectPath } from '../kube/resource-path.js';
import {
  formatKey,
  type KubeObject,
  type ObjectKey,
  type ReflectorEvent,
  type ResourceType,
} from '../kube/resource.js';
import { type Whole, wholeObject } from './operator-options.js';
import type { ReflectorFactory, ReflectorPort } from './ports.js';
import type { WorkerPool } from './worker-pool.js';
import type { ReconcileFunction } from './reconcile-request.js';

export type { ResourceEvent, ResourceMeta } from '@dot-i/k8s-operator';

/** The library is CommonJS: its default export is one level down, and its values aren't visible as names. */
const Library = operator.default;
export const { ResourceEventType, ResourceMetaImpl } = operator;

/** What stands in for the library's input and output. */
export interface BaseOperatorPorts {
  readonly client: KubeClient;
  readonly logger: StructuredLogger;
  readonly reflectors: ReflectorFactory;
  /** Makes the workers that call the handler of a {@link BaseOperator.watchResource}. */
  readonly workers: (name: string, reconcile: ReconcileFunction) => WorkerPool;
}

/** The object and the finalizer that a change of finalizers is about, carried through the library within its own `meta`. */
interface FinalizerMeta extends ResourceMeta {
  readonly change: { readonly finalizer: string; readonly object: KubeObject };
}

/** The part of a `CustomResourceDefinition` that the library answers with. */
type RegisteredDefinition = Awaited<ReturnType<InstanceType<typeof Library>['registerCustomResourceDefinition']>>;

const CRDS: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

/**
 * The `Operator` of @dot-i/k8s-operator with its model (`init`, `watchResource`, `ResourceEvent`, `handleResourceFinalizer`) and none of
 * its input and output. Under a current client the library's own sends finalizers and status to an address that begins with `undefined`, reports
 * success nevertheless, and ends the process when a watch is quiet for 30 s or is stopped.
 *
 * Guarantees that the library doesn't give: a call that fails throws; finalizers are changed one at a time, by JSON Patch with a test, so that
 * nobody else's gets lost; a handler that fails is retried; a deletion isn't lost in a gap; the process is never ended here.
 *
 * Caveat: between two calls of a handler several changes of one object become one event with its newest state.
 */
export abstract class BaseOperator extends Library {
  readonly #ports: BaseOperatorPorts;
  readonly #watches: { readonly reflector: ReflectorPort; readonly pool: WorkerPool }[] = [];

  constructor(ports: BaseOperatorPorts) {
    super(libraryLogger(ports.logger));
    this.#ports = ports;
  }

  /** Ends all watches of {@link watchResource}, waiting for handlers for at most `graceMs`. */
  override async stop(graceMs = 25_000): Promise<void> {
    const watches = this.#watches.splice(0);
    for (const { pool } of watches) pool.close();
    await Promise.all(watches.map(({ reflector }) => reflector.stop()));
    await Promise.all(watches.map(({ pool }) => pool.drain(graceMs)));
  }

  /**
   * Creates a CustomResourceDefinition from a file, unless one of this name exists.
   *
   * @throws KubeApiError when the API server refuses it
   */
  protected override async registerCustomResourceDefinition(crdFile: string): Promise<RegisteredDefinition> {
    const crd = loadYaml<V1CustomResourceDefinition>(await readFile(crdFile, 'utf8'));
    if (crd.apiVersion?.startsWith('apiextensions.k8s.io/') !== true) {
      throw new TypeError(`${crdFile} is no CustomResourceDefinition: its apiVersion is ${String(crd.apiVersion)}`);
    }
    try {
      await this.#ports.client.create(CRDS, crd as unknown as KubeObject);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    return { group: crd.spec.group, versions: crd.spec.versions, plural: crd.spec.names.plural };
  }

  /** @throws Error when the kubeconfig names no cluster */
  protected override getCustomResourceApiUri(
    group: string,
    version: string,
    plural: string,
    namespace?: string,
  ): string {
    const cluster = this.kubeConfig.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig names no cluster');
    const type = { group, version, plural, kind: '', namespaced: namespace !== undefined };
    return new URL(collectionPath(type, namespace), cluster.server).href;
  }

  /**
   * Calls `onEvent` for every object of a resource, one event at a time for each object, again and again until it succeeds.
   *
   * @throws KubeApiError when the API server doesn't serve the resource
   */
  protected override async watchResource(
    group: string,
    version: string,
    plural: string,
    onEvent: (event: ResourceEvent) => Promise<void>,
    namespace?: string,
  ): Promise<void> {
    const resource = await this.#discover(group, version, plural);
    const mailbox = new Mailbox(plural);
    const reflector = this.#ports.reflectors({
      resource,
      project: wholeObject,
      namespace,
      labelSelector: undefined,
      fieldSelector: undefined,
    });
    const pool = this.#ports.workers(`${plural}.${resource.group}`, async ({ key }) => {
      const event = mailbox.first(key);
      if (event === undefined) return undefined;
      await onEvent(event);
      return mailbox.remove(key, event) ? { requeueAfterMs: 0 } : undefined;
    });
    reflector.listen((event) => {
      if (event.type !== 'Synced')
        pool.add(mailbox.put(event as Exclude<ReflectorEvent<Whole>, { type: 'Synced' }>), event.type);
    });
    this.#watches.push({ reflector, pool });
    pool.open();
    reflector.start();
  }

  /** Replaces the status. @throws KubeApiError, also for a conflict with the version in `meta` */
  protected override async setResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta> {
    const { type, key } = resourceOf(meta);
    const body = {
      apiVersion: meta.apiVersion,
      kind: meta.kind,
      metadata: { ...key, resourceVersion: meta.resourceVersion },
      status,
    };
    const path = objectPath(type, key, 'status');
    const answer = await this.#ports.client.request<KubeObject>({ method: 'PUT', path, body, fenced: true });
    return metaOf(type.plural, answer);
  }

  /** Changes the status by merge patch. @throws KubeApiError, also for a conflict with the version in `meta` */
  protected override async patchResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta> {
    const { type, key } = resourceOf(meta);
    const body = { metadata: { resourceVersion: meta.resourceVersion }, status };
    const answer = await this.#ports.client.patch<KubeObject>(type, key, body, {
      kind: 'merge',
      subresource: 'status',
    });
    return metaOf(type.plural, answer);
  }

  /**
   * The library's decision (add the finalizer, run the action and remove it, or leave the object to the caller) on a copy, since it
   * changes the list of finalizers that it is given.
   *
   * @throws whatever `deleteAction` throws; the finalizer then stays
   */
  protected override handleResourceFinalizer(
    event: ResourceEvent,
    finalizer: string,
    deleteAction: (event: ResourceEvent) => Promise<void>,
  ): Promise<boolean> {
    const object = event.object as unknown as KubeObject;
    const metadata = { ...object.metadata, finalizers: [...(object.metadata.finalizers ?? [])] };
    const meta: FinalizerMeta = { ...event.meta, change: { finalizer, object } };
    const copy: ResourceEvent = { ...event, meta, object: { ...object, metadata } as unknown as KubernetesObject };
    return super.handleResourceFinalizer(copy, finalizer, () => deleteAction(event));
  }

  /**
   * Changes the finalizers of an object. From {@link handleResourceFinalizer} only the one finalizer is added or removed, on a fresh read where needed; called
   * otherwise, the list is replaced if the object is still at the version in `meta`.
   *
   * @throws KubeApiError when the API server refuses
   */
  protected override async setResourceFinalizers(meta: ResourceMeta, finalizers: string[]): Promise<void> {
    const { client } = this.#ports;
    const { type, key } = resourceOf(meta);
    if (isFinalizerMeta(meta)) {
      const { finalizer, object } = meta.change;
      const change = finalizers.includes(finalizer) ? addFinalizer : removeFinalizer;
      const changed = await change(client, type, object, finalizer);
      // The last finalizer takes the object along: no cache will ever show this version.
      const gone =
        changed?.metadata.deletionTimestamp !== undefined && (changed.metadata.finalizers ?? []).length === 0;
      this.finalizersChanged(key, gone ? undefined : changed?.metadata.resourceVersion);
      return;
    }
    const patch = [
      { op: 'test', path: '/metadata/resourceVersion', value: meta.resourceVersion },
      { op: 'add', path: '/metadata/finalizers', value: finalizers },
    ];
    const changed = await client.patch(type, key, patch, { kind: 'json' });
    this.finalizersChanged(key, changed.metadata.resourceVersion);
  }

  /** Called after finalizers were written; `resourceVersion` is undefined when the object is gone. */
  protected finalizersChanged(_key: ObjectKey, _resourceVersion: string | undefined): void {
    // For those who keep track of their own writes.
  }

  /** @throws Error always: each call would open a connection of its own */
  protected override applyAxiosKubeConfigAuth(): Promise<void> {
    return Promise.reject(new Error('use the KubeClient: it has one pool of connections and rotates credentials'));
  }

  /** @throws Error always: each call would open a connection of its own */
  protected override applyGaxiosKubeConfigAuth(): Promise<void> {
    return Promise.reject(new Error('use the KubeClient: it has one pool of connections and rotates credentials'));
  }

  async #discover(group: string, version: string, plural: string): Promise<ResourceType> {
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const list = await this.#ports.client.request<{
      readonly resources?: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
    }>({ method: 'GET', path });
    const found = list.resources?.find((resource) => resource.name === plural);
    if (found === undefined) throw new Error(`the API server serves no ${plural} in ${path}`);
    return { group, version, plural, kind: found.kind, namespaced: found.namespaced };
  }
}

/** The events of each object that its handler hasn't seen: at most a deletion and what came after it. */
class Mailbox {
  readonly #plural: string;
  readonly #events = new Map<string, ResourceEvent[]>();

  constructor(plural: string) {
    this.#plural = plural;
  }

  /** @returns the key of the object */
  put(event: Exclude<ReflectorEvent<Whole>, { type: 'Synced' }>): string {
    const key = formatKey(event.object);
    const next: ResourceEvent = {
      meta: metaOf(this.#plural, event.object.object),
      object: event.object.object as unknown as KubernetesObject,
      type: ResourceEventType[event.type],
    };
    const waiting = this.#events.get(key) ?? [];
    const last = waiting.at(-1);
    // An addition that wasn't delivered stays an addition, with the newer state.
    if (last !== undefined && last.type !== ResourceEventType.Deleted) {
      waiting.pop();
      if (last.type === ResourceEventType.Added && next.type === ResourceEventType.Modified) next.type = last.type;
    }
    const [first] = waiting;
    this.#events.set(key, first === undefined ? [next] : [first, next]);
    return key;
  }

  first(key: string): ResourceEvent | undefined {
    return this.#events.get(key)?.[0];
  }

  /** Takes a delivered event away, unless a newer one took its place. @returns whether more wait */
  remove(key: string, event: ResourceEvent): boolean {
    const waiting = this.#events.get(key) ?? [];
    if (waiting[0] === event) waiting.shift();
    if (waiting.length === 0) this.#events.delete(key);
    return waiting.length > 0;
  }
}

/** What the library calls the meta information of an object. @throws Error when the object has no name, version, kind or apiVersion */
export function metaOf(plural: string, object: KubeObject): ResourceMeta {
  return ResourceMetaImpl.createWithPlural(plural, object as unknown as KubernetesObject);
}

/** The inverse: `id` is `<plural>.<apiVersion>`. */
function resourceOf(meta: ResourceMeta): { readonly type: ResourceType; readonly key: ObjectKey } {
  const dot = meta.id.indexOf('.');
  const slash = meta.apiVersion.indexOf('/');
  const type: ResourceType = {
    group: slash < 0 ? '' : meta.apiVersion.slice(0, slash),
    version: meta.apiVersion.slice(slash + 1),
    plural: meta.id.slice(0, dot),
    kind: meta.kind,
    namespaced: meta.namespace !== undefined,
  };
  return { type, key: { namespace: meta.namespace ?? '', name: meta.name } };
}

function isFinalizerMeta(meta: ResourceMeta): meta is FinalizerMeta {
  return 'change' in meta;
}

function libraryLogger(logger: StructuredLogger): OperatorLogger {
  return {
    debug: (text) => logger.debug('Operator library', { text }),
    info: (text) => logger.log('Operator library', { text }),
    warn: (text) => logger.warn('Operator library', { text }),
    error: (text) => logger.error('Operator library', { text }),
  };
}
