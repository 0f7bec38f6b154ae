import type { IncomingMessage } from 'node:http';
import { Observable } from 'rxjs';
import { type Clock, type Random, systemClock, systemRandom, type Timer } from './clock.js';
import type { Cutter } from './cutter.js';
import { EventLoopBudget } from './event-loop-budget.js';
import { failureOf, failureOfErrorEvent } from './failure.js';
import { errorFromStatus } from './kube-api-error.js';
import { type KubeMetrics, noMetrics } from './kube-metrics.js';
import { JsonStream, type JsonStreamOwner } from './json-stream.js';
import { LineSplitter } from './line-splitter.js';
import { ListSplitter } from './list-splitter.js';
import { ListenerSet, type ReflectorListener } from './listener-set.js';
import { silentLogger, type StructuredLogger } from './logger.js';
import { decodeWithoutManagedFields } from './managed-fields.js';
import { apiVersionOf, resourceName } from './resource-path.js';
import type { KubeObject, Projected, ReflectorEvent, Store } from './resource.js';
import type { ReflectorOptions } from './reflector-options.js';
import { DEFAULT_REFLECTOR_SETTINGS, type ReflectorSettings } from './reflector-settings.js';
import type { ReflectorEffect, ReflectorInput, ReflectorState, ReflectorTimer } from './reflector-state.js';
import { LabelCounter, type ReflectorStatus } from './reflector-status.js';
import { overdueAt } from './reflector-limits.js';
import { initialState, step } from './reflector-step.js';
import { StoreKeeper } from './store-keeper.js';
import { Verification } from './verification.js';
import { isListEnd, isWatchLine, parseEnvelope, type WatchLine } from './watch-line.js';

export type { ReflectorListener } from './listener-set.js';
export type { ReflectorOptions } from './reflector-options.js';
export type { ReflectorStatus } from './reflector-status.js';

/**
 * A cache of one resource (in one namespace or all, under selectors) that follows the API server and tells every change.
 *
 * Guarantees
 * - Changes are delivered synchronously, in the order of the server's versions, after the store was changed.
 * - A deletion is never lost: what a list no longer has is delivered as `Deleted` with `stale`, and an object that was deleted and made again
 *   under the same name is a `Deleted` and an `Added`.
 * - A reconnect repeats nothing: a state that isn't newer than the kept one isn't delivered.
 * - A partial list is never taken for a complete one: the first fills the store before it is `synced`, every other is taken over at once when it is complete.
 * - It never gives up, and its requests stay bounded, however the server fails.
 * - After `stop()` resolved no request is open, no timer is set and nothing is delivered.
 *
 * Caveats: intermediate states between two lists are not seen. A state that can't be projected is counted and logged; the object is left out, or stays in the
 * store as it was before.
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
  readonly #listeners: ListenerSet<T>;
  readonly #keeper: StoreKeeper<T>;
  readonly #timers = new Map<ReflectorTimer, Timer>();
  readonly #running = new Set<Promise<void>>();
  readonly #restarts = new LabelCounter();
  readonly #relists = new LabelCounter();
  #state: ReflectorState;
  /** What the next `shadow` or `apply` effect takes in. */
  #raw: KubeObject | undefined;
  #rawType = '';
  #receivedAt = 0n;
  #request: AbortController | undefined;
  #stream: JsonStream | undefined;
  #verification: Verification<T> | undefined;
  #version = '';
  #lastLineAt: number | undefined;
  #missed = 0;
  #verifications = 0;

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
    this.#listeners = new ListenerSet(this.#resource, this.#logger);
    this.#keeper = new StoreKeeper({
      resource: this.#resource,
      project: options.project,
      listeners: this.#listeners,
      logger: this.#logger,
    });
    this.events = new Observable((subscriber) =>
      this.listen((event) => {
        subscriber.next(event);
      }),
    );
  }

  get synced(): boolean {
    return this.#keeper.store.synced;
  }

  get size(): number {
    return this.#keeper.store.size;
  }

  get(key: string): T | undefined {
    return this.#keeper.store.get(key);
  }

  getByUid(uid: string): T | undefined {
    return this.#keeper.store.getByUid(uid);
  }

  values(): IterableIterator<T> {
    return this.#keeper.store.values();
  }

  /** Calls `listener` with every change from now on, until the returned function is called. One that throws is counted and logged. */
  listen(listener: ReflectorListener<T>): () => void {
    return this.#listeners.add(listener);
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
      synced: this.#keeper.store.synced,
      size: this.#keeper.store.size,
      lastLineAt: this.#lastLineAt,
      resourceVersion: this.#version,
      restarts: this.#restarts.snapshot(),
      relistsByReason: this.#relists.snapshot(),
      relists: this.#relists.total,
      missedEvents: this.#missed,
      verifications: this.#verifications,
      projectionErrors: this.#keeper.projectionErrors,
      listenerErrors: this.#listeners.errors,
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
        if (this.#raw !== undefined) this.#keeper.apply(this.#rawType, this.#raw, this.#receivedAt);
        return;
      case 'shadow':
        if (this.#raw !== undefined) this.#keeper.gather(this.#raw, this.#receivedAt);
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
      case 'forgetList':
        this.#keeper.forgetList();
        return;
      case 'announceSynced':
        this.#keeper.store.markSynced();
        this.#listeners.deliver({ type: 'Synced', receivedAt: this.#clock.epochNs() });
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
        this.#restarts.add(effect.reason);
        this.#metrics.watchRestarted(this.#resource, effect.reason);
        return;
      case 'countRelist':
        this.#relists.add(effect.reason);
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
    const cutter = new ListSplitter(decodeWithoutManagedFields);
    const stamp = { apiVersion: apiVersionOf(type), kind: type.kind };
    const open = (): Promise<IncomingMessage> =>
      client.listStream(type, {
        namespace,
        labelSelector,
        fieldSelector,
        limit,
        continue: continueToken,
        signal,
        timeoutMs: this.#settings.pageTimeoutMs,
      });
    await this.#read(open, cutter, signal, {
      value: (item, receivedAt) => {
        // The server leaves kind and apiVersion out of the items of a list.
        this.#takeItem(Object.assign(item as KubeObject, stamp), receivedAt);
      },
      ended: () => {
        const page = parseEnvelope(cutter.envelope);
        if (page === undefined) this.#malformed('a page has no metadata');
        else this.#feed({ type: 'Page', ...page });
      },
    });
  }

  async #watch(version: string | undefined, timeoutSeconds: number): Promise<void> {
    const signal = this.#beginRequest();
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    const open = async (): Promise<IncomingMessage> => {
      const response = await client.watch(type, {
        namespace,
        labelSelector,
        fieldSelector,
        resourceVersion: version,
        sendInitialEvents: version === undefined,
        timeoutSeconds,
        signal,
      });
      if (!signal.aborted) this.#feed({ type: 'Opened' });
      return response;
    };
    await this.#read(open, new LineSplitter(decodeWithoutManagedFields), signal, {
      value: (line, receivedAt) => {
        if (isWatchLine(line)) this.#takeLine(line, receivedAt);
        else this.#malformed('a line of the watch has no type or no object');
      },
      ended: () => {
        this.#feed({ type: 'Ended' });
      },
    });
  }

  /** Opens an answer and reads it, telling the state machine how it ends. */
  async #read(
    open: () => Promise<IncomingMessage>,
    cutter: Cutter,
    signal: AbortSignal,
    owner: Pick<JsonStreamOwner, 'value' | 'ended'>,
  ): Promise<void> {
    let response;
    try {
      response = await open();
    } catch (error) {
      this.#fail(error, signal);
      return;
    }
    if (signal.aborted) {
      response.destroy();
      return;
    }
    const full: JsonStreamOwner = {
      ...owner,
      malformed: (detail) => {
        this.#malformed(detail);
      },
      failed: (error) => {
        this.#fail(error, signal);
      },
    };
    this.#stream = new JsonStream(response, cutter, full, this.#clock, this.#budget);
    this.#stream.open();
  }

  #takeItem(item: KubeObject, receivedAt: bigint): void {
    this.#receivedAt = receivedAt;
    this.#lastLineAt = this.#clock.monotonicMs();
    this.#raw = item;
    this.#feed({ type: 'Object', version: '' });
  }

  #takeLine({ type, object }: WatchLine, receivedAt: bigint): void {
    this.#receivedAt = receivedAt;
    this.#lastLineAt = this.#clock.monotonicMs();
    if (type === 'ERROR') {
      this.#feed({ type: 'Failed', failure: failureOfErrorEvent(errorFromStatus(object)) });
      return;
    }
    const version = object.metadata?.resourceVersion;
    if (version === undefined) {
      this.#malformed(`a line of type ${type.slice(0, 40)} has no resource version`);
      return;
    }
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
      case 'DELETED':
        this.#raw = object;
        this.#rawType = type;
        this.#feed({ type: 'Object', version });
        return;
      case 'BOOKMARK':
        this.#feed({ type: 'Bookmark', version, listEnd: isListEnd(object) });
        return;
      default:
        this.#malformed(`a line has the unknown type ${type.slice(0, 40)}`);
    }
  }

  #malformed(detail: string): void {
    this.#feed({ type: 'Failed', failure: { reason: 'malformed', code: 0, detail } });
  }

  /** Takes the complete list over into the store; no watch is read meanwhile. */
  async #swap(): Promise<void> {
    const wanted = (): boolean => this.#state.name === 'swapping';
    if (!(await this.#keeper.swap(this.#clock.epochNs(), this.#budget, wanted))) return;
    if (this.#state.name === 'swapping') this.#version = this.#state.version;
    this.#feed({ type: 'Swapped' });
    this.#stream?.release();
  }

  async #verify(): Promise<void> {
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    const verification = new Verification<T>({
      client,
      type,
      scope: { namespace, labelSelector, fieldSelector },
      store: this.#keeper.store,
      version: () => this.#version,
      newestVersion: (uid) => this.#keeper.newestVersion(uid),
      clock: this.#clock,
      budget: this.#budget,
      settings: this.#settings,
    });
    this.#verification = verification;
    this.#keeper.onDeleted = (uid) => {
      verification.noteDeleted(uid);
    };
    let missed: number | undefined;
    try {
      missed = await verification.run();
    } catch (error) {
      this.#logger.warn('a verification could not be finished', { resource: this.#resource, error });
    }
    this.#verification = undefined;
    this.#keeper.onDeleted = undefined;
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
}
