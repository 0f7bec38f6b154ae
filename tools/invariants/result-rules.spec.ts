import { describe, expect, it } from '@jest/globals';
import { HandMadeLog } from '../../test/support/hand-made-log.js';
import { at, broken, goodLog, READY_AT, REPORT, STARTED_AT, status } from '../../test/support/judged-log.js';
import type { ResultCondition } from './objects.js';

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
