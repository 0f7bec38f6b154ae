import { Observable } from 'rxjs';
import { type Clock, type Random, systemClock, systemRandom, type Timer } from './clock.js';
import { EventLoopBudget } from './event-loop-budget.js';
import { failureOf, failureOfErrorEvent } from './failure.js';
import { errorFromStatus, type KubeApiError } from './kube-api-error.js';
import type { KubeClient } from './kube-client.js';
import { type KubeMetrics, noMetrics } from './kube-metrics.js';
import { silentLogger, type StructuredLogger } from './logger.js';
import { ObjectStore } from './object-store.js';
import { resourceName } from './resource-path.js';
import type { KubeObject, Projected, ReflectorEvent, ResourceType, Store } from './resource.js';
import { DEFAULT_REFLECTOR_SETTINGS, type ReflectorSettings } from './reflector-settings.js';
import type { ReflectorEffect, ReflectorInput, ReflectorState, ReflectorTimer } from './reflector-state.js';
import { initialState, overdueAt, step } from './reflector-step.js';
import { Verification } from './verification.js';
import { type WatchLine, WatchStream } from './watch-stream.js';

export interface ReflectorOptions<T extends Projected> {
  readonly client: KubeClient;
  readonly type: ResourceType;
  /** Makes what is kept of an object. Called once for each state that arrives; must not keep the raw object. */
  readonly project: (raw: KubeObject) => T;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly logger?: StructuredLogger | undefined;
  readonly metrics?: KubeMetrics | undefined;
  /** Shared by all reflectors of a process, so that together they leave the event loop free. */
  readonly budget?: EventLoopBudget | undefined;
  readonly settings?: Partial<ReflectorSettings> | undefined;
}

/** How a reflector is. Times are milliseconds of the monotonic clock; `lastLineAt` is undefined before the first line. */
export interface ReflectorStatus {
  readonly resource: string;
  readonly state: ReflectorState['name'];
  readonly synced: boolean;
  readonly size: number;
  readonly lastLineAt: number | undefined;
  /** The newest version that was taken in; `''` before the first list. */
  readonly resourceVersion: string;
  /** How often a watch was opened anew, by reason. */
  readonly restarts: Readonly<Record<string, number>>;
  /** How often the state was listed anew, by reason. */
  readonly relistsByReason: Readonly<Record<string, number>>;
  readonly relists: number;
  /** Differences that verifications found: what the watch should have delivered and didn't. */
  readonly missedEvents: number;
  readonly verifications: number;
  /** Objects that couldn't be projected and were left out. */
  readonly projectionErrors: number;
  /** Listeners that threw. */
  readonly listenerErrors: number;
  /** Whether this reflector has done nothing for longer than any of its own limits: a fault of this process. */
  readonly stuck: boolean;
}

export type ReflectorListener<T extends Projected> = (event: ReflectorEvent<T>) => void;

/**
 * A cache of one resource (in one namespace or all, under selectors) that follows the API server and tells every change.
 *
 * Guarantees
 * - Changes are delivered synchronously, in the order of the server's versions, after the store was changed.
 * - A deletion is never lost: what a list no longer has is delivered as `Deleted` with `stale`, and an object that was deleted and made again
 *   under the same name is a `Deleted` and an `Added`.
 * - A reconnect repeats nothing: a state that isn't newer than the kept one isn't delivered.
 * - A partial list is never visible.
 * - It never gives up, and its requests stay bounded, however the server fails.
 * - After `stop()` resolved no request is open, no timer is set and nothing is delivered.
 *
 * Caveats: intermediate states between two lists are not seen. An object that can't be projected is left out, counted and logged.
 */
export class Reflector<T extends Projected> implements Store<T> {
  /** Every change, hot. A subscriber that throws is rxjs's to report; {@link listen} isolates its listeners. */
  readonly events: Observable<ReflectorEvent<T>>;

  readonly #options: ReflectorOptions<T>;
  readonly #resource: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: StructuredLogger;
  readonly #metrics: KubeMetrics;
  readonly #budget: EventLoopBudget;
  readonly #settings: ReflectorSettings;
  readonly #store = new ObjectStore<T>();
  readonly #listeners = new Set<ReflectorListener<T>>();
  readonly #timers = new Map<ReflectorTimer, Timer>();
  readonly #running = new Set<Promise<void>>();
  readonly #restarts: Record<string, number> = {};
  readonly #relists: Record<string, number> = {};
  #state: ReflectorState;
  #shadow = new Map<string, T>();
  /** What the next `shadow` or `apply` effect takes in. */
  #raw: readonly KubeObject[] = [];
  #rawType = '';
  #receivedAt = 0n;
  #request: AbortController | undefined;
  #stream: WatchStream | undefined;
  #verification: Verification<T> | undefined;
  #version = '';
  #lastLineAt: number | undefined;
  #missed = 0;
  #verifications = 0;
  #projectionErrors = 0;
  #listenerErrors = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#resource = resourceName(options.type);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#logger = options.logger ?? silentLogger;
    this.#metrics = options.metrics ?? noMetrics;
    this.#budget = options.budget ?? new EventLoopBudget(this.#clock);
    this.#settings = { ...DEFAULT_REFLECTOR_SETTINGS, ...options.settings };
    this.#state = initialState(this.#settings);
    this.events = new Observable((subscriber) =>
      this.listen((event) => {
        subscriber.next(event);
      }),
    );
  }

  get synced(): boolean {
    return this.#store.synced;
  }

  get size(): number {
    return this.#store.size;
  }

  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  getByUid(uid: string): T | undefined {
    return this.#store.getByUid(uid);
  }

  values(): IterableIterator<T> {
    return this.#store.values();
  }

  /** Calls `listener` with every change from now on, until the returned function is called. One that throws is counted and logged. */
  listen(listener: ReflectorListener<T>): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Starts to list and watch. Does nothing when it was started or stopped before. */
  start(): void {
    this.#feed({ type: 'Start' });
  }

  /** Ends every request and resolves when nothing is left under way. */
  async stop(): Promise<void> {
    this.#feed({ type: 'Stop' });
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  status(): ReflectorStatus {
    return {
      resource: this.#resource,
      state: this.#state.name,
      synced: this.#store.synced,
      size: this.#store.size,
      lastLineAt: this.#lastLineAt,
      resourceVersion: this.#version,
      restarts: { ...this.#restarts },
      relistsByReason: { ...this.#relists },
      relists: Object.values(this.#relists).reduce((sum, count) => sum + count, 0),
      missedEvents: this.#missed,
      verifications: this.#verifications,
      projectionErrors: this.#projectionErrors,
      listenerErrors: this.#listenerErrors,
      stuck: this.#clock.monotonicMs() > overdueAt(this.#state, this.#settings),
    };
  }

  #feed(input: ReflectorInput): void {
    const context = { now: this.#clock.monotonicMs(), random: this.#random() };
    const next = step(this.#state, input, context, this.#settings);
    this.#state = next.state;
    if (next.state.name === 'watching') this.#version = next.state.version;
    for (const effect of next.effects) this.#carryOut(effect);
  }

  #carryOut(effect: ReflectorEffect): void {
    switch (effect.do) {
      case 'apply':
        this.#applyLine();
        return;
      case 'shadow':
        for (const raw of this.#raw) this.#putIntoShadow(raw);
        return;
      case 'list':
        this.#spawn(this.#list(effect.continueToken, effect.limit));
        return;
      case 'stream':
        this.#spawn(this.#watch(undefined, effect.timeoutSeconds));
        return;
      case 'watch':
        this.#spawn(this.#watch(effect.version, effect.timeoutSeconds));
        return;
      case 'swap':
        this.#stream?.hold();
        this.#spawn(this.#swap());
        return;
      case 'abort':
        this.#request?.abort();
        this.#request = undefined;
        this.#stream?.close();
        this.#stream = undefined;
        return;
      case 'clearShadow':
        this.#shadow = new Map();
        return;
      case 'announceSynced':
        this.#store.markSynced();
        this.#deliver({ type: 'Synced', receivedAt: this.#clock.epochNs() });
        return;
      case 'setTimer':
        this.#setTimer(effect.timer, effect.delayMs);
        return;
      case 'cancelTimer':
        this.#timers.get(effect.timer)?.cancel();
        this.#timers.delete(effect.timer);
        return;
      case 'verify':
        this.#spawn(this.#verify());
        return;
      case 'abandonVerification':
        this.#verification?.abandon();
        return;
      case 'countRestart':
        this.#restarts[effect.reason] = (this.#restarts[effect.reason] ?? 0) + 1;
        this.#metrics.watchRestarted(this.#resource, effect.reason);
        return;
      case 'countRelist':
        this.#relists[effect.reason] = (this.#relists[effect.reason] ?? 0) + 1;
        this.#metrics.relisted(this.#resource, effect.reason);
        return;
      case 'warn':
        this.#logger.warn('watching is interrupted', {
          resource: this.#resource,
          reason: effect.failure.reason,
          code: effect.failure.code,
          detail: effect.failure.detail,
          retryInMs: Math.round(effect.delayMs),
        });
        return;
      default: {
        const unknown: never = effect;
        return unknown;
      }
    }
  }

  #setTimer(timer: ReflectorTimer, delayMs: number): void {
    this.#timers.get(timer)?.cancel();
    const handle = this.#clock.setTimer(() => {
      this.#timers.delete(timer);
      this.#feed({ type: 'Tick', timer });
    }, delayMs);
    this.#timers.set(timer, handle);
  }

  /** Keeps a task so that `stop()` can wait for it. Tasks handle their own errors; what still escapes is a fault of this code. */
  #spawn(task: Promise<void>): void {
    const guarded = task
      .catch((error: unknown) => {
        this.#logger.error('a task of the reflector failed', { resource: this.#resource, error });
        const detail = error instanceof Error ? error.message : String(error);
        this.#feed({ type: 'Failed', failure: { reason: 'malformed', code: 0, detail } });
      })
      .finally(() => {
        this.#running.delete(guarded);
      });
    this.#running.add(guarded);
  }

  #beginRequest(): AbortSignal {
    this.#request?.abort();
    this.#request = new AbortController();
    return this.#request.signal;
  }

  #fail(error: unknown, signal: AbortSignal): void {
    const failure = failureOf(error);
    if (signal.aborted || failure === undefined) return;
    this.#feed({ type: 'Failed', failure });
  }

  async #list(continueToken: string, limit: number): Promise<void> {
    const signal = this.#beginRequest();
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    let page;
    try {
      page = await client.list(type, {
        namespace,
        labelSelector,
        fieldSelector,
        limit,
        continue: continueToken,
        signal,
        timeoutMs: this.#settings.pageTimeoutMs,
      });
    } catch (error) {
      this.#fail(error, signal);
      return;
    }
    if (this.#budget.spent()) await this.#budget.nextTurn();
    if (signal.aborted) return;
    this.#raw = page.items;
    this.#receivedAt = this.#clock.epochNs();
    this.#lastLineAt = this.#clock.monotonicMs();
    this.#feed({
      type: 'Page',
      version: page.metadata.resourceVersion,
      continueToken: page.metadata.continue ?? '',
      bytes: page.bytes,
    });
    this.#raw = [];
  }

  async #watch(version: string | undefined, timeoutSeconds: number): Promise<void> {
    const signal = this.#beginRequest();
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    let response;
    try {
      response = await client.watch(type, {
        namespace,
        labelSelector,
        fieldSelector,
        resourceVersion: version,
        sendInitialEvents: version === undefined,
        timeoutSeconds,
        signal,
      });
    } catch (error) {
      this.#fail(error, signal);
      return;
    }
    if (signal.aborted) {
      response.destroy();
      return;
    }
    const owner = {
      line: (line: WatchLine, receivedAt: bigint): void => {
        this.#takeLine(line, receivedAt);
      },
      malformed: (detail: string): void => {
        this.#feed({ type: 'Failed', failure: { reason: 'malformed', code: 0, detail } });
      },
      ended: (): void => {
        this.#feed({ type: 'Ended' });
      },
      failed: (error: KubeApiError): void => {
        this.#fail(error, signal);
      },
    };
    this.#stream = new WatchStream(response, owner, this.#clock, this.#budget);
    this.#feed({ type: 'Opened' });
    this.#stream.open();
  }

  #takeLine({ type, object }: WatchLine, receivedAt: bigint): void {
    this.#receivedAt = receivedAt;
    this.#lastLineAt = this.#clock.monotonicMs();
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
      case 'DELETED': {
        const version = object.metadata?.resourceVersion;
        if (version === undefined) {
          this.#malformed(`a line of type ${type} has no resource version`);
          return;
        }
        this.#raw = [object];
        this.#rawType = type;
        this.#feed({ type: 'Object', version });
        return;
      }
      case 'BOOKMARK': {
        const version = object.metadata?.resourceVersion;
        if (version === undefined) {
          this.#malformed('a bookmark has no resource version');
          return;
        }
        const listEnd = object.metadata.annotations?.['k8s.io/initial-events-end'] === 'true';
        this.#feed({ type: 'Bookmark', version, listEnd });
        return;
      }
      case 'ERROR':
        this.#feed({ type: 'Failed', failure: failureOfErrorEvent(errorFromStatus(object)) });
        return;
      default:
        this.#malformed(`a line has the unknown type ${type.slice(0, 40)}`);
    }
  }

  #malformed(detail: string): void {
    this.#feed({ type: 'Failed', failure: { reason: 'malformed', code: 0, detail } });
  }

  #project(raw: KubeObject): T | undefined {
    try {
      return this.#options.project(raw);
    } catch (error) {
      this.#projectionErrors++;
      this.#logger.error('an object could not be projected and is left out', {
        resource: this.#resource,
        namespace: raw.metadata.namespace,
        object: raw.metadata.name,
        error,
      });
      return undefined;
    }
  }

  #putIntoShadow(raw: KubeObject): void {
    const object = this.#project(raw);
    if (object !== undefined) this.#shadow.set(object.uid, object);
  }

  #applyLine(): void {
    const raw = this.#raw[0];
    if (raw === undefined) return;
    const receivedAt = this.#receivedAt;
    const object = this.#project(raw);
    if (object === undefined) return;
    if (this.#rawType === 'DELETED') {
      const known = this.#store.remove(object.uid);
      this.#verification?.noteDeleted(object.uid);
      if (known !== undefined) this.#deliver({ type: 'Deleted', object, stale: false, receivedAt });
      return;
    }
    const change = this.#store.applyLive(object);
    if (change.kind === 'added') {
      if (change.replaced !== undefined) {
        this.#verification?.noteDeleted(change.replaced.uid);
        this.#deliver({ type: 'Deleted', object: change.replaced, stale: true, receivedAt });
      }
      this.#deliver({ type: 'Added', object, live: true, receivedAt });
    } else if (change.kind === 'modified') {
      this.#deliver({ type: 'Modified', object, previous: change.previous, live: true, receivedAt });
    }
  }

  /**
   * Makes the store equal to the shadow, delivering each difference, deletions first: so a name is free before its new owner comes. Yields to the event
   * loop; no watch is read meanwhile.
   */
  async #swap(): Promise<void> {
    const shadow = this.#shadow;
    const receivedAt = this.#clock.epochNs();
    const gone: string[] = [];
    for (const known of this.#store.values()) if (!shadow.has(known.uid)) gone.push(known.uid);
    for (const uid of gone) {
      if (this.#budget.spent()) await this.#budget.nextTurn();
      if (this.#state.name !== 'swapping') return;
      const object = this.#store.remove(uid);
      if (object !== undefined) this.#deliver({ type: 'Deleted', object, stale: true, receivedAt });
    }
    for (const object of shadow.values()) {
      if (this.#budget.spent()) await this.#budget.nextTurn();
      if (this.#state.name !== 'swapping') return;
      const change = this.#store.applyListed(object);
      if (change.kind === 'added') {
        this.#deliver({ type: 'Added', object, live: false, receivedAt });
      } else if (change.kind === 'modified') {
        this.#deliver({ type: 'Modified', object, previous: change.previous, live: false, receivedAt });
      }
    }
    if (this.#state.name !== 'swapping') return;
    this.#shadow = new Map();
    this.#version = this.#state.version;
    this.#feed({ type: 'Swapped' });
    this.#stream?.release();
  }

  async #verify(): Promise<void> {
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    const verification = new Verification<T>({
      client,
      type,
      scope: { namespace, labelSelector, fieldSelector },
      store: this.#store,
      version: () => this.#version,
      clock: this.#clock,
      budget: this.#budget,
      settings: this.#settings,
    });
    this.#verification = verification;
    let missed: number | undefined;
    try {
      missed = await verification.run();
    } catch (error) {
      this.#logger.warn('a verification could not be finished', { resource: this.#resource, error });
    }
    this.#verification = undefined;
    if (missed !== undefined) {
      this.#verifications++;
      this.#metrics.verified(this.#resource);
    }
    if (missed !== undefined && missed > 0) {
      this.#missed += missed;
      this.#metrics.eventsMissed(this.#resource, missed);
      this.#logger.error('the watch had missed changes', { resource: this.#resource, missed });
    }
    this.#feed({ type: 'Verified', missed });
  }

  #deliver(event: ReflectorEvent<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#listenerErrors++;
        this.#logger.error('a listener of the reflector threw', { resource: this.#resource, type: event.type, error });
      }
    }
  }
}
