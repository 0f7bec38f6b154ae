/**
 * What a Pod's observations mean: pure functions from a state and an observation to the next state.
 *
 * Guarantees
 * - First wins: `createdAt`, `startedAt` and `datapathReadyAt` never change once set.
 * - The outcome moves only along its graph (`isLegalMove`); deletion freezes the record.
 * - The same observation again gives the same object (`===`).
 */
import { elapsedMs, formatInstant, NS_PER_SECOND, parseInstant } from './instant.js';
import type { Instant } from './instant.js';
import { deletionFailure, failure, pendingCause, presentFailure } from './failure.js';
import type { ConditionObservation, PodObservation } from './pod-observation.js';
import { readReported } from './reported.js';
import type { Reported, ReportedInstant } from './reported.js';
import type { Mutable } from './mutable.js';
import { isFinal } from './result-state.js';
import type { ClockSkew, Failure, Milestone, MilestoneSource, ProbeSummary, ResultState } from './result-state.js';
import type { MilestoneName, Outcome } from './vocabulary.js';

/** The uncertainty of an instant that Kubernetes truncated to a second, milliseconds. */
const TRUNCATED_MS = 1000;

/** By how much a node's wall clock may be set during one measurement for its monotonic delay to be believed, milliseconds. */
const BELIEVED_STEP_MS = 60_000;

/**
 * The first state of a Pod.
 *
 * `creationTimestamp` is truncated to a second. Where the Pod's ADDED event arrived from a live watch inside that second, its
 * receipt is the creation instant, and the true one lies between the timestamp and the receipt; otherwise the timestamp is, and
 * the true one lies within the second after it.
 *
 * @param liveReceipt when ADDED arrived from the watch; `undefined` when the Pod came from a list
 */
export function firstState(pod: PodObservation, runName: string, liveReceipt: Instant | undefined): ResultState {
  const timestamp = parseInstant(pod.creationTimestamp) ?? 0n;
  const inside =
    liveReceipt !== undefined && liveReceipt >= timestamp && liveReceipt < timestamp + NS_PER_SECOND
      ? liveReceipt
      : undefined;
  return {
    namespace: pod.namespace,
    name: pod.name,
    uid: pod.uid,
    ...(pod.ownerKind === undefined ? {} : { ownerKind: pod.ownerKind }),
    ...(pod.ownerName === undefined ? {} : { ownerName: pod.ownerName }),
    createdAt: inside ?? timestamp,
    creationSource: inside === undefined ? 'CreationTimestamp' : 'WatchReceipt',
    runName,
    labels: pod.labels,
    outcome: 'Pending',
    milestones: [],
    uncertaintyMs: inside === undefined ? TRUNCATED_MS : elapsedMs(timestamp, inside) + 1,
    restarts: 0,
  };
}

/**
 * Takes one observation of a Pod in.
 *
 * @param at when the observation arrived at this process
 */
export function observe(state: ResultState, pod: PodObservation, at: Instant): ResultState {
  if (state.podDeletedAt !== undefined) return state;
  const notBefore = parseInstant(pod.creationTimestamp) ?? state.createdAt;
  const reported = readReported(pod, { notBefore, notAfter: at });
  const startedAt = state.startedAt ?? reported.startedAt?.at;
  const datapathReadyAt = state.datapathReadyAt ?? acceptedReadiness(state, reported)?.at;
  const present = datapathReadyAt === undefined ? presentFailure(pod, withRefusal(state, reported)) : undefined;
  const outcome = nextOutcome(state.outcome, startedAt, datapathReadyAt, present);
  const why = outcome === 'Failed' ? (state.failure ?? present) : outcome === 'Aborted' ? state.failure : undefined;
  const delay = state.datapathDelayMs ?? delayOf(startedAt, datapathReadyAt, reported);
  const skew = mergeSkew(state, startedAt, datapathReadyAt, notBefore, at);
  const probe = probeOf(reported) ?? state.probe;
  const nodeName = pod.nodeName ?? state.nodeName;
  const milestones = mergeMilestones(state.milestones, milestonesOf(state, pod, reported));
  const labels = sameLabels(state.labels, pod.labels) ? state.labels : pod.labels;
  const restarts = Math.max(state.restarts, pod.reporter?.restartCount ?? 0, reported.report?.restarts ?? 0);
  // Assigned one by one: spreading what is there costs several times as much, and this is on the path of every event.
  const next: Mutable<ResultState> = { ...state, labels, outcome, milestones, restarts };
  if (nodeName !== undefined) next.nodeName = nodeName;
  if (startedAt !== undefined) next.startedAt = startedAt;
  if (datapathReadyAt !== undefined) next.datapathReadyAt = datapathReadyAt;
  if (delay !== undefined) next.datapathDelayMs = delay;
  if (probe !== undefined) next.probe = probe;
  if (why !== undefined) next.failure = why;
  else if (next.failure !== undefined) delete next.failure;
  if (skew !== undefined) next.clockSkew = skew;
  else if (next.clockSkew !== undefined) delete next.clockSkew;
  return sameState(state, next) ? state : next;
}

/**
 * The Pod was deleted; `pod` is its last state. An open measurement ends: `Aborted` when somebody deleted it, `Failed` when it
 * was evicted or its node was lost. One that was over stays as it is.
 */
export function observeDeletion(state: ResultState, pod: PodObservation, at: Instant): ResultState {
  const last = observe(state, pod, at);
  if (isFinal(last.outcome)) return last;
  const why = deletionFailure(pod, last.startedAt !== undefined);
  const outcome: Outcome = why.class === 'Evicted' || why.class === 'NodeLost' ? 'Failed' : 'Aborted';
  return { ...last, outcome, failure: why, podDeletedAt: at };
}

/**
 * The Pod is gone, and its end wasn't seen (the controller wasn't watching): whether it became ready before can't be known, so
 * the result says that the report was lost, not that the Pod failed to become ready.
 */
export function observeAbsence(state: ResultState, at: Instant): ResultState {
  if (isFinal(state.outcome)) return state;
  const message = 'the Pod was deleted while no controller watched; whether its datapath became ready is unknown';
  return { ...state, outcome: 'Failed', failure: failure('ReportLost', message), podDeletedAt: at };
}

/** The deadline passed: an open measurement fails, with what holds the Pod back at this moment as the cause. */
export function observeDeadline(state: ResultState, pod: PodObservation, at: Instant): ResultState {
  const last = observe(state, pod, at);
  if (isFinal(last.outcome)) return last;
  const notBefore = parseInstant(pod.creationTimestamp) ?? state.createdAt;
  return { ...last, outcome: 'Failed', failure: pendingCause(pod, readReported(pod, { notBefore, notAfter: at })) };
}

/** Whether two states say the same. Milestones and labels are compared by identity: `observe` keeps the old ones if equal. */
export function sameState(a: ResultState, b: ResultState): boolean {
  return (
    a.outcome === b.outcome &&
    a.nodeName === b.nodeName &&
    a.startedAt === b.startedAt &&
    a.datapathReadyAt === b.datapathReadyAt &&
    a.datapathDelayMs === b.datapathDelayMs &&
    a.restarts === b.restarts &&
    a.podDeletedAt === b.podDeletedAt &&
    a.labels === b.labels &&
    a.milestones === b.milestones &&
    a.uncertaintyMs === b.uncertaintyMs &&
    a.failure?.class === b.failure?.class &&
    a.failure?.message === b.failure?.message &&
    a.clockSkew?.behindMs === b.clockSkew?.behindMs &&
    a.clockSkew?.aheadMs === b.clockSkew?.aheadMs &&
    sameProbe(a.probe, b.probe)
  );
}

export function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function acceptedReadiness(state: ResultState, reported: Reported): ReportedInstant | undefined {
  const ready = reported.readyAt;
  if (ready === undefined || state.outcome === 'Aborted') return undefined;
  return state.startedAt !== undefined && ready.at < state.startedAt ? undefined : ready;
}

/** A readiness before the start that was stored earlier is refused, and said to be. */
function withRefusal(state: ResultState, reported: Reported): Reported {
  if (reported.readyAt === undefined || state.startedAt === undefined || reported.readyAt.at >= state.startedAt) {
    return reported;
  }
  const problem = `readiness ${formatInstant(reported.readyAt.at)} is before the start ${formatInstant(state.startedAt)} that was reported first`;
  return { ...reported, problems: [...reported.problems, problem] };
}

function nextOutcome(
  from: Outcome,
  startedAt: Instant | undefined,
  readyAt: Instant | undefined,
  present: Failure | undefined,
): Outcome {
  if (from === 'Aborted' || from === 'Ready') return from;
  if (readyAt !== undefined) return 'Ready';
  if (from === 'Failed' || present !== undefined) return 'Failed';
  return startedAt === undefined ? from : 'Started';
}

function delayOf(startedAt: Instant | undefined, readyAt: Instant | undefined, reported: Reported): number | undefined {
  if (readyAt === undefined) return undefined;
  const between = startedAt === undefined ? undefined : elapsedMs(startedAt, readyAt);
  const measured = reported.report?.state === 'Ready' ? reported.report.delayMs : undefined;
  if (measured === undefined) return between;
  // The wall clock may be set meanwhile, but not by hours: then the report contradicts itself.
  return between !== undefined && Math.abs(measured - between) > BELIEVED_STEP_MS ? between : measured;
}

function mergeSkew(
  state: ResultState,
  startedAt: Instant | undefined,
  readyAt: Instant | undefined,
  createdNotBefore: Instant,
  at: Instant,
): ClockSkew | undefined {
  const fresh: Instant[] = [];
  if (startedAt !== undefined && state.startedAt === undefined) fresh.push(startedAt);
  if (readyAt !== undefined && state.datapathReadyAt === undefined) fresh.push(readyAt);
  if (fresh.length === 0) return state.clockSkew;
  let behindMs = state.clockSkew?.behindMs ?? 0;
  let aheadMs = state.clockSkew?.aheadMs ?? 0;
  for (const instant of fresh) {
    if (instant < createdNotBefore) behindMs = Math.max(behindMs, -elapsedMs(createdNotBefore, instant));
    if (instant > at) aheadMs = Math.max(aheadMs, elapsedMs(at, instant));
  }
  if (behindMs === 0 && aheadMs === 0) return undefined;
  return { ...(behindMs > 0 ? { behindMs } : {}), ...(aheadMs > 0 ? { aheadMs } : {}) };
}

function probeOf(reported: Reported): ProbeSummary | undefined {
  const report = reported.report;
  if (report === undefined) return undefined;
  return {
    ...(report.target === '' ? {} : { target: report.target }),
    attempts: report.attempts,
    ...(report.lastError === undefined ? {} : { lastError: report.lastError }),
    ...(report.phases === undefined ? {} : { phases: report.phases }),
  };
}

function milestonesOf(state: ResultState, pod: PodObservation, reported: Reported): Milestone[] {
  const list: Milestone[] = [
    { name: 'created', at: state.createdAt, source: state.creationSource, resolutionMs: state.uncertaintyMs },
  ];
  const condition = (name: MilestoneName, value: ConditionObservation | undefined): void => {
    if (value?.status !== true || value.at === undefined) return;
    const at = parseInstant(value.at);
    if (at !== undefined) list.push({ name, at, source: 'Condition', resolutionMs: TRUNCATED_MS });
  };
  const report = (name: MilestoneName, value: { at: Instant; source: MilestoneSource } | undefined): void => {
    if (value !== undefined) list.push({ name, at: value.at, source: value.source, resolutionMs: 0 });
  };
  condition('scheduled', pod.scheduled);
  condition('sandboxReady', pod.sandboxReady);
  report('started', reported.startedAt);
  report('datapathReady', acceptedReadiness(state, reported));
  condition('initialized', pod.initialized);
  condition('ready', pod.ready);
  return list;
}

/** Milestones once set stay; the old list is returned when nothing was added. */
function mergeMilestones(known: readonly Milestone[], seen: readonly Milestone[]): readonly Milestone[] {
  const added = seen.filter((milestone) => !known.some((other) => other.name === milestone.name));
  return added.length === 0 ? known : [...known, ...added];
}

function sameProbe(a: ProbeSummary | undefined, b: ProbeSummary | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return (
    a.target === b.target &&
    a.attempts === b.attempts &&
    a.lastError?.kind === b.lastError?.kind &&
    a.lastError?.message === b.lastError?.message &&
    a.phases?.dnsMs === b.phases?.dnsMs &&
    a.phases?.connectMs === b.phases?.connectMs &&
    a.phases?.tlsMs === b.phases?.tlsMs &&
    a.phases?.firstByteMs === b.phases?.firstByteMs
  );
}
