/** What must hold of each DatapathResult by itself: Unique, FirstWins, Legal. Each rule gives a sentence per violation. */
import { isDeepStrictEqual } from 'node:util';
import type { ResultHistory, ResultVersion } from './history.js';
import type { ResultStatus } from './objects.js';
import type { Run } from './run.js';

/** One result per Pod UID, by the name that the UID gives. Made again it may be after somebody deleted it. */
export function unique(run: Run): string[] {
  const broken: string[] = [];
  const byPod = new Map<string, ResultHistory[]>();
  for (const result of run.history.results) {
    byPod.set(result.podUid, [...(byPod.get(result.podUid) ?? []), result]);
    if (!result.key.endsWith(`/dpresult-${result.podUid}`)) {
      broken.push(`the result of Pod ${result.podUid} is named ${result.key}, not dpresult- and the UID`);
    }
  }
  for (const [podUid, results] of byPod) {
    const sorted = results.toSorted((a, b) => firstAt(a) - firstAt(b));
    for (const [i, result] of sorted.entries()) {
      const before = sorted[i - 1];
      if (before === undefined || (before.deletedAt !== undefined && before.deletedAt <= firstAt(result))) continue;
      broken.push(`Pod ${podUid} has two results at once: ${before.key} and ${result.key}`);
    }
  }
  return broken;
}

/** Once set, spec, startedAt and datapathReadyAt stay. */
export function firstWins(run: Run): string[] {
  return eachStep(run, (before, after, result) => {
    const broken: string[] = [];
    if (!isDeepStrictEqual(before.object.spec, after.object.spec)) {
      const [was, is] = [before, after].map(({ object }) => JSON.stringify(object.spec));
      broken.push(`${result.key}: spec changed from ${was} to ${is} (version ${before.version} to ${after.version})`);
    }
    for (const field of ['startedAt', 'datapathReadyAt'] as const) {
      const was = before.object.status?.[field];
      const is = after.object.status?.[field];
      if (was !== undefined && is !== was) broken.push(`${result.key}: ${field} was ${was}, became ${is}`);
    }
    return broken;
  });
}

const MOVES: Readonly<Record<string, readonly string[]>> = {
  Pending: ['Started', 'Ready', 'Failed', 'Aborted'],
  Started: ['Ready', 'Failed', 'Aborted'],
  Failed: ['Ready'],
  Ready: [],
  Aborted: [],
};

/** The outcome moves along its graph; a transition time moves when, and only when, its condition's status does. */
export function legal(run: Run): string[] {
  return eachStep(run, (before, after, result) => {
    const broken: string[] = [];
    const was = before.object.status?.outcome ?? 'Pending';
    const is = after.object.status?.outcome ?? 'Pending';
    if (was !== is && MOVES[was]?.includes(is) !== true) broken.push(`${result.key}: ${was} became ${is}`);
    for (const condition of conditionsOf(after.object.status)) {
      const earlier = conditionsOf(before.object.status).find((other) => other.type === condition.type);
      if (earlier === undefined || earlier.lastTransitionTime === condition.lastTransitionTime) continue;
      if (earlier.status !== condition.status) continue;
      broken.push(
        `${result.key}: ${condition.type} stayed ${condition.status}, but its transition moved from ` +
          `${earlier.lastTransitionTime} to ${condition.lastTransitionTime}`,
      );
    }
    return broken;
  });
}

function eachStep(
  run: Run,
  judge: (before: ResultVersion, after: ResultVersion, result: ResultHistory) => readonly string[],
): string[] {
  const broken: string[] = [];
  for (const result of run.history.results) {
    for (const [i, after] of result.versions.entries()) {
      const before = result.versions[i - 1];
      if (before !== undefined) broken.push(...judge(before, after, result));
    }
  }
  return broken;
}

function conditionsOf(status: ResultStatus | undefined): NonNullable<ResultStatus['conditions']> {
  return status?.conditions ?? [];
}

function firstAt(result: ResultHistory): number {
  return result.createdAt ?? result.versions[0]?.at ?? Number.NEGATIVE_INFINITY;
}
