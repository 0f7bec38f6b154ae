/**
 * Why a Pod has no datapath readiness: the failure class and its evidence, read off the Pod. Pure.
 */
import type { PodObservation } from './pod-observation.js';
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
const NODE_REASONS = new Set(['NodeLost', 'NodeShutdown', 'Shutdown', 'NodeNotReady', 'NodeUnreachable']);

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
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded') return endedFailure(pod);
  const reporter = pod.reporter;
  if (reporter?.waitingReason === 'CrashLoopBackOff' && report === undefined) return crash(pod);
  return undefined;
}

/** What holds a Pod back at this moment: the class that a passed deadline gets. */
export function pendingCause(pod: PodObservation, reported: Reported): Failure {
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
  if (reported.startedAt === undefined && pod.reporter?.startedAt !== undefined) {
    return failure('ReportLost', `container ${pod.reporter.name} runs, but no report arrived`);
  }
  return failure('DeadlineExceeded', 'the deadline passed before readiness');
}

/** The class of a deletion that came before readiness, by the Pod's last state. */
export function deletionFailure(pod: PodObservation, started: boolean): Failure {
  const disruption = pod.disruption;
  if (disruption?.status === true) {
    const evidence = `${disruption.reason ?? 'DisruptionTarget'}: ${disruption.message ?? ''}`;
    return failure(disruption.reason === 'DeletionByTaintManager' ? 'NodeLost' : 'Evicted', evidence);
  }
  return started
    ? failure('DeletedBeforeReady', 'deleted after its start and before its datapath was ready')
    : failure('DeletedBeforeStart', 'deleted before its reporter started');
}

export function failure(kind: FailureClass, message: string): Failure {
  return { class: kind, message: shorten(message, MAX_FAILURE_MESSAGE) };
}

function endedFailure(pod: PodObservation): Failure {
  const evidence = `Pod ${pod.phase}: ${pod.reason ?? ''} ${pod.message ?? ''}`.trim();
  if (pod.reason === 'Evicted' || pod.disruption?.reason === 'TerminationByKubelet')
    return failure('Evicted', evidence);
  if (pod.reason !== undefined && NODE_REASONS.has(pod.reason)) return failure('NodeLost', evidence);
  if ((pod.reporter?.terminated?.exitCode ?? 0) !== 0) return crash(pod);
  return failure('ReportLost', `the Pod ended (${pod.phase}) and no readiness was reported`);
}

function crash(pod: PodObservation): Failure {
  const end = pod.reporter?.terminated;
  const how =
    end === undefined
      ? 'no termination is known'
      : `exit code ${end.exitCode}${end.reason === undefined ? '' : ` (${end.reason})`}`;
  return failure(
    'ReporterCrash',
    `container ${pod.reporter?.name ?? ''}: ${how}, ${pod.reporter?.restartCount ?? 0} restarts${
      end?.message === undefined || end.message === '' ? '' : `: ${end.message}`
    }`,
  );
}

function probeEvidence(reported: Reported): string {
  const report = reported.report;
  const last = report?.lastError;
  return last === undefined
    ? `no probe of ${report?.target ?? 'the target'} succeeded in ${report?.attempts ?? 0} attempts`
    : `${last.kind}: ${last.message} (${report?.attempts ?? 0} attempts on ${report?.target ?? ''})`;
}
