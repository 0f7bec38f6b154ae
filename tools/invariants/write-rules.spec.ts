import { describe, expect, it } from '@jest/globals';
import { HandMadeLog } from '../../test/support/hand-made-log.js';
import { at, broken, goodLog, judged, READY_AT, status } from '../../test/support/judged-log.js';

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

describe('Frugal of retention', () => {
  const kept = { podUid: 'a', finalizers: ['datapath.observer/archive'] };
  const retired = (): HandMadeLog => {
    const log = new HandMadeLog();
    log.watch();
    log.pod('create', 'a').result('create', kept).pod('delete', 'a');
    const lost = status('Aborted', { podDeletedAt: at(1) });
    log.result('patch', { ...kept, status: lost });
    return log.result('delete', { ...kept, status: lost, ending: true });
  };

  it('allows to delete a result, and to let it go', () => {
    const log = retired();
    log.result('patch', {
      podUid: 'a',
      finalizers: [],
      status: status('Aborted', { podDeletedAt: at(1) }),
      ending: true,
    });
    expect(broken(log).filter((line) => line.startsWith('Frugal'))).toEqual([]);
    expect(judged(log).counts.mostDeletionsPerSecond).toBe(1);
  });

  it('is broken by asking again and again', () => {
    const log = retired().result('delete', { podUid: 'a', code: 409 }).result('delete', { podUid: 'a', code: 409 });
    expect(broken(log)).toContainEqual(expect.stringContaining('Frugal: x/pod-a cost 5 writes, 4 at most'));
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
