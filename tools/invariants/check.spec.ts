import { describe, expect, it } from '@jest/globals';
import { HandMadeLog } from '../../test/support/hand-made-log.js';
import { checkEvents, formatVerdict } from './check.js';
import type { Expectations, Verdict } from './expectations.js';
import type { ResultCondition, ResultStatus, RunStatus } from './objects.js';

const STARTED_AT = 'datapath.observer/started-at';
const READY_AT = 'datapath.observer/ready-at';
const REPORT = 'datapath.observer/report';
const at = (seconds: number): string => HandMadeLog.at(seconds);

function status(outcome: string, more: Partial<ResultStatus> = {}): ResultStatus {
  return { outcome, ...more };
}

/** A log in which a controller watches and one Pod becomes ready at the cost of two writes. */
function goodLog(): HandMadeLog {
  const log = new HandMadeLog();
  log.watch();
  log.pod('create', 'a').result('create', { podUid: 'a' });
  log.pod('patch', 'a', { annotations: { [STARTED_AT]: at(1), [READY_AT]: at(2) } });
  log.result('patch', { podUid: 'a', status: status('Ready', { startedAt: at(1), datapathReadyAt: at(2) }) });
  return log;
}

/** The verdict after a minute of quiet. */
function judged(log: HandMadeLog, expectations: Partial<Expectations> = {}, controller = 'one'): Verdict {
  return checkEvents(log.pass(60).read(controller).events, { pods: 1, ...expectations });
}

function broken(log: HandMadeLog, expectations: Partial<Expectations> = {}): string[] {
  return judged(log, expectations).violations.map(({ invariant, why }) => `${invariant}: ${why}`);
}

describe('a good log', () => {
  it('breaks nothing and is counted', () => {
    const verdict = judged(goodLog());
    expect(verdict.violations).toEqual([]);
    expect(verdict.counts).toMatchObject({ pods: 1, results: 1, writes: 2, mostWritesPerPod: 2, controllers: 1 });
    expect(formatVerdict(verdict)).toEqual([
      'invariants: 1 Pods, 2 writes (at most 2 a Pod), 1 controller processes, 0 changes of leader, 0 broken',
    ]);
  });

  it('may have a Pod without a reporter that has no result', () => {
    expect(broken(goodLog().pod('create', 'plain', { reporter: false }))).toEqual([]);
  });

  it('may lack the end of a watch whose API server was killed', () => {
    const log = new HandMadeLog();
    log.watch('one');
    const end = log.pass(5).watch('one');
    end();
    log.pass(5).pod('create', 'b').pod('delete', 'b');
    log.watch('two');
    log.pod('create', 'a').result('create', { podUid: 'a', by: 'two' }).pass(20).read('two');
    expect(broken(log, { controllers: 2, atRest: true })).toEqual([]);
  });

  it('may have a Pod that lived and ended while no controller ran', () => {
    const log = new HandMadeLog();
    const end = log.watch();
    end();
    log.pass(20).pod('create', 'b').pod('delete', 'b').pass(20);
    log.watch('two');
    log.pod('create', 'a').result('create', { podUid: 'a', by: 'two' }).pass(20).read('two');
    expect(broken(log)).toEqual([]);
  });
});

describe('Unique', () => {
  it('is broken by a name that is not made from the uid', () => {
    const log = goodLog().result('create', { podUid: 'a', name: 'dpresult-pod-a-x7', uid: 'other' });
    expect(broken(log).filter((line) => line.startsWith('Unique'))).toEqual([
      expect.stringContaining('Unique: the result of Pod a is named x/dpresult-pod-a-x7'),
      'Unique: Pod a has two results at once: x/dpresult-a and x/dpresult-pod-a-x7',
    ]);
  });

  it('holds where somebody deleted the result and it was made again', () => {
    const log = goodLog().result('delete', { podUid: 'a', by: 'somebody' });
    log.result('create', { podUid: 'a', uid: 'again' });
    log.result('patch', { podUid: 'a', uid: 'again', status: status('Ready', { startedAt: at(1) }) });
    expect(broken(log)).toEqual([]);
  });
});

describe('Complete', () => {
  it('is broken by a Pod without a result', () => {
    expect(broken(goodLog().pod('create', 'b'))).toEqual(['Complete: x/pod-b (b) has no result']);
  });

  it('is broken by a Pod that came and went unrecorded while a controller watched', () => {
    expect(broken(goodLog().pod('create', 'b').pod('delete', 'b'))).toEqual(['Complete: x/pod-b (b) has no result']);
  });

  it('is broken by a readiness that never reached the result', () => {
    const log = goodLog().pod('create', 'b').result('create', { podUid: 'b' });
    log.pod('patch', 'b', { annotations: { [STARTED_AT]: at(3), [READY_AT]: at(4) } });
    expect(broken(log)).toEqual(['Complete: x/pod-b (b) is over (ready), its result says Pending']);
  });

  it('waits for what has only just happened', () => {
    const log = goodLog().pass(60).read();
    log.pod('create', 'b');
    expect(checkEvents(log.events, { pods: 1 }).violations).toEqual([]);
    expect(checkEvents(log.events, { pods: 1, atRest: true }).violations).toHaveLength(1);
  });
});

describe('FirstWins', () => {
  it.each(['startedAt', 'datapathReadyAt'] as const)('is broken by a %s that changes', (field) => {
    const first = status('Ready', { startedAt: at(1), datapathReadyAt: at(2) });
    const log = goodLog().result('patch', { podUid: 'a', status: { ...first, [field]: at(9) } });
    expect(broken(log)).toContain(`FirstWins: x/dpresult-a: ${field} was ${first[field]}, became ${at(9)}`);
  });

  it('holds where the log gave the creation up, since its author was killed, and shows the spec only later', () => {
    const log = new HandMadeLog();
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a', code: 504 });
    log.result('patch', { podUid: 'a', status: status('Started'), metadataOnly: true, spec: null });
    log.result('patch', { podUid: 'a', status: status('Started'), labels: { app: 'web' } });
    expect(broken(log).filter((line) => line.startsWith('FirstWins'))).toEqual([]);
  });

  it('is broken by a spec that changes', () => {
    const log = goodLog().result('patch', { podUid: 'a', spec: { podRef: { uid: 'a' } }, status: status('Ready') });
    expect(broken(log)).toContainEqual(expect.stringContaining('FirstWins: x/dpresult-a: spec changed from'));
  });
});

describe('answers with the metadata alone', () => {
  it('are completed by what was asked for', () => {
    const log = new HandMadeLog();
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a', metadataOnly: true });
    log.pod('patch', 'a', { annotations: { [STARTED_AT]: at(1), [READY_AT]: at(2) } });
    const ready = status('Ready', { startedAt: at(1), datapathReadyAt: at(2) });
    log.result('patch', { podUid: 'a', status: ready, metadataOnly: true });
    expect(broken(log)).toEqual([]);
    log.result('patch', { podUid: 'a', status: { ...ready, startedAt: at(9) }, metadataOnly: true });
    expect(broken(log)).toContain(`FirstWins: x/dpresult-a: startedAt was ${at(1)}, became ${at(9)}`);
  });
});

describe('Legal', () => {
  it('is broken by an outcome that moves back', () => {
    expect(broken(goodLog().result('patch', { podUid: 'a', status: status('Started') }))).toContain(
      'Legal: x/dpresult-a: Ready became Started',
    );
  });

  it('is broken by a transition time that moves while the status stays', () => {
    const conditions = (seconds: number): readonly ResultCondition[] => [
      { type: 'Started', status: 'True', lastTransitionTime: at(seconds) },
    ];
    const log = new HandMadeLog();
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a' });
    log.pod('patch', 'a', { annotations: { [REPORT]: '{"state":"TimedOut"}', [STARTED_AT]: at(1) } });
    log.result('patch', { podUid: 'a', status: status('Failed', { conditions: conditions(1) }) });
    log.pod('patch', 'a', { annotations: { [READY_AT]: at(8), [STARTED_AT]: at(1) } });
    log.result('patch', { podUid: 'a', status: status('Ready', { conditions: conditions(8) }) });
    expect(broken(log)).toEqual([
      `Legal: x/dpresult-a: Started stayed True, but its transition moved from ${at(1)} to ${at(8)}`,
    ]);
  });
});

describe('Frugal', () => {
  it('is broken by a third write', () => {
    const log = goodLog().result('patch', {
      podUid: 'a',
      status: status('Ready', { startedAt: at(1), datapathReadyAt: at(2), podDeletedAt: at(3) }),
    });
    expect(broken(log)).toEqual(['Frugal: x/pod-a cost 3 writes, 2 at most: create 201, patch 200, patch 200']);
  });

  it('counts writes that were refused', () => {
    expect(broken(goodLog().result('patch', { podUid: 'a', code: 409 }))).toEqual([
      'Frugal: x/pod-a cost 3 writes, 2 at most: create 201, patch 200, patch 409',
    ]);
  });

  it('counts a request for a result that is gone by itself', () => {
    const log = goodLog().result('delete', { podUid: 'a', by: 'somebody' }).result('patch', { podUid: 'a', code: 404 });
    const { violations, counts } = judged(log.pod('delete', 'a'));
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ writesForNothing: 1, mostWritesPerPod: 2 });
  });

  it('is broken by a write that changes nothing', () => {
    const log = new HandMadeLog();
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a', version: 7 }).result('patch', { podUid: 'a', version: 7 });
    expect(broken(log)).toEqual([
      expect.stringContaining('Frugal: x/dpresult-a was written again with what it said already (version 7 to 7, '),
    ]);
  });

  it('allows one more where the labels of the Pod changed', () => {
    const log = goodLog().pod('patch', 'a', { labels: { tier: 'front' }, annotations: { [READY_AT]: at(2) } });
    log.result('patch', {
      podUid: 'a',
      labels: { tier: 'front' },
      status: status('Ready', { startedAt: at(1), datapathReadyAt: at(2) }),
    });
    expect(broken(log)).toEqual([]);
  });

  it('allows a repetition where the controller was killed in between, and says so in the counts', () => {
    const log = new HandMadeLog();
    const end = log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a' });
    end();
    // The end of another watch is written a moment later.
    log.read().pass(15);
    log.watch('two');
    log.result('create', { podUid: 'a', by: 'two', code: 409 });
    log.result('patch', { podUid: 'a', by: 'two', status: status('Pending', { startedAt: at(1) }) });
    const verdict = judged(log, { controllers: 2 }, 'two');
    expect(verdict.violations).toEqual([]);
    expect(verdict.counts).toMatchObject({ interruptedPods: 1, mostWritesPerPod: 0, mostWritesPerInterruptedPod: 3 });
  });
});

describe('Frugal under faults', () => {
  it('allows a repetition to a Pod that met one, and to no other', () => {
    const log = new HandMadeLog();
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a' });
    const from = log.now;
    log.result('create', { podUid: 'a', code: 409 });
    const faults = { intended: 1, happened: [{ from, to: log.now }] };
    log.result('patch', { podUid: 'a', status: status('Pending', { startedAt: at(1) }) });
    expect(broken(log, { faults })).toEqual([]);
    log.pass(10).pod('create', 'b').result('create', { podUid: 'b' }).result('create', { podUid: 'b', code: 409 });
    log.result('patch', { podUid: 'b', status: status('Pending', { startedAt: at(1) }) });
    expect(broken(log, { faults })).toEqual([expect.stringMatching(/^Frugal: x\/pod-b cost 3 writes, 2 at most/)]);
  });
});

describe('Frugal where answers were lost', () => {
  it('allows to say again what was said in a fault, and only there', () => {
    const log = new HandMadeLog();
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a', version: 7 });
    const from = log.now;
    log.result('patch', { podUid: 'a', version: 7 });
    const faults = { intended: 1, happened: [{ from, to: log.now }] };
    expect(broken(log, { faults })).toEqual([]);
    log.pass(10).result('patch', { podUid: 'a', version: 7 }).pass(10).result('patch', { podUid: 'a', version: 7 });
    expect(broken(log, { faults })).toEqual([expect.stringContaining('was written again with what it said already')]);
  });
});

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

describe('Fenced', () => {
  const pods = { pods: 0, patienceMs: 30_000 };

  it('holds while the holder of the lease writes', () => {
    const log = new HandMadeLog().lease('one');
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a' });
    expect(broken(log, pods)).toEqual([]);
  });

  it('is broken by a write of another replica', () => {
    const log = new HandMadeLog().lease('one').lease('two', 'replica-two', 1);
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a', by: 'one' });
    expect(broken(log, pods)).toEqual([
      expect.stringMatching(/^Fenced: create of x\/dpresult-a at .* by JTI=one, while replica-two held the lease$/),
    ]);
  });

  it('is broken by a write after the lease had expired', () => {
    const log = new HandMadeLog().lease('one').pass(16);
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a' });
    expect(broken(log, pods)).toEqual([expect.stringContaining('ms after the lease of replica-one had expired')]);
  });

  it('is broken by a write after the lease was given back', () => {
    const log = new HandMadeLog().lease('one').lease('one', '');
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a' });
    expect(broken(log, pods)).toEqual([expect.stringContaining('while nobody held the lease')]);
  });

  it('cannot be judged where two replicas share a credential', () => {
    const log = new HandMadeLog().lease('one', 'replica-one').lease('one', 'replica-two');
    expect(broken(log, pods)).toContain(
      'Fenced: replica-one and replica-two share the credential JTI=one: who wrote can’t be told',
    );
  });
});

describe('Honest', () => {
  const pending = (): HandMadeLog => {
    const log = new HandMadeLog();
    log.watch();
    return log.pod('create', 'a').result('create', { podUid: 'a' });
  };

  it('is broken by a failure of a Pod that is only pending', () => {
    const failed = status('Failed', { failure: { class: 'DeadlineExceeded' } });
    expect(broken(pending().result('patch', { podUid: 'a', status: failed }))).toEqual([
      'Honest: x/dpresult-a: Failed (DeadlineExceeded), but the Pod was only pending',
    ]);
  });

  it('accepts it after the deadline', () => {
    const failed = status('Failed', { failure: { class: 'DeadlineExceeded' } });
    const log = pending().pass(20).result('patch', { podUid: 'a', status: failed });
    expect(broken(log, { deadlineMs: 10_000 })).toEqual([]);
  });

  it('is broken by a report that is called lost while the Pod is there', () => {
    const lost = status('Failed', { failure: { class: 'ReportLost' } });
    expect(broken(pending().result('patch', { podUid: 'a', status: lost }))).toEqual([
      'Honest: x/dpresult-a: ReportLost, but the Pod is there',
    ]);
  });

  it('is broken by Aborted without a deletion, and by Ready without a report', () => {
    expect(broken(pending().result('patch', { podUid: 'a', status: status('Aborted') }))).toEqual([
      'Honest: x/dpresult-a: Aborted, but nobody deleted the Pod',
    ]);
    expect(broken(pending().result('patch', { podUid: 'a', status: status('Ready') }))).toEqual([
      'Honest: x/dpresult-a: Ready, but the Pod never reported it',
    ]);
  });

  it('is broken by an answer that says synced and lacks a Pod', () => {
    const log = pending().pass(10);
    const answer = { askedAt: log.now, answeredAt: log.now + 1, namespace: 'x', failed: [] };
    expect(broken(log, { answers: [{ ...answer, synced: false, total: 0 }] })).toEqual([]);
    expect(broken(log, { answers: [{ ...answer, synced: true, total: 0 }] })).toEqual([
      expect.stringContaining('says synced with 0 Pods of x, not 1'),
    ]);
  });

  it('is broken by an answer that has a pending Pod as failed', () => {
    const log = pending().pass(10);
    const answer = { askedAt: log.now, answeredAt: log.now + 1, namespace: 'x', synced: true, total: 1 };
    expect(broken(log, { answers: [{ ...answer, failed: ['a'] }] })).toEqual([
      expect.stringContaining('has x/pod-a as failed, but it was only pending'),
    ]);
  });
});

describe('Bounded', () => {
  it('is broken by a hot loop', () => {
    const log = goodLog();
    for (let i = 0; i < 400; i++) log.read();
    expect(broken(log)).toEqual([expect.stringMatching(/^Bounded: JTI=one made \d+ requests within a minute/)]);
  });

  it('is broken by a hot loop on a control plane on which much was changed before', () => {
    const log = new HandMadeLog();
    for (let i = 0; i < 300; i++) log.pod('create', `old-${i}`);
    const since = log.now;
    log.watch();
    log.pod('create', 'a').result('create', { podUid: 'a' });
    for (let i = 0; i < 400; i++) log.read();
    expect(broken(log, { since })).toEqual([expect.stringMatching(/^Bounded: .* after 1 changes of Pods$/)]);
  });

  it('is broken by a process that holds too much', () => {
    const sample = { at: Date.parse(at(5)), process: 'controller', queueDepth: 12, rssBytes: 9 };
    expect(broken(goodLog(), { samples: [sample], limits: { queueDepth: 10, rssBytes: 9 } })).toEqual([
      `Bounded: controller: queueDepth is 12 at ${at(5)}, 10 at most`,
    ]);
  });
});

describe('Ran', () => {
  it('is broken by a run in which nothing happened', () => {
    expect(broken(new HandMadeLog(), { pods: 20 })).toEqual([
      'Ran: 0 Pods with a reporter, 20 were intended',
      'Ran: 0 writes of results, 20 were intended',
      'Ran: 0 controller processes, 1 were intended',
    ]);
  });

  it('is broken by kills, faults, deletions and samples that did not happen', () => {
    expect(
      broken(goodLog(), {
        controllers: 2,
        leaderChanges: 1,
        deletions: 1,
        faults: { intended: 3, happened: [{ from: 0, to: 1 }] },
        answers: [],
        samples: [],
        leaderElection: false,
      }),
    ).toEqual([
      'Ran: 1 controller processes, 2 were intended',
      'Ran: 0 changes of the leader, 1 were intended',
      'Ran: 0 deletions of Pods, 1 were intended',
      'Ran: 1 faults, 3 were intended',
      'Ran: no answer of the API was taken',
      'Ran: no process was measured',
    ]);
  });
});

describe('a run on a control plane that served others before', () => {
  it('is judged from its beginning on, with the watch and the lease that were there', () => {
    const log = new HandMadeLog().lease('one');
    log.watch();
    log.pod('create', 'old').pass(5).lease('one');
    const since = log.now;
    log.pod('create', 'a').result('create', { podUid: 'a' }).pod('create', 'b');
    expect(broken(log, { since, patienceMs: 5_000 })).toEqual(['Complete: x/pod-b (b) has no result']);
  });
});
