/**
 * Why a Pod has no datapath readiness: the failure class and its evidence, read off the Pod. Pure.
 */
import type { ConditionObservation, PodObservation, TerminationObservation } from './pod-observation.js';
import type { Reported } from './reported.js';
import { shorten } from './report.js';
import type { Failure } from './result-state.js';
import type { FailureClass } from './vocabulary.js';

/** The longest failure message that is kept, characters. */
export const MAX_FAILURE_MESSAGE = 512;

const IMAGE_REASONS = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);
const CONFIG_REASONS = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);
/** Reasons of a termination that tell that the container's command could not be run at all. */
const START_REASONS = new Set(['StartError', 'ContainerCannotRun']);
const NODE_REASONS = new Set(['NodeLost', 'NodeShutdown', 'Shutdown', 'Terminated', 'NodeNotReady', 'NodeUnreachable']);
/** Reasons of the condition DisruptionTarget (KEP-3329) that tell that the node is gone; all others are evictions. */
const NODE_DISRUPTIONS = new Set(['DeletionByTaintManager', 'DeletionByPodGC']);

/**
 * A failure that stands now, whatever may still come: the reporter said so, or the Pod ended without readiness. `undefined` while
 * the measurement may still succeed by itself.
 */
export function presentFailure(pod: PodObservation, reported: Reported): Failure | undefined {
  const report = reported.report;
  const state = report?.state;
  switch (state) {
    case 'TimedOut':
      return failure('ProbeTimeout', probeEvidence(reported));
    case 'Breached':
      return failure('PolicyNotEnforced', `a target that must be blocked answered: ${report?.target ?? ''}`);
    case 'ConfigError':
      return failure('ConfigError', report?.lastError?.message ?? 'the reporter refused its settings');
    case 'Probing':
    case 'Ready':
    case 'Stopped':
    case undefined:
      break;
    default: {
      const exhaustiveCheck: never = state;
      return exhaustiveCheck;
    }
  }
  if (reported.problems.length > 0) return failure('InvalidReport', reported.problems.join('; '));
  // Containers that are being ended end with 143 and make the Pod Failed: nobody's crash. Its deletion will tell.
  if (pod.deletionTimestamp !== undefined) return undefined;
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded') return endedFailure(pod, reported);
  // An annotation of an earlier start may still say that it probes.
  if (pod.reporter?.waitingReason === 'CrashLoopBackOff' && state !== 'Ready') return crash(pod);
  return undefined;
}

/** What holds a Pod back at this moment: the class that a passed deadline gets. */
export function pendingCause(pod: PodObservation, reported: Reported): Failure {
  if (pod.disruption?.status === true) return disruptionFailure(pod.disruption);
  if (pod.scheduled !== undefined && !pod.scheduled.status) {
    return failure('Unschedulable', pod.scheduled.message ?? pod.scheduled.reason ?? 'no node was found');
  }
  for (const container of [pod.reporter, pod.waiting]) {
    const reason = container?.waitingReason;
    if (container === undefined || reason === undefined) continue;
    const evidence = `container ${container.name}: ${reason}: ${container.waitingMessage ?? ''}`;
    if (IMAGE_REASONS.has(reason)) return failure('ImagePull', evidence);
    if (CONFIG_REASONS.has(reason)) return failure('ConfigError', evidence);
    if (reason === 'CrashLoopBackOff' && container === pod.reporter) return crash(pod);
  }
  if (pod.scheduled?.status === true && pod.sandboxReady?.status === false) {
    return failure(
      'SandboxNetwork',
      pod.sandboxReady.message ?? 'scheduled, but its sandbox and network are not ready',
    );
  }
  if (reported.report?.lastError !== undefined) return failure('ProbeTimeout', probeEvidence(reported));
  // Between two crashes it runs, or is about to.
  if ((pod.reporter?.terminated?.exitCode ?? 0) !== 0) return crash(pod);
  if (reported.startedAt === undefined && pod.reporter?.startedAt !== undefined) {
    return failure('ReportLost', `container ${pod.reporter.name} runs, but no report arrived`);
  }
  const holdup = holdupOf(pod);
  return failure(
    'DeadlineExceeded',
    `the deadline passed before readiness${holdup === undefined ? '' : `: ${holdup}`}`,
  );
}

/** The class of a deletion that came before readiness, by the Pod's last state. */
export function deletionFailure(pod: PodObservation, started: boolean): Failure {
  if (pod.disruption?.status === true) return disruptionFailure(pod.disruption);
  return started
    ? failure('DeletedBeforeReady', 'deleted after its start and before its datapath was ready')
    : failure('DeletedBeforeStart', 'deleted before its reporter started');
}

export function failure(kind: FailureClass, message: string): Failure {
  return { class: kind, message: shorten(message, MAX_FAILURE_MESSAGE) };
}

function disruptionFailure({ reason, message }: ConditionObservation): Failure {
  const kind = reason !== undefined && NODE_DISRUPTIONS.has(reason) ? 'NodeLost' : 'Evicted';
  return failure(kind, `${reason ?? 'DisruptionTarget'}: ${message ?? ''}`);
}

/** What else keeps the reporter from starting, where no class of its own says so. */
function holdupOf({ waiting, initializing }: PodObservation): string | undefined {
  if (waiting !== undefined) {
    return `container ${waiting.name}: ${waiting.waitingReason ?? ''}: ${waiting.waitingMessage ?? ''}`;
  }
  return initializing === undefined ? undefined : `init container ${initializing} has not ended`;
}

function endedFailure(pod: PodObservation, reported: Reported): Failure {
  const evidence = `Pod ${pod.phase}: ${pod.reason ?? ''} ${pod.message ?? ''}`.trim();
  if (pod.reason !== undefined && NODE_REASONS.has(pod.reason)) return failure('NodeLost', evidence);
  if (pod.reason === 'Evicted') return failure('Evicted', evidence);
  if (pod.disruption?.status === true) return disruptionFailure(pod.disruption);
  // A reporter that was asked to end (its Job's work was done, or its time was up) and said so is no crash, whatever its exit code.
  if (reported.report?.state === 'Stopped') return stoppedFailure(evidence, reported);
  if ((pod.reporter?.terminated?.exitCode ?? 0) !== 0) return crash(pod);
  return failure('ReportLost', `the Pod ended (${pod.phase}) and no readiness was reported`);
}

function stoppedFailure(evidence: string, reported: Reported): Failure {
  return reported.report?.lastError === undefined
    ? failure('DeadlineExceeded', `the Pod ended before its first probe did: ${evidence}`)
    : failure('ProbeTimeout', `${probeEvidence(reported)} until the Pod ended: ${evidence}`);
}

function crash(pod: PodObservation): Failure {
  const end = pod.reporter?.terminated;
  const how =
    end === undefined
      ? 'no termination is known'
      : `exit code ${end.exitCode}${end.reason === undefined ? '' : ` (${end.reason})`}`;
  // A report among the evidence would say over again what the probe's own fields say.
  const words = end?.message === undefined || end.message.startsWith('{') ? '' : `: ${end.message}`;
  const restarts = pod.reporter?.restartCount ?? 0;
  return failure(crashClass(end), `container ${pod.reporter?.name ?? ''}: ${how}, ${restarts} restarts${words}`);
}

function crashClass(end: TerminationObservation | undefined): FailureClass {
  if (end?.reason !== undefined && START_REASONS.has(end.reason)) return 'ConfigError';
  return end?.exitCode === 0 ? 'ReportLost' : 'ReporterCrash';
}

function probeEvidence(reported: Reported): string {
  const report = reported.report;
  const last = report?.lastError;
  return last === undefined
    ? `no probe of ${report?.target ?? 'the target'} succeeded in ${report?.attempts ?? 0} attempts`
    : `${last.kind}: ${last.message} (${report?.attempts ?? 0} attempts on ${report?.target ?? ''})`;
}
