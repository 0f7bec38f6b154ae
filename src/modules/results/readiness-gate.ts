/**
 * What the Pod condition `datapath.observer/ready` says. A Pod that names it in `spec.readinessGates` isn't Ready, and so isn't among
 * its Services' endpoints, before the condition is true. Pure.
 */
import { READINESS_GATE } from '../../datapath/annotations.js';
import { formatInstant, startOfSecond } from '../../datapath/instant.js';
import type { Instant } from '../../datapath/instant.js';
import type { ConditionObservation } from '../../datapath/pod-observation.js';
import type { ResultState } from '../../datapath/result-state.js';

export interface GateCondition {
  readonly type: typeof READINESS_GATE;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

/**
 * The condition to be written, or `undefined` where nothing is: Kubernetes takes a missing condition for false, so an open measurement needs
 * none, and one that is true stays so whatever follows. A failure is written down, so that `kubectl describe pod` tells why the gate is shut.
 *
 * @param present the condition as the Pod has it; status false without a reason where it has none
 */
export function gateCondition(
  state: ResultState,
  present: ConditionObservation,
  now: Instant,
): GateCondition | undefined {
  if (present.status) return undefined;
  const condition = (status: GateCondition['status'], reason: string, message: string): GateCondition => ({
    type: READINESS_GATE,
    status,
    reason,
    message,
    // A reason that changes is no transition.
    lastTransitionTime: (status === 'False' ? present.at : undefined) ?? formatInstant(startOfSecond(now), 0),
  });
  if (state.outcome === 'Ready' && state.datapathReadyAt !== undefined) {
    return condition('True', 'ProbeSucceeded', `the first probe succeeded at ${formatInstant(state.datapathReadyAt)}`);
  }
  if (state.outcome !== 'Failed' || state.failure === undefined || state.failure.class === present.reason) {
    return undefined;
  }
  return condition('False', state.failure.class, state.failure.message);
}
