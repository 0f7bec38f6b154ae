import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import { WorkQueue } from './work-queue.js';

class Bench {
  now = 0;
  random = 0;
  readonly queue = new WorkQueue(
    () => this.now,
    () => this.random,
  );

  take(): string | undefined {
    return this.queue.get()?.key;
  }

  run(): string | undefined {
    const key = this.take();
    if (key !== undefined) {
      this.queue.forget(key);
      this.queue.done(key);
    }
    return key;
  }
}

describe('WorkQueue', () => {
  it('hands out keys in the order in which they came, each once however often it was added', () => {
    const { queue, ...bench } = new Bench();
    for (const key of ['a', 'b', 'a', 'c', 'b', 'a']) queue.add(key);
    expect([queue.get()?.key, queue.get()?.key, queue.get()?.key, queue.get()?.key]).toEqual([
      'a',
      'b',
      'c',
      undefined,
    ]);
    expect(queue.adds).toBe(3);
    expect(bench.now).toBe(0);
  });

  it('never hands out a key that runs, and runs it exactly once more after any number of changes meanwhile', () => {
    const bench = new Bench();
    bench.queue.add('a');
    expect(bench.take()).toBe('a');
    bench.queue.add('a');
    bench.queue.add('a');
    bench.queue.add('a');
    expect(bench.take()).toBeUndefined();
    bench.queue.done('a');
    expect(bench.run()).toBe('a');
    expect(bench.take()).toBeUndefined();
  });

  it('delays a key after errors by 0.5 s doubled up to 5 min, within its jitter, and forgets after a success', () => {
    const bench = new Bench();
    const delays: number[] = [];
    for (let error = 0; error < 12; error += 1) {
      bench.queue.add('a');
      expect(bench.queue.get()?.attempt).toBe(error + 1);
      delays.push(bench.queue.addRateLimited('a'));
      bench.queue.done('a');
    }
    expect(delays).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000,
    ]);
    expect(bench.queue.failing).toBe(1);
    bench.queue.add('a');
    bench.run();
    expect(bench.queue.failing).toBe(0);
    bench.random = 0.999;
    bench.queue.add('a');
    bench.take();
    expect(bench.queue.addRateLimited('a')).toBeCloseTo(600, 0);
  });

  it('runs a key that failed when its delay is over, not before', () => {
    const bench = new Bench();
    bench.queue.add('a');
    bench.take();
    bench.queue.addRateLimited('a');
    bench.queue.done('a');
    expect(bench.queue.msUntilDue()).toBe(500);
    bench.now = 499;
    expect(bench.take()).toBeUndefined();
    bench.now = 500;
    expect(bench.queue.get()).toMatchObject({ key: 'a', attempt: 2, reason: 'retry' });
  });

  it('runs a key that failed at once when it changes, and its delay is then used up', () => {
    const bench = new Bench();
    bench.queue.add('a');
    bench.take();
    bench.queue.addRateLimited('a');
    bench.queue.done('a');
    bench.queue.add('a', 'changed');
    expect(bench.run()).toBe('a');
    bench.now = 10_000;
    expect(bench.take()).toBeUndefined();
  });

  it('keeps a trigger from outside although the key ran in between', () => {
    const bench = new Bench();
    bench.queue.addAfter('a', 1_000, 'trigger');
    bench.queue.addAfter('a', 5_000, 'later');
    bench.queue.add('a');
    expect(bench.run()).toBe('a');
    bench.now = 999;
    expect(bench.take()).toBeUndefined();
    bench.now = 1_000;
    expect(bench.run()).toBe('a');
    bench.now = 60_000;
    expect(bench.take()).toBeUndefined();
    expect(bench.queue.size).toBe(0);
  });

  it('replaces the wish of an earlier run by that of a later one', () => {
    const bench = new Bench();
    bench.queue.add('a');
    bench.take();
    bench.queue.requeueAfter('a', 1_000);
    bench.queue.done('a');
    bench.queue.add('a');
    bench.take();
    bench.queue.requeueAfter('a', 10_000);
    bench.queue.done('a');
    bench.now = 9_999;
    expect(bench.take()).toBeUndefined();
    bench.now = 10_000;
    expect(bench.run()).toBe('a');
  });

  it('starves neither the objects of the start nor those that change meanwhile', () => {
    const bench = new Bench();
    for (let index = 0; index < 100; index += 1) bench.queue.add(`start-${index}`, '', 'background');
    const order: string[] = [];
    for (let turn = 0; turn < 400; turn += 1) {
      bench.queue.add(`live-${turn}`);
      order.push(bench.run() ?? '');
    }
    expect(order.slice(0, 8)).toEqual([
      'live-0',
      'live-1',
      'live-2',
      'start-0',
      'live-3',
      'live-4',
      'live-5',
      'start-1',
    ]);
    expect(order.filter((key) => key.startsWith('start'))).toHaveLength(100);
  });

  it('moves a key of the start forward when it changes', () => {
    const bench = new Bench();
    for (const key of ['a', 'b', 'c']) bench.queue.add(key, 'start', 'background');
    bench.queue.add('c', 'changed');
    expect([bench.run(), bench.run(), bench.run(), bench.run()]).toEqual(['c', 'a', 'b', undefined]);
  });

  it('keeps nothing of 200,000 keys that came and went', () => {
    const bench = new Bench();
    const { queue } = bench;
    for (let index = 0; index < 200_000; index += 1) {
      const key = `namespace/object-${index}`;
      queue.add(key);
      if (bench.take() !== key) throw new Error(`${key} was not handed out`);
      if (index % 4 === 0) queue.addRateLimited(key);
      if (index % 4 === 1) queue.requeueAfter(key, 200);
      if (index % 4 === 2) queue.addAfter(key, 200);
      queue.done(key);
      bench.now += 1;
      if (index % 100 === 99) {
        bench.now += 500;
        while (bench.run() !== undefined);
        if (queue.size > 0) throw new Error(`${queue.size} keys are left`);
      }
    }
    bench.now += 1_000_000;
    while (bench.run() !== undefined);
    expect({ size: queue.size, delayed: queue.delayed, depth: queue.depth, running: queue.running }).toEqual({
      size: 0,
      delayed: 0,
      depth: 0,
      running: 0,
    });
    expect(queue.msUntilDue()).toBeUndefined();
  });

  it('forgets all but the running keys when it is cleared', () => {
    const bench = new Bench();
    for (const key of ['a', 'b', 'c', 'd']) bench.queue.add(key);
    bench.take();
    bench.queue.add('a');
    bench.queue.addAfter('e', 100);
    bench.queue.clear();
    expect(bench.queue.size).toBe(1);
    bench.queue.add('a');
    expect(bench.take()).toBeUndefined();
    bench.queue.done('a');
    expect(bench.run()).toBe('a');
    expect(bench.queue.size).toBe(0);
  });

  it('does what a plain model of it does, under any sequence of calls', () => {
    const keys = fc.constantFrom('a', 'b', 'c', 'd');
    const call = fc.oneof(
      fc.record({ op: fc.constant('add' as const), key: keys }),
      fc.record({ op: fc.constant('after' as const), key: keys, ms: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ op: fc.constant('get' as const) }),
      fc.record({ op: fc.constant('succeed' as const), key: keys }),
      fc.record({ op: fc.constant('fail' as const), key: keys }),
      fc.record({ op: fc.constant('requeue' as const), key: keys, ms: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 700 }) }),
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
        const bench = new Bench();
        const { queue } = bench;
        const running = new Set<string>();
        /** Keys that must run once more, whatever happens: something asked for it since their last start. */
        const owed = new Set<string>();
        for (const step of calls) {
          switch (step.op) {
            case 'add':
              queue.add(step.key);
              owed.add(step.key);
              break;
            case 'after':
              queue.addAfter(step.key, step.ms);
              break;
            case 'wait':
              bench.now += step.ms;
              break;
            case 'get': {
              const key = bench.take();
              if (key === undefined) {
                for (const left of owed) expect(running).toContain(left);
                break;
              }
              expect(running).not.toContain(key);
              running.add(key);
              owed.delete(key);
              break;
            }
            case 'succeed':
            case 'fail':
            case 'requeue':
              if (!running.delete(step.key)) break;
              if (step.op === 'fail') queue.addRateLimited(step.key);
              else queue.forget(step.key);
              if (step.op === 'requeue') queue.requeueAfter(step.key, step.ms);
              queue.done(step.key);
          }
          expect(queue.running).toBe(running.size);
        }
        for (const key of running) {
          queue.forget(key);
          queue.done(key);
        }
        bench.now += 10_000_000;
        const rest: string[] = [];
        for (let key = bench.run(); key !== undefined; key = bench.run()) rest.push(key);
        expect(new Set(rest).size).toBe(rest.length);
        for (const key of owed) expect(rest).toContain(key);
        expect(queue.size).toBe(0);
        expect(queue.msUntilDue()).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});
