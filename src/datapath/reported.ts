/**
 * Reads what a Pod's reporter said, from every place where it may stand: our annotations, the report, the termination message and
 * the Go reporter's annotations. Hostile input: nothing is believed that is impossible, and what is refused is named.
 */
import { LEGACY_READY_AT, LEGACY_STARTED_AT, READY_AT, REPORT, STARTED_AT } from './annotations.js';
import { elapsedMs, formatInstant, NS_PER_SECOND, parseInstant } from './instant.js';
import type { Instant } from './instant.js';
import type { PodObservation } from './pod-observation.js';
import { decodeReport, show } from './report.js';
import type { Report } from './report.js';
import type { MilestoneSource } from './result-state.js';

export interface ReportedInstant {
  readonly at: Instant;
  readonly source: MilestoneSource;
}

/** All that a Pod's reporter said, checked. */
export interface Reported {
  readonly startedAt?: ReportedInstant;
  readonly readyAt?: ReportedInstant;
  /** The report, from the annotation or else from the termination message. */
  readonly report?: Report;
  /** What was refused and why; each names the place, the value and what is allowed. */
  readonly problems: readonly string[];
}

/** A clock that is off by more than this isn't believed: the value is refused as invalid instead of flagged as skew. */
const PLAUSIBLE = 24n * 3600n * NS_PER_SECOND;

/**
 * @param bounds.notBefore the Pod's creation; `bounds.notAfter`: when the observation arrived here
 */
export function readReported(
  pod: PodObservation,
  bounds: { readonly notBefore: Instant; readonly notAfter: Instant },
): Reported {
  const problems: string[] = [];
  const report = reportOf(pod, problems);
  // Annotations that were copied along with another Pod's manifest tell of that Pod.
  if (report?.report.uid !== undefined && report.report.uid !== pod.uid) {
    problems.push(`the report is of another Pod, with uid ${show(report.report.uid)}`);
    return { problems };
  }

  const instant = (text: string | undefined, key: string, source: MilestoneSource): ReportedInstant | undefined => {
    if (text === undefined) return undefined;
    const at = parseInstant(text);
    if (at !== undefined) return plausible({ at, source }, key, bounds, problems);
    problems.push(`annotation ${key} is ${show(text)}, must be an RFC 3339 date-time`);
    return undefined;
  };
  const fromReport = (at: Instant | undefined, key: string): ReportedInstant | undefined =>
    at === undefined || report === undefined
      ? undefined
      : plausible({ at, source: report.source }, key, bounds, problems);

  const startedAt =
    instant(pod.startedAt, STARTED_AT, 'Annotation') ??
    fromReport(report?.report.startedAt, `${REPORT} startedAt`) ??
    instant(pod.legacyStartedAt, LEGACY_STARTED_AT, 'LegacyAnnotation');
  let readyAt =
    instant(pod.readyAt, READY_AT, 'Annotation') ??
    (report?.report.state === 'Ready' ? fromReport(report.report.readyAt, `${REPORT} readyAt`) : undefined) ??
    instant(pod.legacyReadyAt, LEGACY_READY_AT, 'LegacyAnnotation');
  if (readyAt !== undefined && startedAt !== undefined && readyAt.at < startedAt.at) {
    problems.push(
      `readiness ${formatInstant(readyAt.at)} is ${-elapsedMs(startedAt.at, readyAt.at)} ms before the start ` +
        `${formatInstant(startedAt.at)}`,
    );
    readyAt = undefined;
  }
  return {
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(readyAt === undefined ? {} : { readyAt }),
    ...(report === undefined ? {} : { report: report.report }),
    problems,
  };
}

function reportOf(
  pod: PodObservation,
  problems: string[],
): { readonly report: Report; readonly source: MilestoneSource } | undefined {
  let fromAnnotation: Report | undefined;
  if (pod.report !== undefined) {
    const decoded = decodeReport(pod.report);
    if ('report' in decoded) fromAnnotation = decoded.report;
    else problems.push(`annotation ${REPORT} ${decoded.problem}`);
  }
  const message = pod.reporter?.terminated?.message;
  // Only what looks like a report: a container may end with a message of anybody's.
  const decoded = message?.startsWith('{"v":') === true ? decodeReport(message) : undefined;
  if (decoded !== undefined && 'problem' in decoded) problems.push(`termination message ${decoded.problem}`);
  const fromMessage = decoded !== undefined && 'report' in decoded ? decoded.report : undefined;

  // The termination message is the newer word, unless the annotation already tells the success.
  if (fromMessage !== undefined && (fromAnnotation === undefined || fromAnnotation.state !== 'Ready')) {
    return { report: fromMessage, source: 'TerminationMessage' };
  }
  return fromAnnotation === undefined ? undefined : { report: fromAnnotation, source: 'Annotation' };
}

function plausible(
  value: ReportedInstant,
  key: string,
  bounds: { readonly notBefore: Instant; readonly notAfter: Instant },
  problems: string[],
): ReportedInstant | undefined {
  if (value.at >= bounds.notBefore - PLAUSIBLE && value.at <= bounds.notAfter + PLAUSIBLE) return value;
  const side = value.at < bounds.notBefore ? 'before the Pod was created' : 'after it was seen';
  problems.push(`${key} is ${formatInstant(value.at)}, more than a day ${side}`);
  return undefined;
}
