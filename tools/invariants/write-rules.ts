/** What writing may cost, and who may write: Frugal, Fenced, Bounded. */
import { isDeepStrictEqual } from 'node:util';
import type { Limits, ProcessSample } from './expectations.js';
import type { LeaseWrite, PodHistory } from './history.js';
import type { Run } from './run.js';

/** At most two writes for a Pod that nothing happened to; none that says what is stored already. */
export function frugal(run: Run): string[] {
  const broken: string[] = [];
  for (const pod of run.pods) {
    const attempts = run.attemptsFor(pod);
    const allowed = run.allowedWrites(pod) + 2 * interruptionsOf(run, pod);
    if (meetsFault(run, pod)) continue;
    if (attempts.length > allowed) {
      const list = attempts.map(({ verb, code }) => `${verb} ${code}`).join(', ');
      broken.push(`${pod.namespace}/${pod.name} cost ${attempts.length} writes, ${allowed} at most: ${list}`);
    }
  }
  for (const result of run.history.results) {
    for (const [i, after] of result.versions.entries()) {
      const before = result.versions[i - 1];
      if (before === undefined || !after.byController || result.deletedAt === after.at) continue;
      // Where the answer to a write was lost, its author can't know that it was done, and says it again.
      if (run.metFault(before.receivedAt, after.receivedAt)) continue;
      const same =
        before.object.metadata.deletionTimestamp === after.object.metadata.deletionTimestamp &&
        isDeepStrictEqual(before.object.status, after.object.status) &&
        isDeepStrictEqual(before.object.spec, after.object.spec) &&
        isDeepStrictEqual(before.object.metadata.labels ?? {}, after.object.metadata.labels ?? {}) &&
        isDeepStrictEqual(before.object.metadata.finalizers ?? [], after.object.metadata.finalizers ?? []);
      if (same) {
        const versions = `version ${before.version} to ${after.version}, ${new Date(after.receivedAt).toISOString()}`;
        broken.push(`${result.key} was written again with what it said already (${versions})`);
      }
    }
  }
  return broken;
}

/** How often the measurement of a Pod was met by a kill or a change of the leader. */
export function interruptionsOf(run: Run, pod: PodHistory): number {
  const last = run.attemptsFor(pod).at(-1)?.at ?? Number.POSITIVE_INFINITY;
  return run.interruptionsWithin(pod.createdAt, last);
}

export function meetsFault(run: Run, pod: PodHistory): boolean {
  return run.metFault(pod.createdAt, run.attemptsFor(pod).at(-1)?.at ?? Number.POSITIVE_INFINITY);
}

/** Every write of a result arrives while its author holds the lease, and the lease is in force. */
export function fenced(run: Run): string[] {
  if (!run.leaderElection) return [];
  const broken: string[] = [];
  const leases = run.history.leaseWrites.toSorted((a, b) => a.at - b.at);
  const known = new Map<string, string>();
  for (const { actor, holder } of leases) {
    if (holder === '') continue;
    const other = known.get(actor);
    if (other !== undefined && other !== holder) {
      broken.push(`${other} and ${holder} share the credential ${actor}: who wrote can’t be told`);
    }
    known.set(actor, holder);
  }
  const attempts = run.history.attempts.toSorted((a, b) => a.receivedAt - b.receivedAt);
  let next = 0;
  let lease: LeaseWrite | undefined;
  // Who really holds it: a renewal names the holder, whoever sends it.
  const actorByHolder = new Map<string, string>();
  for (const attempt of attempts) {
    for (; next < leases.length; next++) {
      const write = leases[next];
      if (write === undefined || write.at > attempt.receivedAt) break;
      lease = write;
      if (write.holder !== '' && !actorByHolder.has(write.holder)) actorByHolder.set(write.holder, write.actor);
    }
    const what = `${attempt.verb} of ${attempt.key} at ${new Date(attempt.receivedAt).toISOString()}`;
    if (lease === undefined || lease.holder === '') {
      broken.push(`${what} while nobody held the lease`);
    } else if (actorByHolder.get(lease.holder) !== attempt.actor) {
      broken.push(`${what} by ${attempt.actor}, while ${lease.holder} held the lease`);
    } else if (attempt.receivedAt > lease.receivedAt + lease.durationMs) {
      const late = Math.round(attempt.receivedAt - lease.receivedAt - lease.durationMs);
      broken.push(`${what} came ${late} ms after the lease of ${lease.holder} had expired`);
    }
  }
  return broken;
}

const MINUTE_MS = 60_000;
/** How far back the causes of a minute's requests may lie. */
const CAUSE_MS = 150_000;

/** Requests follow the changes of Pods, and what a process holds stays below its limits. */
export function bounded(run: Run): string[] {
  const broken: string[] = [];
  const { limits = {}, samples = [] } = run.expectations;
  const { idleRequestsPerMinute = 300, requestsPerChange = 4 } = limits;
  const { changes } = run.history;
  const judged = run.pods.flatMap((pod) => pod.versions.map((version) => version.at));
  for (const { actor, first, requests } of run.history.actors.values()) {
    const worst = busiest(requests, MINUTE_MS);
    if (worst === undefined) continue;
    const started = Math.min(
      first,
      ...run.history.watches.filter((one) => one.actor === actor).map(({ from }) => from),
    );
    const since = Math.max(started, worst.to - CAUSE_MS);
    // A change may be written half a minute later; a controller that starts or takes over has what came before it to do.
    const tookOver = started === since || run.interruptionsWithin(since, worst.to) > 0;
    const backlog = tookOver ? judged.filter((at) => at <= since).length : 0;
    const causes = backlog + changes.filter((at) => at > since && at <= worst.to).length;
    const allowed = idleRequestsPerMinute + requestsPerChange * causes;
    if (worst.count > allowed) {
      broken.push(`${actor} made ${worst.count} requests within a minute, after ${causes} changes of Pods`);
    }
  }
  for (const sample of samples) broken.push(...overLimit(sample, limits));
  return broken;
}

/** The time of so many milliseconds in which most of these instants lie. */
export function busiest(
  times: readonly number[],
  spanMs: number,
): { readonly count: number; readonly to: number } | undefined {
  const sorted = times.toSorted((a, b) => a - b);
  let worst: { count: number; to: number } | undefined;
  let from = 0;
  for (const [i, to] of sorted.entries()) {
    while (to - (sorted[from] ?? to) > spanMs) from++;
    if (i - from + 1 > (worst?.count ?? 0)) worst = { count: i - from + 1, to };
  }
  return worst;
}

const MEASURES = ['rssBytes', 'sockets', 'queueDepth', 'waitingWrites', 'eventLoopDelayMs'] as const;

function overLimit(sample: ProcessSample, limits: Limits): string[] {
  return MEASURES.flatMap((measure) => {
    const value = sample[measure];
    const limit = limits[measure];
    if (value === undefined || limit === undefined || value <= limit) return [];
    return [`${sample.process}: ${measure} is ${value} at ${new Date(sample.at).toISOString()}, ${limit} at most`];
  });
}
