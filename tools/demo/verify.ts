/** Whether what was measured is what was caused. Each finding is a sentence; none means all is right. */
import type { Target } from './targets.js';

/** What the demo did for one Pod. */
export interface Caused {
  readonly podName: string;
  readonly uid: string;
  readonly target: Target;
  readonly spawnedAtMs: number;
}

/** The part of a DatapathResult that is checked. */
export interface StoredResult {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly podRef: { readonly uid: string; readonly name: string } };
  readonly status?: {
    readonly outcome?: string;
    readonly startedAt?: string;
    readonly datapathReadyAt?: string;
    readonly failure?: { readonly class: string; readonly message: string };
  };
}

/** The part of an API answer that is checked. */
export interface StatisticAnswer {
  readonly count: number;
  readonly totalSuccessful: number;
  readonly totalFailed: number;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly worstPods: readonly {
    readonly name: string;
    readonly uid: string;
    readonly nodeName?: string;
    readonly value: number;
  }[];
  readonly failedPods: readonly { readonly name: string; readonly uid: string; readonly nodeName?: string }[];
}

/** Clocks are the same here, but a process's start has the kernel's tick of 10 ms. */
const TICK_MS = 20;
/** How late a success may be seen: a busy machine runs hundreds of processes at once. */
const SLACK_MS = 15_000;

export function verify(
  caused: readonly Caused[],
  results: readonly StoredResult[],
  start: StatisticAnswer,
  ready: StatisticAnswer,
): readonly string[] {
  const findings: string[] = [];
  const check = (holds: boolean, finding: string): void => {
    if (!holds) findings.push(finding);
  };
  const works = caused.filter((one) => isReachable(one.target));
  const dead = caused.filter((one) => !isReachable(one.target));

  check(results.length === caused.length, `${results.length} DatapathResults for ${caused.length} Pods`);
  check(ready.totalSuccessful === works.length, `the API counts ${ready.totalSuccessful} ready, ${works.length} were`);
  check(ready.totalFailed === dead.length, `the API counts ${ready.totalFailed} failed, ${dead.length} were`);
  check(
    start.totalSuccessful === caused.length,
    `the API counts ${start.totalSuccessful} started, ${caused.length} were`,
  );
  const failedUids = new Set(ready.failedPods.map((pod) => pod.uid));
  const valueOf = new Map(ready.worstPods.map((pod) => [pod.uid, pod.value]));
  const byUid = new Map<string, StoredResult[]>();
  for (const result of results) {
    const uid = result.spec.podRef.uid;
    byUid.set(uid, [...(byUid.get(uid) ?? []), result]);
  }

  for (const { podName, uid, target, spawnedAtMs } of caused) {
    const [result, ...more] = byUid.get(uid) ?? [];
    if (result === undefined || more.length > 0) {
      findings.push(`${podName} has ${more.length + (result === undefined ? 0 : 1)} results`);
      continue;
    }
    const startedAt = Date.parse(result.status?.startedAt ?? '');
    check(
      startedAt >= spawnedAtMs - TICK_MS && startedAt <= spawnedAtMs + SLACK_MS,
      `${podName} started at ${result.status?.startedAt}, its process at ${new Date(spawnedAtMs).toISOString()}`,
    );
    if (!isReachable(target)) {
      check(
        result.status?.outcome === 'Failed',
        `${podName} (${target.plan.kind}) is ${result.status?.outcome}, not Failed`,
      );
      check(
        result.status?.failure?.class === 'ProbeTimeout',
        `${podName} (${target.plan.kind}) failed as ${result.status?.failure?.class}, not ProbeTimeout`,
      );
      check(failedUids.has(uid), `${podName} (${target.plan.kind}) is missing in the API's failedPods`);
      continue;
    }
    check(
      result.status?.outcome === 'Ready',
      `${podName} (${target.plan.kind}) is ${result.status?.outcome}, not Ready`,
    );
    check(valueOf.has(uid), `${podName} is missing in the API's worstPods`);
    const readyAt = Date.parse(result.status?.datapathReadyAt ?? '');
    if (target.plan.kind === 'late' && target.openedAtMs !== undefined) {
      check(
        readyAt >= target.openedAtMs - 1 && readyAt <= target.openedAtMs + SLACK_MS,
        `${podName} was ready at ${result.status?.datapathReadyAt}, its target opened at ${new Date(target.openedAtMs).toISOString()}`,
      );
    }
  }
  return findings;
}

export function isReachable(target: Target): boolean {
  return target.plan.kind === 'prompt' || target.plan.kind === 'late';
}
