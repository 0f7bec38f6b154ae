import { describe, expect, it } from '@jest/globals';
import { HandMadeLog } from '../../test/support/hand-made-log.js';
import { broken, goodLog, judged } from '../../test/support/judged-log.js';
import { formatVerdict } from './check.js';

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
