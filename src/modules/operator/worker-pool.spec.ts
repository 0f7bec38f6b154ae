import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { FakeClock, settle } from '../../../test/support/fake-clock.js';
import { EventLoopBudget } from '../kube/event-loop-budget.js';
import { KubeApiError, NotLeaderError } from '../kube/kube-api-error.js';
import { LogDigest } from '../kube/log-digest.js';
import { silentLogger } from '../kube/logger.js';
import { PermanentError, ReconcileAbortedError, ReconcileTimeoutError, TemporaryError } from './operator-errors.js';
import { OperatorMetrics } from './operator-metrics.js';
import type { ReconcileFunction, ReconcileRequest } from './reconcile-request.js';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.js';

interface Latch {
  readonly promise: Promise<void>;
  open(): void;
}

function latch(): Latch {
  const { promise, resolve } = withResolvers();
  return { promise, open: resolve };
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function make(reconcile: ReconcileFunction, options: Partial<WorkerPoolOptions> = {}) {
  const clock = new FakeClock();
  const registry = new Registry();
  const metrics = new OperatorMetrics(registry, clock);
  const pool = new WorkerPool({
    name: 'test',
    reconcile,
    maxConcurrentReconciles: 4,
    reconcileTimeoutMs: 60_000,
    clock,
    random: () => 0,
    budget: new EventLoopBudget(clock),
    digest: new LogDigest(silentLogger, clock),
    metrics: metrics.controller('test', 4),
    ...options,
  });
  pool.open();
  const value = async (name: string, labels: Record<string, string> = {}): Promise<number | undefined> => {
    const metric = await registry.getSingleMetric(name)?.get();
    return metric?.values.find((entry) => Object.entries(labels).every(([key, text]) => entry.labels[key] === text))
      ?.value;
  };
  return { pool, clock, registry, value };
}

describe('WorkerPool', () => {
  it('never runs a key twice at once, and runs it exactly once more after changes during a run', async () => {
    const gate = latch();
    let runs = 0;
    let atOnce = 0;
    let most = 0;
    const { pool } = make(async () => {
      runs += 1;
      atOnce += 1;
      most = Math.max(most, atOnce);
      await gate.promise;
      atOnce -= 1;
    });
    pool.add('a', 'first');
    await settle();
    for (let change = 0; change < 10; change += 1) pool.add('a', 'change');
    await settle();
    expect(runs).toBe(1);
    gate.open();
    await settle();
    expect({ runs, most }).toEqual({ runs: 2, most: 1 });
  });

  it('runs a key once for any number of changes while it waits', async () => {
    const runs: string[] = [];
    const { pool } = make((request) => {
      runs.push(request.key);
    });
    for (let change = 0; change < 5; change += 1) for (const key of ['a', 'b']) pool.add(key, 'change');
    await settle();
    expect(runs).toEqual(['a', 'b']);
  });

  it('runs at most as many keys at once as it may', async () => {
    const gates: Latch[] = [];
    const { pool } = make(
      () => {
        const gate = latch();
        gates.push(gate);
        return gate.promise;
      },
      { maxConcurrentReconciles: 3 },
    );
    for (let index = 0; index < 10; index += 1) pool.add(`key-${index}`, '');
    await settle();
    expect(gates).toHaveLength(3);
    expect(pool.active).toBe(3);
    gates[0]?.open();
    await settle();
    expect(gates).toHaveLength(4);
  });

  it('retries an error with growing delay, and forgets the delay after a success', async () => {
    const at: number[] = [];
    const { pool, clock, value } = make(() => {
      at.push(clock.monotonicMs());
      if (at.length <= 3 || at.length === 5) throw new Error('no');
    });
    pool.add('a', '');
    await clock.advance(10_000);
    expect(at).toEqual([0, 500, 1_500, 3_500]);
    pool.add('a', '');
    await clock.advance(10_000);
    expect(at.slice(4)).toEqual([10_000, 10_500]);
    expect(await value('controller_runtime_reconcile_total', { result: 'error' })).toBe(4);
    expect(await value('controller_runtime_reconcile_total', { result: 'success' })).toBe(2);
    expect(await value('workqueue_retries_total')).toBe(4);
  });

  it('treats a rejected promise, a thrown string and a throw before the first await alike', async () => {
    const failures: (() => Promise<void>)[] = [
      () => Promise.reject(new Error('rejected')),
      // eslint-disable-next-line @typescript-eslint/only-throw-error
      () => {
        throw 'a string';
      },
      () => {
        throw new Error('at once');
      },
    ];
    let run = 0;
    const { pool, clock, value } = make(() => failures[run++]?.() ?? Promise.resolve());
    pool.add('a', '');
    await clock.advance(10_000);
    expect(run).toBe(4);
    expect(await value('controller_runtime_reconcile_errors_total')).toBe(3);
    expect(pool.history.of('a').map(({ error }) => error)).toEqual([
      null,
      'Error: at once',
      'thrown: a string',
      'Error: rejected',
    ]);
  });

  it('waits as long as a TemporaryError says', async () => {
    const at: number[] = [];
    const { pool, clock } = make(() => {
      at.push(clock.monotonicMs());
      if (at.length === 1) throw new TemporaryError('not yet', { delayMs: 7_000 });
    });
    pool.add('a', '');
    await clock.advance(20_000);
    expect(at).toEqual([0, 7_000]);
  });

  it('waits at least as long as the API server asked for', async () => {
    const at: number[] = [];
    const { pool, clock } = make(() => {
      at.push(clock.monotonicMs());
      if (at.length === 1) {
        throw new KubeApiError({ code: 429, reason: 'TooManyRequests', message: 'slow down', retryAfterMs: 3_000 });
      }
    });
    pool.add('a', '');
    await clock.advance(20_000);
    expect(at).toEqual([0, 3_000]);
  });

  it('counts a terminal error, does not retry it, and runs the key again when it changes', async () => {
    let runs = 0;
    const { pool, clock, value } = make(() => {
      runs += 1;
      throw new PermanentError('never');
    });
    pool.add('a', '');
    await clock.advance(3_600_000);
    expect(runs).toBe(1);
    expect(pool.queue.size).toBe(0);
    pool.add('a', 'changed');
    await settle();
    expect(runs).toBe(2);
    expect(await value('controller_runtime_terminal_reconcile_errors_total')).toBe(2);
  });

  it('runs a key again after the time that its result says, without a backoff', async () => {
    const at: number[] = [];
    const { pool, clock, value } = make(() => {
      at.push(clock.monotonicMs());
      return at.length < 4 ? { requeueAfterMs: 1_000 } : undefined;
    });
    pool.add('a', '');
    await clock.advance(60_000);
    expect(at).toEqual([0, 1_000, 2_000, 3_000]);
    expect(await value('controller_runtime_reconcile_total', { result: 'requeue_after' })).toBe(3);
  });

  it('lets an error beat the wish to run later', async () => {
    const at: number[] = [];
    const { pool, clock } = make(async () => {
      at.push(clock.monotonicMs());
      if (at.length === 1) return { requeueAfterMs: 10_000 };
      if (at.length === 2) throw new Error('no');
      return undefined;
    });
    pool.add('a', '');
    await settle();
    pool.add('a', '');
    await clock.advance(60_000);
    expect(at).toEqual([0, 0, 500]);
  });

  it('aborts the signal of a run that takes too long, and does not run its key beside it', async () => {
    const requests: ReconcileRequest[] = [];
    const gate = latch();
    const { pool, clock, value } = make(
      async (request) => {
        requests.push(request);
        await Promise.race([
          gate.promise,
          new Promise((_resolve, reject) => {
            request.signal.addEventListener('abort', () => {
              if (requests.length > 1) reject(request.signal.reason as Error);
            });
          }),
        ]);
      },
      { reconcileTimeoutMs: 5_000 },
    );
    pool.add('a', '');
    await clock.advance(4_999);
    expect(requests[0]?.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(requests[0]?.signal.reason).toBeInstanceOf(ReconcileTimeoutError);
    pool.add('a', '');
    await clock.advance(60_000);
    expect(requests).toHaveLength(1);
    expect(await value('workqueue_longest_running_processor_seconds')).toBe(65);
    gate.open();
    await settle();
    expect(requests).toHaveLength(2);
    expect(await value('controller_runtime_reconcile_timeouts_total')).toBe(1);
  });

  it('counts a run that its time-out ended as a timeout, and retries it', async () => {
    const { pool, clock, value } = make(
      (request) =>
        new Promise((_resolve, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason as Error));
        }),
      { reconcileTimeoutMs: 5_000 },
    );
    pool.add('a', '');
    await clock.advance(5_000);
    expect(pool.history.of('a')[0]).toMatchObject({ outcome: 'timeout', nextRunAfterMs: 500 });
    await clock.advance(500);
    expect(pool.active).toBe(1);
    expect(await value('controller_runtime_reconcile_timeouts_total')).toBe(1);
  });

  it('does not count a write that was refused for want of the lease as an error, and leaves its key to the next leader', async () => {
    let runs = 0;
    const { pool, clock, value } = make(() => {
      runs += 1;
      // As when the lease is lost: the pool is closed before its runs end.
      pool.close();
      throw new NotLeaderError();
    });
    pool.add('a', '');
    await clock.advance(60_000);
    expect(runs).toBe(1);
    expect(pool.queue.size).toBe(0);
    expect(await value('controller_runtime_reconcile_errors_total')).toBe(0);
    expect(await value('operator_fenced_reconciles_total')).toBe(1);
  });

  it('runs a key again whose write was refused while the lease was in doubt for a moment only', async () => {
    let runs = 0;
    const { pool, clock, value } = make(() => {
      runs += 1;
      if (runs === 1) throw new Error('wrapped by a library', { cause: new NotLeaderError() });
    });
    pool.add('a', '');
    await clock.advance(60_000);
    expect(runs).toBe(2);
    expect(await value('controller_runtime_reconcile_errors_total')).toBe(0);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['an object without a prototype', Object.create(null)],
    ['a symbol', Symbol('s')],
    [
      'an error whose message can not be read',
      Object.defineProperty(new Error(), 'message', { get: () => Symbol('s') }),
    ],
  ])('survives %s thrown by a handler, and frees its worker', async (_what, thrown) => {
    const { pool, clock, value } = make(() => Promise.reject(thrown as Error));
    pool.add('a', '');
    await clock.advance(10);
    expect(pool.active).toBe(0);
    expect(await value('controller_runtime_reconcile_errors_total')).toBe(1);
    expect(pool.history.of('a')[0]?.error).toMatch(/^thrown: /);
  });

  it('takes a promise of another library for a promise', async () => {
    class Foreign {
      // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
      then(_resolve: unknown, reject: (error: Error) => void): void {
        reject(new Error('later'));
      }
    }
    const { pool, clock, value } = make(() => new Foreign() as unknown as Promise<void>);
    pool.add('a', '');
    await clock.advance(10);
    expect(await value('controller_runtime_reconcile_errors_total')).toBe(1);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1])(
    'makes no loop of a wish to run again after %p ms',
    async (ms) => {
      let runs = 0;
      const { pool, clock } = make(() => {
        runs += 1;
        return { requeueAfterMs: ms };
      });
      pool.add('a', '');
      await clock.advance(60_000);
      expect(runs).toBe(1);
      expect(pool.history.of('a')[0]).toMatchObject({ outcome: 'terminal_error' });
    },
  );

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('backs off when a TemporaryError says %p ms', async (delayMs) => {
    let runs = 0;
    const { pool, clock, value } = make(() => {
      runs += 1;
      throw new TemporaryError('not yet', { delayMs });
    });
    pool.add('a', '');
    await clock.advance(10_000);
    // At 0, 0.5, 1.5, 3.5 and 7.5 s.
    expect(runs).toBe(5);
    expect(pool.history.of('a')[0]?.error).toContain('delayMs must be 0 or more milliseconds');
    expect(await value('controller_runtime_reconcile_panics_total')).toBe(5);
  });

  it('counts a failed fetch, which is a TypeError with a cause, as an error and not as a bug', async () => {
    const { pool, clock, value } = make(() =>
      Promise.reject(new TypeError('fetch failed', { cause: new Error('refused') })),
    );
    pool.add('a', '');
    await clock.advance(10);
    expect(await value('controller_runtime_reconcile_errors_total')).toBe(1);
    expect(await value('controller_runtime_reconcile_panics_total')).toBe(0);
  });

  it('logs an outage once for all keys, and after a minute how many runs it failed', async () => {
    const loud: [string, unknown][] = [];
    let quiet = 0;
    const logger = {
      ...silentLogger,
      debug: () => void (quiet += 1),
      warn: (message: string, fields?: unknown) => void loud.push([message, fields]),
    };
    const clock = new FakeClock();
    const { pool } = make(
      () => {
        throw new KubeApiError({ code: 0, reason: 'ConnectionRefused', message: 'connect ECONNREFUSED' });
      },
      { clock, digest: new LogDigest(logger, clock) },
    );
    for (let index = 0; index < 200; index += 1) pool.add(`default/key-${index}`, '');
    await clock.advance(60_000);
    expect(loud.map(([message]) => message)).toEqual(['Reconcile failed', 'Reconcile failed']);
    expect(loud[0]?.[1]).toMatchObject({ operator: 'test', key: 'default/key-0', retryInMs: 500 });
    // 200 keys at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, without the first.
    expect(loud[1]?.[1]).toMatchObject({ times: 1_399, failingKeys: 200 });
    expect(quiet).toBe(1_399);
  });

  it('says that a run takes too long when its time is over', async () => {
    const loud: unknown[] = [];
    const logger = { ...silentLogger, warn: (message: string, fields?: unknown) => void loud.push([message, fields]) };
    const clock = new FakeClock();
    const gate = latch();
    const { pool } = make(() => gate.promise, {
      clock,
      reconcileTimeoutMs: 5_000,
      digest: new LogDigest(logger, clock),
    });
    pool.add('a', '');
    await clock.advance(5_000);
    expect(loud).toEqual([
      ['Reconcile takes too long, its signal is aborted', { operator: 'test', key: 'a', afterMs: 5_000, active: 1 }],
    ]);
    expect([pool.runningMs('a'), pool.runningMs('b'), pool.activeKeys]).toEqual([5_000, undefined, ['a']]);
    gate.open();
    await settle();
  });

  it('starts nothing while it is closed, and what waits when it opens again', async () => {
    const runs: string[] = [];
    const { pool } = make((request) => {
      runs.push(request.key);
    });
    pool.close();
    pool.add('a', '');
    await settle();
    expect(runs).toEqual([]);
    pool.open();
    await settle();
    expect(runs).toEqual(['a']);
  });

  it('waits for running runs only as long as it was told', async () => {
    const gate = latch();
    const { pool, clock } = make(() => gate.promise);
    pool.add('a', '');
    await settle();
    pool.close();
    const drained = pool.drain(25_000);
    await clock.advance(25_000);
    expect(await drained).toBe(1);
    const again = pool.drain(25_000);
    gate.open();
    expect(await again).toBe(0);
  });

  it('ends an aborted run without an error or a retry', async () => {
    const { pool, clock, value } = make(
      (request) =>
        new Promise((_resolve, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason as Error));
        }),
    );
    pool.add('a', '');
    await settle();
    pool.abortAll(new ReconcileAbortedError('the lease was lost'));
    await clock.advance(60_000);
    expect(pool.active).toBe(0);
    expect(pool.history.of('a')[0]?.outcome).toBe('aborted');
    expect(await value('controller_runtime_reconcile_errors_total')).toBe(0);
  });

  it('holds a key back while its cache is behind its own write, and gives its worker to others', async () => {
    let hold = 1_000;
    const runs: string[] = [];
    const { pool, clock } = make(
      (request) => {
        runs.push(request.key);
      },
      { maxConcurrentReconciles: 1, holdMs: (key) => (key === 'a' ? hold : 0) },
    );
    pool.add('a', '');
    pool.add('b', '');
    await settle();
    expect(runs).toEqual(['b']);
    hold = 0;
    await clock.advance(1_000);
    expect(runs).toEqual(['b', 'a']);
  });

  it('gives way to the event loop while many runs end at once', async () => {
    const clock = new FakeClock();
    let turns = 0;
    let left = 5_000;
    const tick = (): void => {
      turns += 1;
      if (left > 0) setImmediate(tick);
    };
    const { pool } = make(
      () => {
        clock.freeze(0.1);
        left -= 1;
      },
      { clock, budget: new EventLoopBudget(clock) },
    );
    setImmediate(tick);
    for (let index = 0; index < 5_000; index += 1) pool.add(`key-${index}`, '');
    while (left > 0) await settle();
    // 5,000 runs of 0.1 ms in slices of 10 ms.
    expect(turns).toBeGreaterThanOrEqual(40);
  });

  it('goes on although parsing uses up every turn of the event loop', async () => {
    const clock = new FakeClock();
    class UsedUp extends EventLoopBudget {
      override spent(): boolean {
        return true;
      }
    }
    let runs = 0;
    const { pool } = make(
      () => {
        clock.freeze(1);
        runs += 1;
      },
      { clock, budget: new UsedUp(clock) },
    );
    for (let index = 0; index < 100; index += 1) pool.add(`key-${index}`, '');
    for (let turn = 0; turn < 30; turn += 1) await settle();
    // Five runs of 1 ms in each turn.
    expect(runs).toBe(100);
  });

  it('sets one timer however many keys are delayed or running', async () => {
    const { pool, clock } = make(() => ({ requeueAfterMs: 60_000 }));
    for (let index = 0; index < 1_000; index += 1) pool.add(`key-${index}`, '');
    for (let turn = 0; turn < 5; turn += 1) await settle();
    expect(pool.queue.delayed).toBe(1_000);
    expect(clock.timers).toBe(1);
  });

  it('exports every series before the first run, so that an alert sees the first error', async () => {
    const { registry } = make(() => undefined);
    const text = await registry.metrics();
    for (const line of [
      'controller_runtime_reconcile_total{controller="test",result="success"} 0',
      'controller_runtime_reconcile_total{controller="test",result="error"} 0',
      'controller_runtime_reconcile_total{controller="test",result="requeue"} 0',
      'controller_runtime_reconcile_total{controller="test",result="requeue_after"} 0',
      'controller_runtime_reconcile_errors_total{controller="test"} 0',
      'controller_runtime_terminal_reconcile_errors_total{controller="test"} 0',
      'controller_runtime_reconcile_panics_total{controller="test"} 0',
      'controller_runtime_reconcile_timeouts_total{controller="test"} 0',
      'controller_runtime_max_concurrent_reconciles{controller="test"} 4',
      'controller_runtime_active_workers{controller="test"} 0',
      'controller_runtime_reconcile_time_seconds_count{controller="test"} 0',
      'workqueue_depth{name="test",controller="test"} 0',
      'workqueue_adds_total{name="test",controller="test"} 0',
      'workqueue_retries_total{name="test",controller="test"} 0',
      'workqueue_unfinished_work_seconds{name="test",controller="test"} 0',
      'workqueue_longest_running_processor_seconds{name="test",controller="test"} 0',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).toMatch(/workqueue_queue_duration_seconds_count\{.*\} 0/);
    expect(text).toMatch(/workqueue_work_duration_seconds_count\{.*\} 0/);
  });
});
