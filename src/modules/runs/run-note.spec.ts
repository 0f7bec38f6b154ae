import { describe, expect, it } from '@jest/globals';
import type { DatapathRunStatus } from './datapath-run.schema.js';
import { lostRunNote, noteOf } from './run-note.js';

function statusOf(complete: 'True' | 'False', verdict?: DatapathRunStatus['verdict']): DatapathRunStatus {
  const conditions = [
    {
      type: 'Complete',
      status: complete,
      reason: 'AllEnded',
      message: '20 of 20 Pods have an end',
      lastTransitionTime: '',
    },
    { type: 'ObjectivesMet', status: 'True', reason: 'Met', message: 'p99 is 900 ms', lastTransitionTime: '' },
  ];
  return { conditions, ...(verdict === undefined ? {} : { verdict }) } as unknown as DatapathRunStatus;
}

describe('What people are told of a run', () => {
  it('is nothing while it runs', () => {
    expect(noteOf(undefined, statusOf('False'))).toBeUndefined();
  });

  it('is its verdict and why, once', () => {
    const met = statusOf('True', 'Met');
    expect(noteOf(statusOf('False'), met)).toEqual({
      type: 'Normal',
      reason: 'ObjectivesMet',
      action: 'Judging',
      message: '20 of 20 Pods have an end; p99 is 900 ms',
    });
    expect(noteOf(met, met)).toBeUndefined();
  });

  it('is a warning when objectives are missed or can not be judged, also when that is found later', () => {
    expect(noteOf(statusOf('False'), statusOf('True', 'Missed'))).toMatchObject({
      type: 'Warning',
      reason: 'ObjectivesMissed',
    });
    expect(noteOf(statusOf('True', 'Met'), statusOf('True', 'Inconclusive'))).toMatchObject({
      type: 'Warning',
      reason: 'ObjectivesInconclusive',
    });
  });

  it('is only the end of a run without objectives', () => {
    expect(noteOf(statusOf('False'), statusOf('True'))).toMatchObject({ type: 'Normal', reason: 'Complete' });
  });

  it('is what becomes of its results when it was deleted', () => {
    expect(lostRunNote('nightly', 12)).toEqual({
      type: 'Warning',
      reason: 'RunDeleted',
      action: 'Keeping',
      message: expect.stringMatching(/^DatapathRun nightly was deleted: 12 results of it are left in this namespace/),
    });
  });
});
