import { describe, expect, it } from '@jest/globals';
import { HandMadeLog } from '../../test/support/hand-made-log.js';
import { at, broken, goodLog, READY_AT, STARTED_AT, status } from '../../test/support/judged-log.js';
import { checkEvents } from './check.js';

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
