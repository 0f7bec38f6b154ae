import { describe, expect, it } from '@jest/globals';
import { HandMadeLog } from '../../test/support/hand-made-log.js';
import { at, broken, goodLog, judged, READY_AT, STARTED_AT, status } from '../../test/support/judged-log.js';
import { formatVerdict } from './check.js';
import type { ResultStatus, RunStatus } from './objects.js';

describe('Conserved', () => {
  const value = (ms: number): ResultStatus => ({
    ...status('Ready', { startedAt: at(1), datapathReadyAt: at(2) }),
    datapathDelayMs: ms,
  });

  /** What a run says of these delays. */
  function numbers(delays: readonly number[]): NonNullable<RunStatus['metrics']> {
    const sorted = delays.toSorted((a, b) => a - b);
    let before = 0;
    const bins = sorted.map((delay) => {
      const part = `${(delay - before).toString(36)}.1`;
      before = delay;
      return part;
    });
    const datapathDelay = {
      count: delays.length,
      sumMs: delays.reduce((a, b) => a + b, 0),
      minMs: sorted[0] ?? 0,
      maxMs: sorted.at(-1) ?? 0,
      p50Ms: sorted[Math.ceil(delays.length * 0.5) - 1] ?? 0,
      p90Ms: sorted[Math.ceil(delays.length * 0.9) - 1] ?? 0,
      p99Ms: sorted[Math.ceil(delays.length * 0.99) - 1] ?? 0,
      sketch: bins.join(','),
    };
    return { datapathDelay };
  }

  function summary(delays: readonly number[], archived: readonly number[] = [], releasing: string[] = []): RunStatus {
    return {
      pods: delays.length,
      ready: delays.length,
      metrics: numbers(delays),
      ...(archived.length === 0 && releasing.length === 0
        ? {}
        : { archive: { results: archived.length, ready: archived.length, metrics: numbers(archived), releasing } }),
    };
  }

  /** Two Pods of the run `r`, 20 and 30 ms, whose results are stored. */
  function story(): HandMadeLog {
    const log = new HandMadeLog();
    log.watch();
    for (const [uid, ms] of [
      ['a', 20],
      ['b', 30],
    ] as const) {
      log.pod('create', uid);
      log.pod('patch', uid, { annotations: { [STARTED_AT]: at(1), [READY_AT]: at(2) } });
      log.result('create', { podUid: uid, spec: { podRef: { uid }, runName: 'r' }, finalizers: ['archive'] });
      log.result('patch', {
        podUid: uid,
        spec: { podRef: { uid }, runName: 'r' },
        finalizers: ['archive'],
        status: value(ms),
      });
    }
    return log.run('r', summary([20, 30])).pass(6);
  }

  /** The result goes: somebody deletes it, and the controller takes its finalizer off. */
  function release(log: HandMadeLog, uid: string, ms: number): HandMadeLog {
    return log.result('patch', {
      podUid: uid,
      spec: { podRef: { uid }, runName: 'r' },
      status: value(ms),
      finalizers: [],
      ending: true,
    });
  }

  const verdictOf = (log: HandMadeLog): string[] =>
    broken(log, { atRest: true }).filter((line) => /Conserved/.test(line));

  it('holds where a result went after its run had counted it, and the run counts what runs and writes there were', () => {
    const log = story()
      .pod('delete', 'a')
      .run('r', summary([20, 30], [20], ['result-of-a']))
      .pass(6);
    release(log, 'a', 20).run('r', summary([20, 30], [20]));
    const verdict = judged(log, { atRest: true });
    expect(verdict.violations).toEqual([]);
    expect(verdict.counts).toMatchObject({ runs: [{ name: 'r', writes: 3, closestMs: 6200, archived: 1 }] });
    expect(formatVerdict(verdict).at(-1)).toContain('1 runs (3 writes, 1 results archived)');
  });

  it('holds where the log gave a creation and an end up, since their authors were killed, though both are stored', () => {
    const log = story();
    const spec = { podRef: { uid: 'c' }, runName: 'r' };
    log.pod('create', 'c').pod('patch', 'c', { annotations: { [STARTED_AT]: at(1), [READY_AT]: at(2) } });
    log.result('create', { podUid: 'c', spec, code: 504 });
    log.result('patch', { podUid: 'c', spec: null, status: status('Started'), metadataOnly: true });
    log.result('patch', { podUid: 'c', spec: null, status: value(40), code: 504 });
    log.run('r', summary([20, 30, 40])).pass(6);
    expect(verdictOf(log)).toEqual([]);
    expect(verdictOf(log.run('r', summary([20, 30])))).toContain('Conserved: run r: it says pods 2, its results say 3');
  });

  it('is broken by a summary that its results do not say', () => {
    const wrong = { ...summary([20, 30]), metrics: numbers([20, 31]) };
    expect(verdictOf(story().run('r', wrong))).toEqual([
      'Conserved: run r: it says datapathDelay sumMs 51, its results say 50',
      'Conserved: run r: it says datapathDelay maxMs 31, its results say 30',
      'Conserved: run r: it says datapathDelay p90Ms 31, its results say 30',
      'Conserved: run r: it says datapathDelay p99Ms 31, its results say 30',
    ]);
    expect(verdictOf(story().run('r', { ...summary([20, 30]), pods: 3 }))).toEqual([
      'Conserved: run r: it counts Pods 3, its parts add up to 2',
      'Conserved: run r: it says pods 3, its results say 2',
    ]);
  });

  it('is broken by a result that went and was never counted', () => {
    const log = release(story().pod('delete', 'a'), 'a', 20).run('r', summary([30]));
    expect(verdictOf(log)).toEqual(['Conserved: run r: x/dpresult-a went and was never counted']);
  });

  it('is broken by a result that went before it was counted', () => {
    const log = release(story().pod('delete', 'a'), 'a', 20).pass(1);
    log.run('r', summary([20, 30], [20], ['result-of-a']));
    expect(verdictOf(log)).toEqual(['Conserved: x/dpresult-a went before its run counted it']);
  });

  it('is broken by a result that is counted twice', () => {
    const log = story()
      .pod('delete', 'a')
      .run('r', summary([20, 30], [20], ['result-of-a']))
      .pass(6);
    log.run('r', summary([20, 30], [20])).pass(6);
    log.run('r', { ...summary([20, 20, 30], [20, 20], ['result-of-a']), pods: 3 });
    expect(verdictOf(log)).toContain('Conserved: run r: result x/dpresult-a was counted twice');
  });

  it('is broken by another value than that of the result', () => {
    const log = story()
      .pod('delete', 'a')
      .run('r', summary([20, 30], [25], ['result-of-a']))
      .pass(6);
    expect(verdictOf(log)).toEqual([
      'Conserved: run r: its archive of datapathDelay grew by 25 ms, the results by 20 ms',
    ]);
  });

  it('is broken by a result that is kept before its end is stored', () => {
    const log = story().pod('create', 'c');
    log.pod('patch', 'c', { annotations: { [STARTED_AT]: at(1), [READY_AT]: at(2) } });
    log.result('create', { podUid: 'c', spec: { podRef: { uid: 'c' }, runName: 'r' }, finalizers: ['archive'] });
    log.pod('delete', 'c').run('r', summary([20, 30, 40], [40], ['result-of-c']));
    expect(verdictOf(log)).toContain('Conserved: run r: result x/dpresult-c was kept before its end was stored');
  });

  it('is broken by an archive that shrinks', () => {
    const log = story()
      .pod('delete', 'a')
      .run('r', summary([20, 30], [20], ['result-of-a']))
      .pass(6);
    release(log, 'a', 20).run('r', summary([30]));
    expect(verdictOf(log)).toEqual(
      expect.arrayContaining([
        'Conserved: run r: its archive grew by -1 results, 0 were listed as kept',
        'Conserved: run r: its archive had 1 ready, then 0',
        'Conserved: run r: its archive of datapathDelay lost values of bin 20',
      ]),
    );
  });

  it('is broken by a verdict that stood and changes', () => {
    const complete = { conditions: [{ type: 'Complete', status: 'True', reason: 'ExpectedPodsFinal' }] };
    const log = story()
      .run('r', { ...summary([20, 30]), ...complete, verdict: 'Met' })
      .pass(6);
    log.run('r', { ...summary([20, 30]), ...complete, verdict: 'Missed' });
    expect(verdictOf(log)).toEqual(['Conserved: run r: its verdict stood at Met, became Missed']);
  });

  it('asks nothing of results whose run was deleted, nor of those that somebody lets go by hand', () => {
    const gone = story().deleteRun('r').pod('delete', 'a');
    expect(verdictOf(release(gone, 'a', 20))).toEqual([]);
    const byHand = story().pod('delete', 'a');
    byHand.result('patch', { podUid: 'a', by: 'somebody', finalizers: [], ending: true, status: value(20) });
    expect(verdictOf(byHand.run('r', summary([30])))).toEqual([]);
  });
});

describe('Frugal of runs', () => {
  it('is broken by two writes of a run within five seconds', () => {
    const log = goodLog().run('r', {}).pass(4.7).run('r', {});
    expect(broken(log)).toEqual([expect.stringContaining('Frugal: run r was written 4800 ms after the write before')]);
    expect(broken(goodLog().run('r', {}).pass(5).run('r', {}))).toEqual([]);
  });
});
