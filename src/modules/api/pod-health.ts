/** The health of Pods now: how many there should be, how many there are, and why the others aren't well. Pure. */
import type { ConditionObservation, ContainerObservation, PodObservation } from '../../datapath/pod-observation.js';
import { matchesSelector } from '../../statistics/label-selector.js';
import type { LabelSelector } from '../../statistics/label-selector.js';
import { TopK } from '../../statistics/top-k.js';
import type { PodDetails, PodHealthAnswer } from './pod-health.schema.js';
import { WORKLOAD_KINDS } from './read-model.js';
import type { Workload } from './read-model.js';

export interface PodHealthQuery {
  readonly namespaces?: readonly string[];
  readonly selector: LabelSelector;
  readonly nodes?: readonly string[];
  readonly topN: number;
}

export type PodHealth = Omit<PodHealthAnswer, 'namespace' | 'labelSelector' | 'generatedAt' | 'synced'>;

/**
 * @param workloads the owners of Pods, or `undefined` where they aren't known: then each existing Pod counts as one desired
 */
export function podHealth(
  pods: Iterable<PodObservation>,
  workloads: Iterable<Workload> | undefined,
  { namespaces, selector, nodes, topN }: PodHealthQuery,
): PodHealth {
  const inNamespace = namespaces === undefined ? undefined : new Set(namespaces);
  const onNode = nodes === undefined ? undefined : new Set(nodes);
  const lists = { pending: byName(topN), failed: byName(topN), notReady: byName(topN) };
  let running = 0;
  let ready = 0;
  let pending = 0;
  let failed = 0;
  let succeeded = 0;
  let terminating = 0;
  let desired = 0;
  // An owner isn't on a node, so a question about a node can only count the Pods that are there.
  const ownersCount = workloads !== undefined && onNode === undefined;

  for (const pod of pods) {
    if (inNamespace?.has(pod.namespace) === false) continue;
    if (onNode !== undefined && (pod.nodeName === undefined || !onNode.has(pod.nodeName))) continue;
    if (!matchesSelector(selector, pod.labels)) continue;
    const ended = pod.phase === 'Failed' || pod.phase === 'Succeeded';
    if (pod.deletionTimestamp !== undefined && !ended) {
      terminating++;
      continue;
    }
    if (!ownersCount || !isWorkloadKind(pod.ownerKind)) desired++;
    switch (pod.phase) {
      case 'Running':
        running++;
        if (pod.ready?.status === true) ready++;
        else lists.notReady.add(pod);
        break;
      case 'Failed':
        failed++;
        lists.failed.add(pod);
        break;
      case 'Succeeded':
        succeeded++;
        break;
      default:
        // Pending, and the rare Unknown: not running, and not failed either.
        pending++;
        lists.pending.add(pod);
    }
  }
  if (ownersCount) {
    for (const workload of workloads) {
      if (inNamespace?.has(workload.namespace) === false) continue;
      if (matchesSelector(selector, workload.templateLabels)) desired += workload.desired;
    }
  }

  const well = ready + succeeded;
  const warnings: string[] = [];
  if (desired === 0) warnings.push('No Pod is desired and none exists that matches.');
  if (!ownersCount)
    warnings.push('The owners were not asked: Pods that were never created are not counted as missing.');
  if (well > desired) warnings.push('There are more Pods than desired, as during a rollout.');
  return {
    desiredReplicas: desired,
    runningPods: running,
    readyPods: ready,
    pendingPods: pending,
    failedPods: failed,
    succeededPods: succeeded,
    terminatingPods: terminating,
    successPct: desired === 0 ? 0 : Math.min(100, Math.round((well / desired) * 10_000) / 100),
    pendingPodList: lists.pending.sorted().map(detailsOf),
    failedPodList: lists.failed.sorted().map(detailsOf),
    notReadyPodList: lists.notReady.sorted().map(detailsOf),
    warnings,
  };
}

function byName(topN: number): TopK<PodObservation> {
  return new TopK(
    topN,
    (a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name) || compare(a.uid, b.uid),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isWorkloadKind(kind: string | undefined): boolean {
  return kind !== undefined && (WORKLOAD_KINDS as readonly string[]).includes(kind);
}

function detailsOf(pod: PodObservation): PodDetails {
  const { reason, message } = causeOf(pod);
  return {
    namespace: pod.namespace,
    name: pod.name,
    uid: pod.uid,
    ...(pod.nodeName === undefined ? {} : { nodeName: pod.nodeName }),
    phase: pod.phase,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined || message === '' ? {} : { message }),
  };
}

interface Cause {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

/**
 * Why a Pod isn't well. `status.reason` is empty for most causes (Unschedulable, ImagePullBackOff, CrashLoopBackOff), so its
 * conditions and containers are asked as well, what is most specific first.
 */
export function causeOf(pod: PodObservation): Cause {
  if (pod.reason !== undefined && pod.reason !== '') return { reason: pod.reason, message: pod.message };
  if (pod.scheduled?.status === false) return conditionCause(pod.scheduled, 'Unschedulable');
  for (const container of [pod.reporter, pod.waiting]) {
    const cause = containerCause(container, pod.phase === 'Failed');
    if (cause !== undefined) return cause;
  }
  if (pod.phase === 'Running' && pod.ready?.status === false) return conditionCause(pod.ready, 'NotReady');
  return { message: pod.message };
}

function conditionCause({ reason, message }: ConditionObservation, fallback: string): Cause {
  return { reason: reason ?? fallback, message };
}

/** A waiting container tells its reason; `ContainerCreating` and the like only say that nothing is known yet. */
function containerCause(container: ContainerObservation | undefined, podFailed: boolean): Cause | undefined {
  if (container === undefined) return undefined;
  const { waitingReason, waitingMessage, terminated } = container;
  if (waitingReason !== undefined && waitingReason !== 'PodInitializing') {
    return { reason: waitingReason, message: waitingMessage };
  }
  if (terminated !== undefined && terminated.exitCode !== 0 && (podFailed || terminated.current)) {
    return {
      reason: terminated.reason ?? 'Error',
      message: `container ${container.name} ended with exit code ${String(terminated.exitCode)}`,
    };
  }
  return undefined;
}
