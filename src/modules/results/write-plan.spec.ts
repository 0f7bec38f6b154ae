import { describe, expect, it } from '@jest/globals';
import type { ResultState } from '../../datapath/result-state.js';
import { LINGER_MS, planStatus, SETTLE_MS } from './write-plan.js';

const pending: ResultState = {
  namespace: 'shop',
  name: 'web-1',
  uid: 'uid-1',
  createdAt: 1n,
  creationSource: 'WatchReceipt',
  runName: 'shop',
  labels: {},
  outcome: 'Pending',
  milestones: [],
  uncertaintyMs: 10,
  restarts: 0,
};
const started: ResultState = { ...pending, outcome: 'Started', startedAt: 2n };
const ready: ResultState = { ...started, outcome: 'Ready', datapathReadyAt: 3n };
const podReady: ResultState = {
  ...ready,
  milestones: [{ name: 'ready', at: 4n, source: 'Condition', resolutionMs: 1000 }],
};

describe('planStatus', () => {
  it('writes nothing while what is stored is what is known', () => {
    expect(planStatus(pending, pending, 1e9, true)).toEqual({ due: false });
    expect(planStatus(ready, ready, 1e9, true)).toEqual({ due: false });
  });

  it('waits with an open measurement, for its end usually follows soon', () => {
    expect(planStatus(started, pending, 1_000, true)).toEqual({ due: false, waitMs: LINGER_MS - 1_000 });
    expect(planStatus(started, pending, LINGER_MS, true)).toEqual({ due: true });
  });

  it('waits a moment with the end, so that one write holds the Pod’s own readiness too', () => {
    expect(planStatus(ready, pending, 0, true)).toEqual({ due: false, waitMs: SETTLE_MS });
    expect(planStatus(ready, pending, SETTLE_MS, true)).toEqual({ due: true });
    expect(planStatus(podReady, pending, 0, true)).toEqual({ due: true });
  });

  it('does not wait when the Pod is gone, since nothing follows', () => {
    expect(planStatus(ready, started, 0, false)).toEqual({ due: true });
  });

  it('spends no third write on a milestone that comes after the end', () => {
    expect(planStatus(podReady, ready, 1e9, true)).toEqual({ due: false });
  });

  it('writes a late success after a failure', () => {
    const failed: ResultState = { ...started, outcome: 'Failed', failure: { class: 'ProbeTimeout', message: '' } };
    expect(planStatus(podReady, failed, 0, true)).toEqual({ due: true });
  });
});
