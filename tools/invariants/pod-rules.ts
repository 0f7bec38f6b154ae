/** What results say of Pods, held against what really happened to them: Complete and Honest. */
import type { ApiAnswer } from './expectations.js';
import type { PodHistory, ResultHistory, ResultVersion } from './history.js';
import { annotated, READY_AT, REPORT, STARTED_AT } from './objects.js';
import type { Run } from './run.js';

/** Every Pod with a reporter that existed while a controller ran has a result, and at rest it says how the Pod ended. */
export function complete(run: Run): string[] {
  const broken: string[] = [];
  for (const pod of run.pods) {
    if (pod.createdAt > run.restsSince || !run.wasSeen(pod)) continue;
    const name = `${pod.namespace}/${pod.name} (${pod.uid})`;
    const results = run.resultsOf(pod.uid);
    const current = results.findLast((result) => result.deletedAt === undefined);
    if (results.length === 0) {
      broken.push(`${name} has no result`);
      continue;
    }
    // Somebody may delete a result; while its Pod lives it is made again.
    if (current === undefined) {
      const since = Math.max(...results.map((result) => result.deletedAt ?? 0));
      if (pod.deletedAt === undefined && since < run.restsSince) broken.push(`${name} has lost its result`);
      continue;
    }
    const lastChange = Math.max(pod.deletedAt ?? 0, pod.versions.at(-1)?.at ?? 0);
    if (lastChange > run.restsSince) continue;
    const outcome = outcomeOf(current.versions.at(-1));
    const over = pod.deletedAt !== undefined || reportedReady(pod);
    if (over && (outcome === 'Pending' || outcome === 'Started')) {
      broken.push(`${name} is over (${pod.deletedAt === undefined ? 'ready' : 'deleted'}), its result says ${outcome}`);
    }
    if (pod.deletedAt === undefined && validlyReady(pod) && outcome === 'Failed' && !invalid(current)) {
      broken.push(`${name} reported its readiness, its result says Failed`);
    }
  }
  return broken;
}

/** Nothing is reported as failed, aborted or lost without a cause; what claims to know everything does. */
export function honest(run: Run): string[] {
  const broken: string[] = [];
  for (const result of run.history.results) {
    const pod = run.history.pods.get(result.podUid);
    if (pod === undefined) continue;
    for (const [i, version] of result.versions.entries()) {
      if (!version.byController || outcomeOf(version) === outcomeOf(result.versions[i - 1])) continue;
      const why = unfounded(run, pod, version);
      if (why !== undefined) broken.push(`${result.key}: ${why}`);
    }
  }
  for (const answer of run.expectations.answers ?? []) broken.push(...dishonest(run, answer));
  return broken;
}

function unfounded(run: Run, pod: PodHistory, version: ResultVersion): string | undefined {
  const status = version.object.status;
  const deleted = pod.deletedAt !== undefined && pod.deletedAt <= version.at;
  // Seen by the watch, a deletion may be answered before the line of its own request is written.
  const ending = deleted || isEnding(pod, version.at) || pod.deletedAt !== undefined;
  switch (status?.outcome) {
    case 'Aborted':
      return ending ? undefined : 'Aborted, but nobody deleted the Pod';
    case 'Failed':
      if (status.failure?.class === 'ReportLost') {
        return ending ? undefined : 'ReportLost, but the Pod is there';
      }
      return ending || mayHaveFailed(run, pod, version.at)
        ? undefined
        : `Failed (${status.failure?.class}), but the Pod was only pending`;
    case 'Ready':
      return annotatedBy(pod, version.at, READY_AT) || ranOnNode(pod, version.at)
        ? undefined
        : 'Ready, but the Pod never reported it';
    default:
      return undefined;
  }
}

/** An answer that claims to know everything holds every Pod that was there long enough, and calls no pending Pod failed. */
function dishonest(run: Run, answer: ApiAnswer): string[] {
  if (!answer.synced) return [];
  const broken: string[] = [];
  const when = new Date(answer.askedAt).toISOString();
  const known = run.pods.filter(
    (pod) =>
      pod.namespace === answer.namespace &&
      pod.createdAt <= answer.askedAt - ANSWER_LAG_MS &&
      (pod.deletedAt ?? Number.POSITIVE_INFINITY) > answer.answeredAt,
  );
  if (answer.total < known.length) {
    broken.push(
      `the answer of ${when} says synced with ${answer.total} Pods of ${answer.namespace}, not ${known.length}`,
    );
  }
  for (const uid of answer.failed) {
    const pod = run.history.pods.get(uid);
    if (pod === undefined || isEnding(pod, answer.answeredAt) || pod.deletedAt !== undefined) continue;
    if (!mayHaveFailed(run, pod, answer.answeredAt)) {
      broken.push(`the answer of ${when} has ${pod.namespace}/${pod.name} as failed, but it was only pending`);
    }
  }
  return broken;
}

/** How old a change must be before an answer has to hold it, milliseconds: a busy machine isn't dishonest. */
const ANSWER_LAG_MS = 2_000;

/** Whether anything happened to the Pod that a failure may be told from: a report, a word of its node, or its deadline. */
function mayHaveFailed(run: Run, pod: PodHistory, at: number): boolean {
  if (at - pod.createdAt >= run.deadlineMs - 1_000) return true;
  if (ranOnNode(pod, at)) return true;
  return pod.versions.some((version) => {
    if (version.at > at) return false;
    const { annotations } = version;
    // A start alone is no failure, unless it can't be read; nor is a report of a probe under way.
    const report = annotations[REPORT];
    if (report !== undefined && stateOf(report) !== 'Probing' && stateOf(report) !== 'Ready') return true;
    const startedAt = annotated(annotations, STARTED_AT);
    const readyAt = annotated(annotations, READY_AT);
    return (
      [startedAt, readyAt].some((text) => text !== undefined && !isPlausible(text, pod, at)) || readyAt !== undefined
    );
  });
}

function stateOf(report: string): string | undefined {
  try {
    return (JSON.parse(report) as { readonly state?: string } | null)?.state;
  } catch {
    return undefined;
  }
}

const DAY_MS = 86_400_000;

function isPlausible(text: string, pod: PodHistory, at: number): boolean {
  const instant = Date.parse(text);
  return instant > pod.createdAt - DAY_MS && instant < at + DAY_MS;
}

function ranOnNode(pod: PodHistory, at: number): boolean {
  return pod.statusWrites.some((write) => write <= at);
}

function isEnding(pod: PodHistory, at: number): boolean {
  return pod.versions.some((version) => version.ending && version.at <= at);
}

function annotatedBy(pod: PodHistory, at: number, keys: readonly string[]): boolean {
  // Its line may be written a moment after a watch has shown it.
  return pod.versions.some((version) => version.at <= at + 1_000 && annotated(version.annotations, keys) !== undefined);
}

function reportedReady(pod: PodHistory): boolean {
  return annotated(pod.versions.at(-1)?.annotations, READY_AT) !== undefined;
}

function validlyReady(pod: PodHistory): boolean {
  const annotations = pod.versions.at(-1)?.annotations;
  const startedAt = Date.parse(annotated(annotations, STARTED_AT) ?? '');
  const readyAt = Date.parse(annotated(annotations, READY_AT) ?? '');
  return readyAt >= startedAt && isPlausible(annotated(annotations, READY_AT) ?? '', pod, pod.createdAt);
}

function invalid(result: ResultHistory): boolean {
  return result.versions.at(-1)?.object.status?.failure?.class === 'InvalidReport';
}

function outcomeOf(version: ResultVersion | undefined): string {
  return version?.object.status?.outcome ?? 'Pending';
}
