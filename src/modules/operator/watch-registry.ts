import type { StructuredLogger } from '../kube/logger.js';
import type { Projected, ReflectorEvent, ResourceType } from '../kube/resource.js';
import { resourceName } from '../kube/resource-path.js';
import { storeToken } from './operator.decorators.js';
import { OperatorStartError } from './operator-errors.js';
import type { Projector, Selection } from './operator-options.js';
import type { ReflectorFactory, ReflectorPort, ReflectorScope } from './ports.js';
import { ResourceIndex } from './resource-index.js';
import { SharedStore } from './shared-store.js';

type Listener = (event: ReflectorEvent<Projected>) => void;

/** One reflector and those who listen to it: first all that look, then all that queue. */
export class WatchPart {
  readonly #observers: Listener[] = [];
  readonly #queuers: Listener[] = [];
  #unlisten: (() => void) | undefined;

  constructor(
    readonly scope: ReflectorScope,
    readonly reflector: ReflectorPort,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** `queue` is called after the `observe` of every listener, so that a run never precedes somebody's view of its event. */
  listen(observe: Listener | undefined, queue: Listener | undefined): void {
    if (observe !== undefined) this.#observers.push(observe);
    if (queue !== undefined) this.#queuers.push(queue);
  }

  start(): void {
    this.#unlisten = this.reflector.listen((event) => {
      this.#call(this.#observers, event);
      this.#call(this.#queuers, event);
    });
    this.reflector.start();
  }

  async stop(): Promise<void> {
    this.#unlisten?.();
    await this.reflector.stop();
  }

  #call(listeners: readonly Listener[], event: ReflectorEvent<Projected>): void {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        // One listener's failure must not keep the event from the others, nor end the watch.
        this.onError(error);
      }
    }
  }
}

/**
 * The reflectors of a process: one for each resource, namespace and pair of selectors, shared by all operators. It also keeps the stores and
 * indexes that are injected.
 */
export class WatchRegistry {
  readonly #factory: ReflectorFactory;
  readonly #logger: StructuredLogger;
  readonly #parts = new Map<string, WatchPart>();
  readonly #stores = new Map<string, SharedStore>();
  readonly #indexes = new Map<string, ResourceIndex>();
  #started = false;

  constructor(factory: ReflectorFactory, logger: StructuredLogger) {
    this.#factory = factory;
    this.#logger = logger;
  }

  get parts(): readonly WatchPart[] {
    return [...this.#parts.values()];
  }

  store(resource: ResourceType): SharedStore {
    const token = storeToken(resource);
    let store = this.#stores.get(token);
    if (store === undefined) {
      store = new SharedStore();
      this.#stores.set(token, store);
    }
    return store;
  }

  index(name: string): ResourceIndex {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = new ResourceIndex(name);
      this.#indexes.set(name, index);
    }
    return index;
  }

  /**
   * The reflectors of a selection, made where there is none yet. They start with {@link WatchRegistry.start}.
   *
   * @throws OperatorStartError when the same selection is watched with another projection: they would share one cache
   */
  open(resource: ResourceType, project: Projector, selection: Selection): readonly WatchPart[] {
    const namespaces =
      resource.namespaced && selection.namespaces !== undefined && selection.namespaces.length > 0
        ? [...new Set(selection.namespaces)].sort()
        : [undefined];
    return namespaces.map((namespace) =>
      this.#open({
        resource,
        project,
        namespace,
        labelSelector: nonEmpty(selection.labelSelector),
        fieldSelector: nonEmpty(selection.fieldSelector),
      }),
    );
  }

  start(): void {
    this.#started = true;
    for (const part of this.#parts.values()) part.start();
  }

  async stop(): Promise<void> {
    this.#started = false;
    await Promise.all(this.parts.map((part) => part.stop()));
  }

  #open(scope: ReflectorScope): WatchPart {
    const id = JSON.stringify([storeToken(scope.resource), scope.namespace, scope.labelSelector, scope.fieldSelector]);
    const known = this.#parts.get(id);
    if (known !== undefined) {
      if (known.scope.project !== scope.project) {
        throw new OperatorStartError(
          `${resourceName(scope.resource)} are watched twice with different projections; give every operator the same \`project\` function`,
        );
      }
      return known;
    }
    if (this.#started) throw new OperatorStartError('watches can only be opened before the engine starts');
    const reflector = this.#factory(scope);
    const part = new WatchPart(scope, reflector, (error) => {
      this.#logger.error('Listener of a watch failed', {
        resource: resourceName(scope.resource),
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    });
    this.#parts.set(id, part);
    this.store(scope.resource).attach(reflector);
    return part;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
