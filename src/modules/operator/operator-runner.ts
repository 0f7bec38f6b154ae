import type { KubernetesObject } from '@kubernetes/client-node';
import { type Clock, type Random, sleep } from '../kube/clock.js';
import { errorText } from '../kube/error-text.js';
import type { EventLoopBudget } from '../kube/event-loop-budget.js';
import { EventRecorder, subjectOf } from '../kube/event-recorder.js';
import { removeFinalizer } from '../kube/finalizers.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { LogDigest } from '../kube/log-digest.js';
import type { StructuredLogger } from '../kube/logger.js';
import {
  formatKey,
  type ObjectKey,
  type Projected,
  type ReflectorEvent,
  type ResourceType,
  type Store,
} from '../kube/resource.js';
import { resourceName } from '../kube/resource-path.js';
import { BaseOperator, metaOf, ResourceEventType } from './base-operator.js';
import { CauseReconciler } from './cause-reconciler.js';
import { boundMethod, handlesCauses, type OperatorDefinition } from './operator-definition.js';
import { ReconcileAbortedError } from './operator-errors.js';
import { EventGuard } from './event-guard.js';
import type { ControllerMetrics, OperatorMetrics } from './operator-metrics.js';
import { type EventHandler, noKeys, type WatchSpec, type Whole } from './operator-options.js';
import { OwnWrites } from './own-writes.js';
import type { ReflectorFactory } from './ports.js';
import type { ReconcileFunction } from './reconcile-request.js';
import type { SharedStore } from './shared-store.js';
import type { WatchPart, WatchRegistry } from './watch-registry.js';
import { WorkerPool } from './worker-pool.js';

export interface RunnerContext {
  readonly client: KubeClient;
  readonly registry: WatchRegistry;
  readonly reflectors: ReflectorFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: EventLoopBudget;
  readonly logger: StructuredLogger;
  /** For what may fail for many objects at once. */
  readonly digest: LogDigest;
  readonly metrics: OperatorMetrics;
  /** Names this replica in Events. */
  readonly instance: string;
}

/** Keys that a start queues before some of them have run: a hundred thousand at once would only take memory. */
const MAX_QUEUED_AHEAD = 4_096;
const QUEUE_POLL_MS = 10;

type ObjectEvent = Exclude<ReflectorEvent<Projected>, { type: 'Synced' }>;

/**
 * One operator at work: turns events into keys, and keys into runs.
 *
 * Every replica watches and calls `@OnEvent`; keys are queued only while this replica leads and the caches are filled. What happened
 * before is not replayed but seen: at that moment every key that the caches name is queued once, behind what changes meanwhile.
 */
export class OperatorRunner extends BaseOperator {
  readonly name: string;
  readonly definition: OperatorDefinition;
  readonly pool: WorkerPool;
  /** Tells people of the operator's objects, in the name of the operator. */
  readonly events: EventRecorder;
  readonly #context: RunnerContext;
  readonly #metrics: ControllerMetrics;
  readonly #ownWrites: OwnWrites;
  readonly #store: SharedStore;
  readonly #causes: CauseReconciler | undefined;
  readonly #guard: EventGuard;
  readonly #parts = new Set<WatchPart>();
  /** Keys whose object was gone, or being deleted, when its finalizer was to be written. */
  readonly #vanished = new Set<string>();
  #active = false;
  /** Counts activations, so that an older one's queueing ends when it is overtaken. */
  #epoch = 0;

  constructor(definition: OperatorDefinition, context: RunnerContext) {
    const { options } = definition;
    const metrics = context.metrics.controller(options.name, options.maxConcurrentReconciles);
    const workers = (name: string, reconcile: ReconcileFunction): WorkerPool =>
      new WorkerPool({
        ...context,
        name,
        reconcile,
        holdMs: (key) => this.#hold(key),
        maxConcurrentReconciles: options.maxConcurrentReconciles,
        leastConcurrentReconciles: options.leastConcurrentReconciles,
        reconcileTimeoutMs: options.reconcileTimeoutMs,
        queue: options.queue,
        metrics,
      });
    super({ ...context, workers });
    this.name = options.name;
    this.definition = definition;
    this.#context = context;
    this.#metrics = metrics;
    this.#guard = new EventGuard(options.name, metrics, context.digest);
    this.#ownWrites = new OwnWrites(() => context.clock.monotonicMs(), options.ownWriteWaitMs);
    this.#store = context.registry.store(options.resource);
    const { group } = options.resource;
    this.events = new EventRecorder({
      ...context,
      controller: group === '' ? options.name : `${group}/${options.name}`,
    });
    metrics.observeEvents(this.events);
    this.#causes = handlesCauses(definition) ? this.#makeCauses() : undefined;
    this.pool = workers(options.name, this.#causes?.reconcile ?? plainReconcile(definition));
  }

  /** Opens what the operator watches. Called by `start`. */
  protected override init(): Promise<void> {
    this.#attach();
    return Promise.resolve();
  }

  /** Whether keys are queued and run: this replica leads, and every cache that the operator reads is filled. */
  get active(): boolean {
    return this.#active;
  }

  /** Whether every cache that the operator reads is filled. */
  get synced(): boolean {
    for (const part of this.#parts) if (!part.reflector.synced) return false;
    return true;
  }

  /** The resources whose caches aren't filled yet. */
  unsynced(): readonly string[] {
    return [...this.#parts].filter((part) => !part.reflector.synced).map((part) => resourceName(part.scope.resource));
  }

  /** Starts to run: every key that the caches or `moreKeys` name is queued once. */
  activate(): void {
    if (this.#active) return;
    this.#active = true;
    this.#epoch += 1;
    this.pool.open();
    void this.#queueAll(this.#epoch).catch((error: unknown) => {
      // A key map that throws for one object is caught there; anything else is a fault of this class.
      this.#context.logger.error('Queueing all keys failed', { operator: this.name, error: errorText(error) });
    });
  }

  /** Ends running: runs are told to end, queued keys are forgotten. Events and caches go on. */
  deactivate(reason: string): void {
    if (!this.#active) return;
    this.#active = false;
    this.#epoch += 1;
    this.pool.close();
    this.pool.abortAll(new ReconcileAbortedError(reason));
    this.pool.queue.clear();
    this.#ownWrites.clear();
    this.#causes?.reset();
  }

  /** Starts no more runs; those under way go on. */
  halt(): void {
    this.#active = false;
    this.#epoch += 1;
    this.pool.close();
  }

  /** Takes the operator's finalizer off every object that has it. @returns how many had it */
  async releaseObjects(): Promise<number> {
    if (this.#causes === undefined) return 0;
    const { resource, finalizer } = this.definition.options;
    let released = 0;
    for (const view of this.#store.values()) {
      const { object } = view as Whole;
      if (object.metadata.finalizers?.includes(finalizer) !== true) continue;
      await removeFinalizer(this.#context.client, resource, object, finalizer);
      released += 1;
    }
    return released;
  }

  abortRuns(reason: string): void {
    this.pool.abortAll(new ReconcileAbortedError(reason));
  }

  /** Queues a key from outside. Ignored while this replica doesn't run: the one that does, or will, sees every key anyway. */
  enqueue(key: string, afterMs: number): boolean {
    if (!this.#active) return false;
    this.pool.addAfter(key, afterMs, 'trigger');
    return true;
  }

  recordWrite(key: string, resourceVersion: string): void {
    this.#ownWrites.record(key, resourceVersion, this.#store.get(key)?.resourceVersion);
  }

  protected override finalizersChanged(key: ObjectKey, resourceVersion: string | undefined): void {
    if (resourceVersion === undefined) this.#vanished.add(formatKey(key));
    else this.recordWrite(formatKey(key), resourceVersion);
  }

  #makeCauses(): CauseReconciler {
    const { client, clock, logger, digest } = this.#context;
    const { plural } = this.definition.options.resource;
    return new CauseReconciler(this.definition, {
      client,
      clock,
      logger,
      digest,
      // Cause handlers are only allowed with the projection that keeps objects whole.
      store: this.#store as unknown as Store<Whole>,
      finalize: async (object, finalizer, action) => {
        const event = {
          meta: metaOf(plural, object),
          object: object as unknown as KubernetesObject,
          type: ResourceEventType.Modified,
        };
        await this.handleResourceFinalizer(event, finalizer, action);
        return !this.#vanished.delete(formatKey({ namespace: '', ...object.metadata }));
      },
      recordWrite: (key, version) => {
        this.recordWrite(key, version);
      },
      recordEvent: (object, note) => {
        this.events.record(subjectOf(this.definition.options.resource, object), note);
      },
      onTerminal: () => {
        this.#metrics.gaveUp();
      },
    });
  }

  #attach(): void {
    const { options, handlers } = this.definition;
    const own: WatchSpec = { ...options, toKeys: (object) => [formatKey(object)] };
    const all = [own, ...options.watches];
    const namespaced = all.map((spec) => ({ spec, parts: this.#open(spec) }));
    const parts = new Map<string, Set<WatchPart>>();
    for (const { spec, parts: opened } of namespaced) {
      const name = resourceName(spec.resource);
      const known = parts.get(name) ?? new Set();
      for (const part of opened) known.add(part);
      parts.set(name, known);
    }
    for (const handler of handlers) {
      if (handler.kind === 'event') {
        this.#observe(
          parts.get(resourceName(handler.resource)),
          boundMethod<EventHandler>(this.definition.instance, handler.method),
        );
      } else if (handler.kind === 'index') {
        const index = this.#context.registry.index(handler.name);
        const select = boundMethod<(object: Projected) => string | readonly string[] | undefined>(
          this.definition.instance,
          handler.method,
        );
        const resource: ResourceType = handler.resource ?? options.resource;
        for (const part of parts.get(resourceName(resource)) ?? []) {
          part.listen((event) => {
            this.#guard.call(`@Index ${handler.method}`, event, () => {
              index.apply(event, select);
            });
          }, undefined);
        }
      }
    }
    for (const { spec, parts: opened } of namespaced) {
      const queue = spec === own ? this.#queueOwn() : this.#queueWatched(spec);
      if (spec.toKeys !== noKeys) for (const part of opened) part.listen(undefined, queue);
    }
  }

  #open(spec: WatchSpec): readonly WatchPart[] {
    const { namespaces } = this.definition.options;
    const opened = this.#context.registry.open(spec.resource, spec.project, {
      ...spec,
      namespaces: spec.namespaces ?? namespaces,
    });
    for (const part of opened) this.#parts.add(part);
    return opened;
  }

  /** `Synced` is told once all of a resource's reflectors have their first list; a handler that throws is counted. */
  #observe(parts: ReadonlySet<WatchPart> | undefined, handler: EventHandler): void {
    if (parts === undefined) return;
    const observe = (event: ReflectorEvent<Projected>): void => {
      if (event.type === 'Synced' && parts.size > 1) {
        for (const part of parts) if (!part.reflector.synced) return;
      }
      this.#guard.call('@OnEvent', event, () => handler(event));
    };
    for (const part of parts) part.listen(observe, undefined);
  }

  #queueOwn(): (event: ReflectorEvent<Projected>) => void {
    const { predicate, skipOwnWrites, resource } = this.definition.options;
    const reasons = reasonsOf(resource);
    return (event) => {
      if (event.type === 'Synced') return;
      const { object } = event;
      const key = formatKey(object);
      if (event.type === 'Deleted') this.#causes?.forget(key);
      const seen = this.#ownWrites.seen(key, object.resourceVersion);
      if (!this.#active) return;
      if (seen?.release === true) this.pool.add(key, 'own write seen');
      else if (seen?.own === true && skipOwnWrites && event.type !== 'Deleted') return;
      // A predicate only saves runs: one that throws saves none.
      if (predicate !== undefined && this.#guard.call('predicate', event, () => predicate(event)) === false) return;
      this.pool.add(key, reasons[event.type]);
    };
  }

  #queueWatched(spec: WatchSpec): (event: ReflectorEvent<Projected>) => void {
    const reasons = reasonsOf(spec.resource);
    return (event) => {
      if (event.type === 'Synced' || !this.#active) return;
      const { predicate } = spec;
      if (predicate !== undefined && this.#guard.call('predicate', event, () => predicate(event)) === false) return;
      const add = (object: Projected): void => {
        for (const key of spec.toKeys(object)) this.pool.add(key, reasons[event.type]);
      };
      this.#guard.call('toKeys', event, () => {
        add(event.object);
      });
      // An object that moves from one key to another concerns both.
      if (event.type === 'Modified') {
        this.#guard.call('toKeys', event, () => {
          add(event.previous);
        });
      }
    };
  }

  async #queueAll(epoch: number): Promise<void> {
    const { options } = this.definition;
    await this.#queueEach(epoch, this.#store.values(), (object) => [formatKey(object)]);
    for (const spec of options.watches) {
      if (spec.toKeys === noKeys) continue;
      await this.#queueEach(epoch, this.#context.registry.store(spec.resource).values(), spec.toKeys);
    }
    for (const key of options.moreKeys?.() ?? []) {
      if (this.#mustPause() && !(await this.#pause(epoch))) return;
      if (key !== undefined) this.pool.add(key, 'start', 'background');
    }
  }

  #mustPause(): boolean {
    return this.#context.budget.spent() || this.pool.queue.depth >= MAX_QUEUED_AHEAD;
  }

  /** Leaves the event loop to others until the queue is short. @returns false when this activation was overtaken meanwhile */
  async #pause(epoch: number): Promise<boolean> {
    const { budget, clock } = this.#context;
    if (budget.spent()) await budget.nextTurn();
    while (epoch === this.#epoch && this.pool.queue.depth >= MAX_QUEUED_AHEAD) await sleep(clock, QUEUE_POLL_MS);
    return epoch === this.#epoch;
  }

  async #queueEach(
    epoch: number,
    objects: IterableIterator<Projected>,
    toKeys: (object: Projected) => readonly string[],
  ): Promise<void> {
    for (const object of objects) {
      if (this.#mustPause() && !(await this.#pause(epoch))) return;
      try {
        for (const key of toKeys(object)) this.pool.add(key, 'start', 'background');
      } catch (error) {
        this.#guard.failed('toKeys', 'Start', object, error);
      }
    }
  }

  #hold(key: string): number {
    if (this.#ownWrites.size === 0) return 0;
    const { waitMs, expired } = this.#ownWrites.hold(key, this.#store.get(key)?.resourceVersion);
    if (expired) {
      this.#metrics.ranStale();
      this.#context.digest.report('warn', 'Cache did not show the own write in time', this.name, {
        operator: this.name,
        key,
        waitedMs: this.definition.options.ownWriteWaitMs,
      });
    }
    return waitMs;
  }
}

/** The `@Reconcile` method, or nothing where the operator only looks at events. */
function plainReconcile({ instance, handlers }: OperatorDefinition): ReconcileFunction {
  const reconcile = handlers.find(({ kind }) => kind === 'reconcile');
  return reconcile === undefined ? () => undefined : boundMethod<ReconcileFunction>(instance, reconcile.method);
}

/** Texts are made once, not at each event. */
function reasonsOf(resource: ResourceType): Readonly<Record<ObjectEvent['type'], string>> {
  const name = resourceName(resource);
  return { Added: `${name} added`, Modified: `${name} modified`, Deleted: `${name} deleted` };
}
