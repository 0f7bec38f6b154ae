/** From what this process and its predecessors know to the report and its annotations. Pure. */
import { READY_AT, REPORT, STARTED_AT } from '../datapath/annotations.js';
import { formatInstant } from '../datapath/instant.js';
import { encodeReport } from '../datapath/report.js';
import type { Report, ReportState } from '../datapath/report.js';
import type { ProbeErrorKind } from '../datapath/vocabulary.js';
import type { Clock } from './clock.js';
import type { Memory } from './memory.js';
import type { ProbeOutcome, ProbeTally } from './prober.js';

export interface ReportFacts {
  readonly state: ReportState;
  readonly clock: Pick<Clock, 'at' | 'start' | 'monotonicStart'>;
  readonly target: string;
  readonly uid: string | undefined;
  readonly memory: Memory | undefined;
  /** The machine's uptime at this process's start, milliseconds. */
  readonly startUptimeMs: number;
  readonly tally: ProbeTally;
  readonly outcome: ProbeOutcome | undefined;
}

/** First start and first readiness stand; attempts, errors and restarts add up. */
export function buildReport(facts: ReportFacts): Report {
  const { clock, memory, tally, outcome } = facts;
  const before = memory?.report;
  // Within one process by its own clock; over restarts by the machine's, in steps of 10 ms.
  const lostMs = memory === undefined ? 0 : Math.max(0, facts.startUptimeMs - memory.startUptimeMs);
  const hasInstant = outcome !== undefined && outcome.state !== 'TimedOut';
  const lastError = tally.lastError ?? before?.lastError;
  const errors = addCounts(before?.errors ?? {}, tally.errors);
  return {
    state: facts.state,
    startedAt: before?.startedAt ?? clock.start,
    ...(hasInstant
      ? { readyAt: clock.at(outcome.at), delayMs: lostMs + Number((outcome.at - clock.monotonicStart) / 1_000_000n) }
      : {}),
    attempts: (before?.attempts ?? 0) + tally.attempts,
    restarts: before === undefined ? 0 : before.restarts + 1,
    target: facts.target,
    ...(lastError === undefined ? {} : { lastError }),
    ...(Object.keys(errors).length === 0 ? {} : { errors }),
    ...(outcome?.phases === undefined ? {} : { phases: outcome.phases }),
    ...(facts.uid === undefined ? {} : { uid: facts.uid }),
  };
}

/** The annotations that carry a report; `Breached` has an instant, but no readiness. */
export function annotationsOf(report: Report): Readonly<Record<string, string>> {
  return {
    [STARTED_AT]: formatInstant(report.startedAt),
    ...(report.readyAt === undefined || report.state !== 'Ready' ? {} : { [READY_AT]: formatInstant(report.readyAt) }),
    [REPORT]: encodeReport(report),
  };
}

function addCounts(
  a: Readonly<Partial<Record<ProbeErrorKind, number>>>,
  b: Readonly<Partial<Record<ProbeErrorKind, number>>>,
): Partial<Record<ProbeErrorKind, number>> {
  const sum: Partial<Record<ProbeErrorKind, number>> = { ...a };
  for (const [kind, count] of Object.entries(b) as [ProbeErrorKind, number][]) sum[kind] = (sum[kind] ?? 0) + count;
  return sum;
}
