import { type Clock, isDelay, type Random, type Timer } from '../kube/clock.js';
import type { EventLoopBudget } from '../kube/event-loop-budget.js';
import { errorKind, errorText } from '../kube/error-text.js';
import { isKubeApiError, NotLeaderError } from '../kube/kube-api-error.js';
import type { LogDigest } from '../kube/log-digest.js';
import type { ControllerMetrics } from './operator-metrics.js';
import { PermanentError, ReconcileAbortedError, ReconcileTimeoutError, TemporaryError } from './operator-errors.js';
import { ReconcileHistory, type RunOutcome } from './reconcile-history.js';
import { type ReconcileFunction, type ReconcileOutcome, RunningRequest } from './reconcile-request.js';
import { RunLimit } from './run-limit.js';
import { type Lane, type WorkItem, WorkQueue, type WorkQueueSettings } from './work-queue.js';

export interface WorkerPoolOptions {
  /** The operator's name, for logs. */
  readonly name: string;
  readonly reconcile: ReconcileFunction;
  /** Milliseconds for which a key must not run yet, or 0: its cache may be older than its own last write. */
  readonly holdMs?: ((key: string) => number) | undefined;
  readonly maxConcurrentReconciles: number;
  /** Runs that may be under way however slow the API server is. Default: as many as ever. */
  readonly leastConcurrentReconciles?: number | undefined;
  /** Milliseconds after which the signal of a run is aborted. */
  readonly reconcileTimeoutMs: number;
  readonly queue?: Partial<WorkQueueSettings> | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: EventLoopBudget;
  readonly digest: LogDigest;
  readonly metrics: ControllerMetrics;
  readonly history?: ReconcileHistory | undefined;
}

/** How long a key rests whose write was refused for want of the lease, while this replica goes on leading, milliseconds. */
const FENCED_MS = 1_000;

/** How long runs may start in a turn of the event loop that others have used up already, milliseconds. */
const RESUMED_MS = 5;

/**
 * The bounded workers of one operator, and its queue.
 *
 * Guarantees: at most `maxConcurrentReconciles` runs at once, and never two of one key; whatever a run throws is caught here, counted,
 * logged (one line a minute for each kind of error) and, unless it is terminal, retried; while the pool is closed nothing starts; many
 * short runs give way to the event loop every 10 ms.
 *
 * Caveat: a run that ignores its signal keeps its worker and its key until it ends: running the key again beside it would break the first
 * guarantee. `workqueue_longest_running_processor_seconds` shows it.
 */
export class WorkerPool {
  readonly queue: WorkQueue;
  readonly history: ReconcileHistory;
  readonly #options: WorkerPoolOptions;
  readonly #clock: Clock;
  readonly #metrics: ControllerMetrics;
  /** Runs in the order of their start, so that the first is the next to time out. */
  readonly #running = new Set<RunningRequest>();
  readonly #limit: RunLimit;
  readonly #idleWaiters: (() => void)[] = [];
  #open = false;
  #pumpPlanned = false;
  #dueTimer: Timer | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #timeoutTimer: Timer | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#limit = new RunLimit({
      most: options.maxConcurrentReconciles,
      least: options.leastConcurrentReconciles,
    });
    this.queue = new WorkQueue(() => options.clock.monotonicMs(), options.random, options.queue);
    this.history = options.history ?? new ReconcileHistory();
    this.#metrics.observe(this);
  }

  /** Runs under way. */
  get active(): number {
    return this.#running.size;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** The keys of the runs under way, the longest first. */
  get activeKeys(): readonly string[] {
    return Array.from(this.#running, ({ key }) => key);
  }

  /** How long the run of a key is under way, milliseconds; undefined where none is. */
  runningMs(key: string): number | undefined {
    for (const run of this.#running) if (run.key === key) return this.#clock.monotonicMs() - run.startedAt;
    return undefined;
  }

  /** Since when each run is under way, monotonic milliseconds, the longest first. */
  *startTimes(): IterableIterator<number> {
    for (const run of this.#running) yield run.startedAt;
  }

  /** Lets runs start. */
  open(): void {
    this.#open = true;
    this.wake();
  }

  /** Starts no more runs. Keys stay queued. */
  close(): void {
    this.#open = false;
    this.#dueTimer?.cancel();
    this.#dueTimer = undefined;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  /** Puts a key into the queue. On the path of every event: no promise and no timer is made. */
  add(key: string, reason: string, lane?: Lane): void {
    this.queue.add(key, reason, lane);
    this.wake();
  }

  addAfter(key: string, delayMs: number, reason: string): void {
    this.queue.addAfter(key, delayMs, reason);
    this.wake();
  }

  /** Sees to it that the queue is looked at, once the caller is done. */
  wake(): void {
    if (this.#pumpPlanned || !this.#open) return;
    this.#pumpPlanned = true;
    queueMicrotask(this.#pump);
  }

  /** Tells every run to end. */
  abortAll(reason: Error): void {
    for (const run of this.#running) run.abort(reason);
  }

  /**
   * Resolves when no run is under way, or after `graceMs`.
   *
   * @returns how many runs are still under way
   */
  async drain(graceMs: number): Promise<number> {
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(resolve, graceMs);
        this.#idleWaiters.push(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    return this.#running.size;
  }

  readonly #pump = (): void => {
    this.#runPump(Number.NEGATIVE_INFINITY);
  };

  /** After it gave way, the pump gets some milliseconds of its own: parsing would otherwise use up every turn of a burst. */
  readonly #resumePump = (): void => {
    this.#runPump(this.#clock.monotonicMs() + RESUMED_MS);
  };

  /** @param ownUntil until when (monotonic milliseconds) runs may start although others used up the turn */
  #runPump(ownUntil: number): void {
    this.#pumpPlanned = false;
    while (this.#open && this.#running.size < this.#limit.at(this.#clock.monotonicMs())) {
      if (this.queue.depth > 0 && this.#options.budget.spent() && this.#clock.monotonicMs() >= ownUntil) {
        this.#pumpPlanned = true;
        setImmediate(this.#resumePump);
        return;
      }
      const item = this.queue.get();
      if (item === undefined) break;
      const holdMs = this.#options.holdMs?.(item.key) ?? 0;
      if (holdMs > 0) {
        // A run that starts earlier, because the cache caught up, uses this up.
        this.queue.requeueAfter(item.key, holdMs, item.reason);
        this.queue.done(item.key);
      } else {
        this.#start(item);
      }
    }
    this.#planDue();
  }

  #planDue(): void {
    if (!this.#open || this.#running.size >= this.#limit.at(this.#clock.monotonicMs())) return;
    const delay = this.queue.msUntilDue();
    if (delay === undefined) return;
    const dueAt = this.#clock.monotonicMs() + delay;
    if (dueAt >= this.#dueAt - 0.5) return;
    this.#dueTimer?.cancel();
    this.#dueAt = dueAt;
    this.#dueTimer = this.#clock.setTimer(() => {
      this.#dueTimer = undefined;
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.wake();
    }, delay);
  }

  #start(item: WorkItem): void {
    const run = new RunningRequest(item.key, item.attempt, item.reason, this.#clock.monotonicMs());
    this.#running.add(run);
    this.#metrics.queued(item.waitedMs);
    this.#limit.started(item.waitedMs, run.startedAt);
    this.#planTimeout();
    let outcome: ReconcileOutcome | Promise<ReconcileOutcome>;
    try {
      outcome = this.#options.reconcile(run);
    } catch (error) {
      this.#failed(run, item, error);
      return;
    }
    if (isThenable(outcome)) {
      // Both handlers catch everything themselves.
      void Promise.resolve(outcome).then(
        (result) => {
          this.#noteDuration(run);
          this.#succeeded(run, item, result);
          this.wake();
        },
        (error: unknown) => {
          this.#noteDuration(run);
          this.#failed(run, item, error);
          this.wake();
        },
      );
    } else {
      this.#succeeded(run, item, outcome);
    }
  }

  #noteDuration(run: RunningRequest): void {
    const now = this.#clock.monotonicMs();
    this.#limit.ended(now - run.startedAt, now);
  }

  #succeeded(run: RunningRequest, item: WorkItem, result: ReconcileOutcome): void {
    const delayMs = result?.requeueAfterMs;
    if (delayMs !== undefined && !isDelay(delayMs)) {
      this.#failed(run, item, new PermanentError(`requeueAfterMs must be 0 or more milliseconds, not ${delayMs}`));
      return;
    }
    this.queue.forget(run.key);
    if (delayMs !== undefined) this.queue.requeueAfter(run.key, delayMs, 'requeueAfter');
    this.#end(run, item, delayMs === undefined ? 'success' : 'requeue_after', delayMs ?? null, null);
  }

  #failed(run: RunningRequest, item: WorkItem, error: unknown): void {
    const text = errorText(error);
    if (isFenced(error)) {
      this.queue.forget(run.key);
      // Where the lease is lost the pool is closed and its queue cleared. It may have been in doubt for a moment only, and then nobody else runs the key.
      if (this.#open) this.queue.requeueAfter(run.key, FENCED_MS, 'fenced');
      this.#end(run, item, 'fenced', this.#open ? FENCED_MS : null, text);
      return;
    }
    if (run.abortReason instanceof ReconcileAbortedError) {
      this.queue.forget(run.key);
      this.#end(run, item, 'aborted', null, text);
      return;
    }
    if (isBug(error)) this.#metrics.panicked();
    if (error instanceof PermanentError) {
      this.queue.forget(run.key);
      this.#log(run, error, 'Reconcile failed for good', undefined);
      this.#end(run, item, 'terminal_error', null, text);
      return;
    }
    const delayMs = this.queue.addRateLimited(run.key, {
      ...(error instanceof TemporaryError && error.delayMs !== undefined ? { delayMs: error.delayMs } : {}),
      ...(isKubeApiError(error) && error.retryAfterMs !== undefined ? { minimumMs: error.retryAfterMs } : {}),
    });
    this.#log(run, error, 'Reconcile failed', delayMs);
    this.#end(run, item, run.timedOut ? 'timeout' : 'error', delayMs, text);
  }

  #end(
    run: RunningRequest,
    item: WorkItem,
    outcome: RunOutcome,
    nextRunAfterMs: number | null,
    error: string | null,
  ): void {
    this.#running.delete(run);
    const durationMs = this.#clock.monotonicMs() - run.startedAt;
    this.queue.done(run.key);
    this.#metrics.completed(outcome, durationMs);
    this.history.record({
      key: run.key,
      epochMs: this.#clock.epochMs(),
      reason: item.reason,
      attempt: item.attempt,
      outcome,
      durationMs,
      waitedMs: item.waitedMs,
      nextRunAfterMs,
      error,
    });
    if (this.#running.size === 0) {
      this.#timeoutTimer?.cancel();
      this.#timeoutTimer = undefined;
      for (const waiter of this.#idleWaiters.splice(0)) waiter();
    }
  }

  #log(run: RunningRequest, error: unknown, message: string, retryInMs: number | undefined): void {
    const { name, digest } = this.#options;
    const lasts = retryInMs === undefined || isBug(error);
    digest.report(lasts ? 'error' : 'warn', message, `${name} ${errorKind(error, [run.key, run.name])}`, {
      operator: name,
      key: run.key,
      attempt: run.attempt,
      reason: run.reason,
      error: errorText(error),
      ...(retryInMs === undefined ? {} : { retryInMs }),
      ...(lasts && error instanceof Error ? { stack: error.stack } : {}),
      failingKeys: this.queue.failing,
    });
  }

  /** One timer for all runs: since each may take equally long, the first that started is the first to time out. */
  #planTimeout(): void {
    if (this.#timeoutTimer !== undefined) return;
    const now = this.#clock.monotonicMs();
    for (const run of this.#running) {
      if (run.timedOut) continue;
      const delay = run.startedAt + this.#options.reconcileTimeoutMs - now;
      this.#timeoutTimer = this.#clock.setTimer(this.#timeOut, Math.max(0, delay));
      return;
    }
  }

  readonly #timeOut = (): void => {
    this.#timeoutTimer = undefined;
    const now = this.#clock.monotonicMs();
    for (const run of this.#running) {
      if (run.timedOut) continue;
      if (now - run.startedAt < this.#options.reconcileTimeoutMs) break;
      run.timedOut = true;
      this.#metrics.timedOut();
      this.#options.digest.report('warn', 'Reconcile takes too long, its signal is aborted', this.#options.name, {
        operator: this.#options.name,
        key: run.key,
        afterMs: this.#options.reconcileTimeoutMs,
        active: this.active,
      });
      run.abort(new ReconcileTimeoutError(`the run took longer than ${this.#options.reconcileTimeoutMs} ms`));
    }
    this.#planTimeout();
  };
}

/** A promise of whatever library: one that isn't the language's own must not pass for an answer. */
function isThenable(outcome: unknown): outcome is PromiseLike<ReconcileOutcome> {
  return typeof outcome === 'object' && outcome !== null && 'then' in outcome && typeof outcome.then === 'function';
}

/** A write was refused for want of the lease; it may be wrapped in a library's error. */
function isFenced(error: unknown): boolean {
  return error instanceof NotLeaderError || (error instanceof Error && error.cause instanceof NotLeaderError);
}

/** What the language itself throws: a bug of the handler, rather than a call that failed. `fetch` wraps those in a TypeError with a cause. */
function isBug(error: unknown): boolean {
  if (error instanceof ReferenceError || error instanceof RangeError) return true;
  return error instanceof TypeError && error.cause === undefined;
}
