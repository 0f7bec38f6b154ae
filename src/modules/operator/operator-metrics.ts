import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Clock } from '../kube/clock.js';
import type { EventCounts } from '../kube/event-recorder.js';
import type { RunOutcome } from './reconcile-history.js';
import type { WorkQueue } from './work-queue.js';

/** What is measured of a worker pool when metrics are read, rather than counted at each event. */
export interface ObservedPool {
  readonly queue: WorkQueue;
  readonly active: number;
  startTimes(): IterableIterator<number>;
}

/** What a worker pool and its operator count. */
export interface ControllerMetrics {
  observe(pool: ObservedPool): void;
  /** A key left the queue after `waitedMs`. */
  queued(waitedMs: number): void;
  completed(outcome: RunOutcome, durationMs: number): void;
  /** A handler of causes was given up, and the run went on without it. */
  gaveUp(): void;
  panicked(): void;
  timedOut(): void;
  /** A key ran on a cache older than its own last write, since waiting for it took too long. */
  ranStale(): void;
  /** A handler of events, an index, a predicate or a key map threw. */
  eventHandlerFailed(): void;
  /** Whose Events are counted. */
  observeEvents(recorder: { readonly counts: EventCounts }): void;
}

const RECONCILE_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
const QUEUE_BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];

const RESULTS = ['success', 'error', 'requeue', 'requeue_after'] as const;

/**
 * The metrics of all operators of a process, with controller-runtime's names, labels and buckets, so that its dashboards and alerts
 * fit. Every label combination exists from the start, so that an alert sees the first error.
 */
export class OperatorMetrics {
  readonly #clock: Clock;
  readonly #pools = new Map<string, ObservedPool>();
  readonly #recorders = new Map<string, { readonly counts: EventCounts }>();
  readonly #reconciles: Counter<'controller' | 'result'>;
  readonly #errors: Counter<'controller'>;
  readonly #terminalErrors: Counter<'controller'>;
  readonly #panics: Counter<'controller'>;
  readonly #timeouts: Counter<'controller'>;
  readonly #stale: Counter<'controller'>;
  readonly #fenced: Counter<'controller'>;
  readonly #eventErrors: Counter<'controller'>;
  readonly #time: Histogram<'controller'>;
  readonly #maxConcurrent: Gauge<'controller'>;
  readonly #queueTime: Histogram<'name' | 'controller'>;
  readonly #workTime: Histogram<'name' | 'controller'>;
  readonly #leader: Gauge<'name'>;

  constructor(registry: Registry, clock: Clock) {
    this.#clock = clock;
    const registers = [registry];
    const controller = ['controller'] as const;
    const counter = (name: string, help: string): Counter<'controller'> =>
      new Counter({ name, help, labelNames: controller, registers });
    this.#reconciles = new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Total number of reconciliations per controller',
      labelNames: ['controller', 'result'],
      registers,
    });
    this.#errors = counter(
      'controller_runtime_reconcile_errors_total',
      'Total number of reconciliation errors per controller',
    );
    this.#terminalErrors = counter(
      'controller_runtime_terminal_reconcile_errors_total',
      'Total number of terminal reconciliation errors per controller',
    );
    this.#panics = counter(
      'controller_runtime_reconcile_panics_total',
      'Total number of reconciliations that ended in an error of the language (TypeError, …) per controller',
    );
    this.#timeouts = counter(
      'controller_runtime_reconcile_timeouts_total',
      'Total number of reconciliation timeouts per controller',
    );
    this.#stale = counter(
      'operator_stale_cache_reconciles_total',
      'Reconciliations on a cache older than the key’s own last write, after waiting in vain',
    );
    this.#fenced = counter(
      'operator_fenced_reconciles_total',
      'Reconciliations that ended because this replica did not hold the lease',
    );
    this.#eventErrors = counter(
      'operator_event_handler_errors_total',
      'Errors thrown for an event by @OnEvent, @Index, predicates and key maps',
    );
    this.#time = new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'Length of time per reconciliation per controller',
      labelNames: controller,
      buckets: RECONCILE_BUCKETS,
      registers,
    });
    this.#maxConcurrent = new Gauge({
      name: 'controller_runtime_max_concurrent_reconciles',
      help: 'Maximum number of concurrent reconciles per controller',
      labelNames: controller,
      registers,
    });
    this.#observed(registry, 'controller_runtime_active_workers', 'Number of currently used workers per controller', [
      'controller',
      (pool) => pool.active,
    ]);
    this.#observed(registry, 'workqueue_depth', 'Current depth of workqueue', ['name', (pool) => pool.queue.depth]);
    this.#observed(registry, 'operator_failing_keys', 'Keys whose last run failed, and that run again', [
      'controller',
      (pool) => pool.queue.failing,
    ]);
    this.#observed(
      registry,
      'workqueue_unfinished_work_seconds',
      'Seconds of work in progress that is not yet observed',
      ['name', (pool) => this.#unfinished(pool)],
    );
    this.#observed(
      registry,
      'workqueue_longest_running_processor_seconds',
      'Seconds the longest run has been under way',
      ['name', (pool) => this.#longest(pool)],
    );
    this.#total(
      registry,
      'workqueue_adds_total',
      'Total number of adds handled by workqueue',
      (pool) => pool.queue.adds,
    );
    this.#total(
      registry,
      'workqueue_retries_total',
      'Total number of retries handled by workqueue',
      (pool) => pool.queue.retries,
    );
    const recorders = this.#recorders;
    new Counter({
      name: 'operator_kubernetes_events_total',
      help: 'Events for people: written, left out since the same was told within 10 minutes, and not written',
      labelNames: ['controller', 'result'],
      registers,
      collect(): void {
        this.reset();
        for (const [operator, { counts }] of recorders) {
          for (const [result, count] of Object.entries(counts)) this.inc({ controller: operator, result }, count);
        }
      },
    });
    this.#queueTime = new Histogram({
      name: 'workqueue_queue_duration_seconds',
      help: 'How long in seconds an item stays in workqueue before being requested',
      labelNames: ['name', 'controller'],
      buckets: QUEUE_BUCKETS,
      registers,
    });
    this.#workTime = new Histogram({
      name: 'workqueue_work_duration_seconds',
      help: 'How long in seconds processing an item from workqueue takes',
      labelNames: ['name', 'controller'],
      buckets: QUEUE_BUCKETS,
      registers,
    });
    this.#leader = new Gauge({
      name: 'leader_election_master_status',
      help: '1 while this replica holds the lease, else 0',
      labelNames: ['name'],
      registers,
    });
  }

  /** Whether this replica holds the lease `name`. */
  leading(name: string, leader: boolean): void {
    this.#leader.labels(name).set(leader ? 1 : 0);
  }

  /** The metrics of one operator; all of its series exist from now on. */
  controller(name: string, maxConcurrentReconciles: number): ControllerMetrics {
    for (const result of RESULTS) this.#reconciles.labels(name, result).inc(0);
    for (const counter of [
      this.#errors,
      this.#terminalErrors,
      this.#panics,
      this.#timeouts,
      this.#stale,
      this.#fenced,
      this.#eventErrors,
    ]) {
      counter.labels(name).inc(0);
    }
    this.#time.zero({ controller: name });
    this.#queueTime.zero({ name, controller: name });
    this.#workTime.zero({ name, controller: name });
    this.#maxConcurrent.labels(name).set(maxConcurrentReconciles);
    const success = this.#reconciles.labels(name, 'success');
    const requeueAfter = this.#reconciles.labels(name, 'requeue_after');
    const error = this.#reconciles.labels(name, 'error');
    const errors = this.#errors.labels(name);
    const terminal = this.#terminalErrors.labels(name);
    const panics = this.#panics.labels(name);
    const timeouts = this.#timeouts.labels(name);
    const stale = this.#stale.labels(name);
    const fenced = this.#fenced.labels(name);
    const eventErrors = this.#eventErrors.labels(name);
    const time = this.#time.labels(name);
    const queueTime = this.#queueTime.labels(name, name);
    const workTime = this.#workTime.labels(name, name);
    return {
      observe: (pool) => {
        this.#pools.set(name, pool);
      },
      queued: (waitedMs) => {
        queueTime.observe(waitedMs / 1000);
      },
      completed: (outcome, durationMs) => {
        time.observe(durationMs / 1000);
        workTime.observe(durationMs / 1000);
        switch (outcome) {
          case 'success':
            success.inc();
            return;
          case 'requeue_after':
            requeueAfter.inc();
            return;
          case 'fenced':
          case 'aborted':
            fenced.inc();
            return;
          case 'terminal_error':
            terminal.inc();
            errors.inc();
            error.inc();
            return;
          case 'error':
          case 'timeout':
            errors.inc();
            error.inc();
            return;
          default: {
            const exhaustiveCheck: never = outcome;
            return exhaustiveCheck;
          }
        }
      },
      gaveUp: () => {
        terminal.inc();
      },
      panicked: () => {
        panics.inc();
      },
      timedOut: () => {
        timeouts.inc();
      },
      ranStale: () => {
        stale.inc();
      },
      eventHandlerFailed: () => {
        eventErrors.inc();
      },
      observeEvents: (recorder) => {
        this.#recorders.set(name, recorder);
      },
    };
  }

  #observed(
    registry: Registry,
    name: string,
    help: string,
    [label, read]: readonly ['name' | 'controller', (pool: ObservedPool) => number],
  ): void {
    const pools = this.#pools;
    const labelNames = label === 'name' ? ['name', 'controller'] : ['controller'];
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect(): void {
        for (const [operator, pool] of pools) {
          this.set(label === 'name' ? { name: operator, controller: operator } : { controller: operator }, read(pool));
        }
      },
    });
  }

  /** A counter that the queue keeps itself, since it is on the path of every event. */
  #total(registry: Registry, name: string, help: string, read: (pool: ObservedPool) => number): void {
    const pools = this.#pools;
    new Counter({
      name,
      help,
      labelNames: ['name', 'controller'],
      registers: [registry],
      collect(): void {
        this.reset();
        for (const [operator, pool] of pools) this.inc({ name: operator, controller: operator }, read(pool));
      },
    });
  }

  #unfinished(pool: ObservedPool): number {
    const now = this.#clock.monotonicMs();
    let sum = 0;
    for (const startedAt of pool.startTimes()) sum += now - startedAt;
    return sum / 1000;
  }

  #longest(pool: ObservedPool): number {
    for (const startedAt of pool.startTimes()) return (this.#clock.monotonicMs() - startedAt) / 1000;
    return 0;
  }
}
