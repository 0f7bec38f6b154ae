/**
 * When a result is written. The normal path costs two writes: the object when the Pod is first seen, the status when the
 * measurement is over. What changes in between is on the Pod itself and in the index; it is written only when it lasts. Pure.
 */
import { sameLabels } from '../../datapath/assess.js';
import { isFinal } from '../../datapath/result-state.js';
import type { Milestone, ResultState } from '../../datapath/result-state.js';

/**
 * How long the end of a measurement waits for the Pod's own readiness, which normally follows within a moment, so that one write
 * holds all milestones. Milliseconds.
 */
export const SETTLE_MS = 2_000;
/** How long an open measurement must differ from what is stored before it is written: a user looks at slow Pods. Milliseconds. */
export const LINGER_MS = 30_000;

export type StatusPlan = { readonly due: false; readonly waitMs?: number } | { readonly due: true };

/**
 * @param stored what the stored result says; `undefined` where none is
 * @param changedForMs how long ago the state moved away from what is stored
 * @param podExists whether the Pod still is there: nothing follows a deletion
 */
export function planStatus(
  state: ResultState,
  stored: ResultState | undefined,
  changedForMs: number,
  podExists: boolean,
): StatusPlan {
  if (stored === undefined ? state.outcome === 'Pending' && podExists : !worthWriting(state, stored))
    return { due: false };
  const waitMs = isFinal(state.outcome) ? (podExists && !isReady(state) ? SETTLE_MS : 0) : LINGER_MS;
  return changedForMs >= waitMs ? { due: true } : { due: false, waitMs: waitMs - changedForMs };
}

/** Whether a stored result lacks something of what is known, can't be read, or was edited by somebody. */
export function saysLess(stored: ResultState | undefined, edited: boolean, known: ResultState): boolean {
  return edited || stored === undefined || worthWriting(known, stored);
}

export function labelsDiffer(state: ResultState, stored: ResultState): boolean {
  return !sameLabels(state.labels, stored.labels);
}

/**
 * Whether the state says something that the stored result should say. Milestones that come after the end (a readiness that
 * follows much later) are left out: they'd cost a third write for every Pod.
 */
function worthWriting(state: ResultState, stored: ResultState): boolean {
  if (
    state.outcome !== stored.outcome ||
    state.startedAt !== stored.startedAt ||
    state.datapathReadyAt !== stored.datapathReadyAt ||
    state.failure?.class !== stored.failure?.class ||
    state.failure?.message !== stored.failure?.message ||
    state.podDeletedAt !== stored.podDeletedAt
  ) {
    return true;
  }
  if (isFinal(stored.outcome)) return false;
  return state.nodeName !== stored.nodeName || !sameMilestones(state.milestones, stored.milestones);
}

function sameMilestones(a: readonly Milestone[], b: readonly Milestone[]): boolean {
  return a.length === b.length;
}

function isReady(state: ResultState): boolean {
  return state.milestones.some((milestone) => milestone.name === 'ready');
}
