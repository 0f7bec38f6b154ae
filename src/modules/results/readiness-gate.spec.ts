import { describe, expect, it } from '@jest/globals';
import { firstState, observe, observeDeadline } from '../../datapath/assess.js';
import { NS_PER_SECOND, parseInstant } from '../../datapath/instant.js';
import type { PodObservation } from '../../datapath/pod-observation.js';
import type { ResultState } from '../../datapath/result-state.js';
import { gateCondition } from './readiness-gate.js';

const CREATED = '2026-11-22T10:00:00Z';
const NOW = (parseInstant(CREATED) ?? 0n) + 5n * NS_PER_SECOND;
const SHUT = { status: false };

const pod: PodObservation = {
  namespace: 'shop',
  name: 'web-1',
  uid: 'uid-1',
  resourceVersion: '1',
  labels: {},
  creationTimestamp: CREATED,
  phase: 'Running',
  restartPolicy: 'Always',
  reporterKind: 'sidecar',
  startedAt: '2026-11-22T10:00:01Z',
};
const ready: PodObservation = { ...pod, readyAt: '2026-11-22T10:00:02.5Z' };
const open: ResultState = observe(firstState(pod, 'run', undefined), pod, NOW);
const failed = observeDeadline(open, pod, NOW);

describe('the condition of a readiness gate', () => {
  it('is true once the first probe succeeded, and says when that was', () => {
    expect(gateCondition(observe(open, ready, NOW), SHUT, NOW)).toEqual({
      type: 'datapath.observer/ready',
      status: 'True',
      reason: 'ProbeSucceeded',
      message: 'the first probe succeeded at 2026-11-22T10:00:02.500Z',
      lastTransitionTime: '2026-11-22T10:00:05Z',
    });
  });

  it('is left out while the measurement is open: missing is as good as false', () => {
    expect(gateCondition(open, SHUT, NOW)).toBeUndefined();
  });

  it('is false with the failure class of a Pod that failed, once', () => {
    const written = gateCondition(failed, SHUT, NOW);
    expect(written).toMatchObject({ status: 'False', reason: 'DeadlineExceeded' });
    const present = { status: false, reason: 'DeadlineExceeded', at: '2026-11-22T10:00:05Z' };
    expect(gateCondition(failed, present, NOW)).toBeUndefined();
  });

  it('turns true on a late success', () => {
    const late = observe(failed, ready, NOW + 60n * NS_PER_SECOND);
    const present = { status: false, reason: 'DeadlineExceeded', at: '2026-11-22T10:00:05Z' };
    expect(gateCondition(late, present, NOW + 60n * NS_PER_SECOND)).toMatchObject({
      status: 'True',
      lastTransitionTime: '2026-11-22T10:01:05Z',
    });
  });

  it('keeps its transition time when only the reason changes', () => {
    const present = { status: false, reason: 'SomebodySaidSo', at: '2026-11-22T09:00:00Z' };
    expect(gateCondition(failed, present, NOW)?.lastTransitionTime).toBe('2026-11-22T09:00:00Z');
  });

  it('stays true whatever follows', () => {
    for (const state of [open, failed]) expect(gateCondition(state, { status: true }, NOW)).toBeUndefined();
  });
});
