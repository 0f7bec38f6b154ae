/**
 * What the status of a DatapathRun should say: whether it is complete, its verdict, its conditions. Pure.
 *
 * A run is complete only when the end of each of its Pods is stored: until then a crash of the controller together with the deletion of
 * the Pods could still take a number away, and what a pipeline was told would not be what is left.
 *
 * A run that was complete because its expected Pods had an end, or because its deadline passed, stays complete, with its verdict: a
 * pipeline reads the same in a month. One that was complete because it was quiet is open again when something happens. A change of the
 * spec is judged anew.
 */
import { judge, verdictOf } from '../../statistics/objective.js';
import type { ObjectiveResult } from '../../statistics/objective.js';
import { finalCount, openCount } from '../../statistics/run-figures.js';
import type { RunFigures } from '../../statistics/run-figures.js';
import { findCondition, setCondition } from '../kube/conditions.js';
import type { Condition, NewCondition } from '../kube/conditions.js';
import { isSame } from '../operator/index.js';
import type { DatapathRunStatus } from './datapath-run.schema.js';
import { archiveStatus, instantText, objectiveStatus, summaryStatus } from './run-status.js';
import { epochMsOf } from './run-view.js';
import type { RunView } from './run-view.js';
import type { RunArchive } from '../../statistics/run-archive.js';

/** Seconds without a pending Pod after which a run that expects nothing is complete, unless it says otherwise. */
export const DEFAULT_QUIET_SECONDS = 30;
/** How often an open run says that it is still watched, milliseconds: by that much a gap is known. */
export const HEARTBEAT_MS = 30_000;
/** How often a run that waits for its results to be stored is looked at, milliseconds. */
const STORE_CHECK_MS = 500;
/** How long after its deadline a run waits for its results to be stored, milliseconds. */
const STORE_GRACE_MS = 30_000;
/** Gaps that are kept, the newest ones. */
const MAX_GAPS = 20;

/** Pods that the selectors of a run would take, but an earlier run has. */
export interface Overlap {
  readonly run: string;
  readonly pods: number;
}

export interface RunInput {
  readonly run: RunView;
  readonly figures: RunFigures;
  /** What the archive holds after this write. */
  readonly archive: RunArchive;
  readonly releasing: readonly string[];
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Milliseconds since something of the run changed, as far as this process knows. */
  readonly quietForMs: number;
  /** Since when this process has watched, milliseconds since the epoch. */
  readonly watchingSinceMs: number;
  /** Until when it is sure to have seen everything. */
  readonly watchedUntilMs: number;
  readonly overlap: Overlap | undefined;
  /** Results of the run whose Pod has an end that isn't stored yet. Asked only where it decides. */
  readonly unstored: () => number;
}

export interface RunPlan {
  /** Without `updatedAt`. */
  readonly status: DatapathRunStatus;
  /** Whether it says more than what is stored. */
  readonly due: boolean;
  /** When to look again though nothing changed; `undefined` where nothing follows. */
  readonly againInMs: number | undefined;
}

interface Completion {
  readonly complete: boolean;
  readonly reason: string;
  readonly message: string;
  /** Milliseconds until time alone may complete it. */
  readonly inMs?: number;
}

export function planRun(input: RunInput): RunPlan {
  const { run, figures, archive, releasing, nowMs } = input;
  const stored = run.status;
  const gaps = gapsOf(input);
  const completion = completionOf(input);
  const kept = completion.complete && isJudged(input);
  const judged = kept || !completion.complete ? undefined : judgeAll(input, gaps);
  const summary = summaryStatus(figures, run.spec.expectedPods);
  const archived = archive === run.archive && releasing.length === 0 && stored?.archive === undefined;
  const status: DatapathRunStatus = {
    conditions: conditionsOf(input, completion, judged, kept),
    observedGeneration: run.generation,
    ...(kept ? keptVerdict(stored) : judged === undefined ? {} : verdictStatus(judged)),
    ...(completion.complete ? { completedAt: (kept ? stored?.completedAt : undefined) ?? instantText(nowMs) } : {}),
    ...summary,
    ...watchedUntil(input, completion.complete),
    ...(gaps.length === 0 ? {} : { gaps: [...gaps] }),
    ...(archived ? {} : { archive: archiveStatus(archive, releasing) }),
  };
  return { status, due: isDue(stored, status), againInMs: againInMs(input, completion) };
}

function completionOf(input: RunInput): Completion {
  const { run, nowMs } = input;
  const completion = reachedBy(input);
  if (!completion.complete || isJudged(input)) return completion;
  const { deadlineSeconds } = run.spec;
  const isOverdue = deadlineSeconds !== undefined && nowMs >= run.createdMs + deadlineSeconds * 1000 + STORE_GRACE_MS;
  const unstored = isOverdue ? 0 : input.unstored();
  if (unstored === 0) return completion;
  return {
    complete: false,
    reason: 'ResultsNotStored',
    message: `the end of ${String(unstored)} Pods is not stored yet`,
    inMs: STORE_CHECK_MS,
  };
}

/** What the Pods, the deadline and the quiet say. */
function reachedBy({ run, figures, nowMs, quietForMs }: RunInput): Completion {
  const { expectedPods, deadlineSeconds, quietSeconds = DEFAULT_QUIET_SECONDS } = run.spec;
  const complete = findCondition(run.status?.conditions as Condition[] | undefined, 'Complete');
  const settled =
    complete?.status === 'True' && run.status?.observedGeneration === run.generation ? complete.reason : undefined;
  if (settled === 'DeadlinePassed') return { complete: true, reason: settled, message: complete?.message ?? '' };
  const final = finalCount(figures);
  const open = openCount(figures);
  if (expectedPods !== undefined && (final >= expectedPods || settled === 'ExpectedPodsFinal')) {
    const more = figures.pods - expectedPods;
    return {
      complete: true,
      reason: 'ExpectedPodsFinal',
      message:
        more > 0
          ? `${String(expectedPods)} Pods were expected, ${String(figures.pods)} came`
          : `all of ${String(expectedPods)} expected Pods have an end`,
    };
  }
  const deadlineInMs =
    deadlineSeconds === undefined ? undefined : Math.max(0, run.createdMs + deadlineSeconds * 1000 - nowMs);
  if (deadlineInMs === 0 && settled === undefined) {
    return {
      complete: true,
      reason: 'DeadlinePassed',
      message: `the deadline of ${String(deadlineSeconds)} s passed; ${String(open)} Pods were pending`,
    };
  }
  const timed = deadlineInMs === undefined ? {} : { inMs: deadlineInMs };
  if (expectedPods !== undefined) {
    return {
      complete: false,
      reason: 'PodsPending',
      message: `${String(final)} of ${String(expectedPods)} expected Pods have an end`,
      ...timed,
    };
  }
  if (figures.pods === 0) return { complete: false, reason: 'NoPods', message: 'no Pod belongs to the run', ...timed };
  if (open > 0) {
    return { complete: false, reason: 'PodsPending', message: `${String(open)} Pods are pending`, ...timed };
  }
  // What was quiet stays so while nothing happens, also after a restart, which knows nothing of the time before.
  if ((settled === 'Quiet' && !hasMoved(run.status, figures)) || quietForMs >= quietSeconds * 1000) {
    return {
      complete: true,
      reason: 'Quiet',
      message: `no Pod was pending and none came for ${String(quietSeconds)} s`,
    };
  }
  const quietInMs = quietSeconds * 1000 - quietForMs;
  return {
    complete: false,
    reason: 'Settling',
    message: `no Pod is pending; complete when none comes for ${String(quietSeconds)} s`,
    inMs: Math.min(quietInMs, deadlineInMs ?? quietInMs),
  };
}

/** Whether Pods came or had another end since the status was written. Archiving alone changes nothing of it. */
function hasMoved(status: DatapathRunStatus | undefined, { pods, outcomes }: RunFigures): boolean {
  return (
    status?.pods !== pods ||
    status.ready !== outcomes.Ready ||
    status.failed !== outcomes.Failed ||
    status.aborted !== outcomes.Aborted
  );
}

/** Whether the stored verdict is the one of this completion. */
function isJudged({ run, figures }: RunInput): boolean {
  const { status } = run;
  const complete = findCondition(status?.conditions as Condition[] | undefined, 'Complete');
  if (complete?.status !== 'True' || status?.observedGeneration !== run.generation) return false;
  return complete.reason !== 'Quiet' || !hasMoved(status, figures);
}

function judgeAll({ run, figures }: RunInput, gaps: readonly Gap[]): readonly ObjectiveResult[] {
  const longestGapMs = Math.max(0, ...gaps.map(({ from, to }) => (epochMsOf(to) ?? 0) - (epochMsOf(from) ?? 0)));
  const { expectedPods } = run.spec;
  return run.objectives.map((objective) =>
    judge(objective, figures, { longestGapMs, ...(expectedPods === undefined ? {} : { expectedPods }) }),
  );
}

function verdictStatus(
  results: readonly ObjectiveResult[],
): Pick<DatapathRunStatus, 'verdict' | 'reason' | 'objectives'> {
  const decisive = decisiveOf(results);
  return decisive === undefined
    ? {}
    : { verdict: decisive.verdict, reason: decisive.reason, objectives: objectiveStatus(results) };
}

/** The first objective that has the verdict of the run. */
function decisiveOf(results: readonly ObjectiveResult[]): ObjectiveResult | undefined {
  const verdict = verdictOf(results);
  return results.find((result) => result.verdict === verdict);
}

function keptVerdict(
  stored: DatapathRunStatus | undefined,
): Pick<DatapathRunStatus, 'verdict' | 'reason' | 'objectives'> {
  return {
    ...(stored?.verdict === undefined ? {} : { verdict: stored.verdict }),
    ...(stored?.reason === undefined ? {} : { reason: stored.reason }),
    ...(stored?.objectives === undefined ? {} : { objectives: stored.objectives }),
  };
}

function conditionsOf(
  input: RunInput,
  completion: Completion,
  judged: readonly ObjectiveResult[] | undefined,
  kept: boolean,
): NonNullable<DatapathRunStatus['conditions']> {
  const { run, nowMs } = input;
  const stored = run.status?.conditions as readonly Condition[] | undefined;
  const observedGeneration = run.generation;
  let conditions = setCondition(
    stored,
    {
      type: 'Complete',
      status: completion.complete ? 'True' : 'False',
      reason: completion.reason,
      message: completion.message,
      observedGeneration,
    },
    nowMs,
  );
  if (!kept) {
    conditions = setCondition(conditions, { ...objectivesCondition(run, judged), observedGeneration }, nowMs);
  }
  const selecting = selectingCondition(input);
  if (selecting === undefined) conditions = conditions.filter(({ type }) => type !== 'Selecting');
  else conditions = setCondition(conditions, { ...selecting, observedGeneration }, nowMs);
  return conditions.map((condition) => ({ ...condition })) as NonNullable<DatapathRunStatus['conditions']>;
}

function objectivesCondition(run: RunView, judged: readonly ObjectiveResult[] | undefined): NewCondition {
  const type = 'ObjectivesMet';
  if (run.objectives.length === 0) {
    return { type, status: 'Unknown', reason: 'NoObjectives', message: 'the run has no objectives' };
  }
  const decisive = judged === undefined ? undefined : decisiveOf(judged);
  if (decisive === undefined || judged === undefined) {
    return { type, status: 'Unknown', reason: 'Running', message: 'judged when the run is complete' };
  }
  const alike = judged.filter(({ verdict }) => verdict === decisive.verdict);
  const message = alike.map(({ objective, message: text }) => `${objective.metric}: ${text}`).join('; ');
  return {
    type,
    status: decisive.verdict === 'Met' ? 'True' : decisive.verdict === 'Missed' ? 'False' : 'Unknown',
    reason: decisive.reason,
    message: message.slice(0, 1024),
  };
}

function selectingCondition({ run, figures, overlap }: RunInput): NewCondition | undefined {
  const type = 'Selecting';
  if (run.selectorError !== undefined) {
    return { type, status: 'False', reason: 'InvalidSelector', message: run.selectorError.slice(0, 1024) };
  }
  if (run.selector === undefined) return undefined;
  if (overlap !== undefined) {
    return {
      type,
      status: 'False',
      reason: 'Overlapping',
      message: `${String(overlap.pods)} Pods that match belong to run ${overlap.run}`,
    };
  }
  return figures.pods === 0
    ? { type, status: 'False', reason: 'NoPodMatched', message: 'no Pod that came after the run was made matched' }
    : { type, status: 'True', reason: 'Selected', message: '' };
}

type Gap = NonNullable<DatapathRunStatus['gaps']>[number];

/** The gaps of the run: those known, and the one that ended when this process, or its watch, began to see again. */
function gapsOf({ run, watchingSinceMs, watchedUntilMs }: RunInput): readonly Gap[] {
  const known = run.status?.gaps ?? [];
  const lastMs = epochMsOf(run.status?.watchedUntil);
  if (lastMs === undefined || run.status?.completedAt !== undefined) return known;
  const silentFor = watchedUntilMs - lastMs;
  const to = lastMs < watchingSinceMs ? watchingSinceMs : silentFor > 4 * HEARTBEAT_MS ? watchedUntilMs : undefined;
  if (to === undefined) return known;
  return [...known, { from: instantText(lastMs), to: instantText(to) }].slice(-MAX_GAPS);
}

/** Kept up while Pods may be missed; at the end it stands still. */
function watchedUntil(
  { run, figures, watchedUntilMs }: RunInput,
  complete: boolean,
): Pick<DatapathRunStatus, 'watchedUntil'> {
  const stored = run.status?.watchedUntil;
  if ((complete && run.status?.completedAt !== undefined) || figures.pods === 0) {
    return stored === undefined ? {} : { watchedUntil: stored };
  }
  return { watchedUntil: instantText(Math.max(watchedUntilMs, epochMsOf(stored) ?? 0)) };
}

function isDue(stored: DatapathRunStatus | undefined, wanted: DatapathRunStatus): boolean {
  const { updatedAt: _, watchedUntil: before, ...known } = stored ?? {};
  const { watchedUntil: after, ...said } = wanted;
  if (!isSame(known, said)) return true;
  return (epochMsOf(after) ?? 0) - (epochMsOf(before) ?? 0) >= HEARTBEAT_MS;
}

function againInMs({ run, figures, nowMs }: RunInput, completion: Completion): number | undefined {
  if (completion.complete) {
    const { ttlSecondsAfterComplete } = run.spec;
    if (ttlSecondsAfterComplete === undefined) return undefined;
    return Math.max(0, (epochMsOf(run.status?.completedAt) ?? nowMs) + ttlSecondsAfterComplete * 1000 - nowMs);
  }
  // Without a Pod nothing wakes a run that selects, though an earlier one may take what it waits for.
  const heartbeat = figures.pods > 0 || run.selector !== undefined ? HEARTBEAT_MS : undefined;
  if (completion.inMs === undefined) return heartbeat;
  return Math.min(completion.inMs, heartbeat ?? completion.inMs);
}
