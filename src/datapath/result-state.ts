/**
 * What is known of one Pod's measurement: the content of a DatapathResult, in the form in which the controller computes with it.
 * Immutable: a change makes a new one, so that "unchanged" is `===`.
 */
import { elapsedMs } from './instant.js';
import type { Instant } from './instant.js';
import type { ProbeError, ProbePhases } from './report.js';
import type { CreationSource, FailureClass, Metric, MilestoneName, Outcome } from './vocabulary.js';

/** Where a milestone's instant was read. */
export type MilestoneSource =
  'WatchReceipt' | 'CreationTimestamp' | 'Condition' | 'Annotation' | 'TerminationMessage' | 'LegacyAnnotation';

export interface Milestone {
  readonly name: MilestoneName;
  readonly at: Instant;
  readonly source: MilestoneSource;
  /** The step lay within this many milliseconds after `at`, 1000 for what Kubernetes truncates to a second; of a receipt, before it. */
  readonly resolutionMs: number;
}

export interface Failure {
  readonly class: FailureClass;
  readonly message: string;
}

export interface ProbeSummary {
  readonly target?: string;
  readonly attempts?: number;
  readonly lastError?: ProbeError;
  readonly phases?: ProbePhases;
}

/** By how much the node's clock is off at least, against the controller's and the API server's. */
export interface ClockSkew {
  /** The node's clock is behind by at least this: it started before it was created. */
  readonly behindMs?: number;
  /** The node's clock is ahead by at least this: its report arrived before it says it was made. */
  readonly aheadMs?: number;
}

export interface ResultState {
  // identity, written once
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly ownerKind?: string;
  readonly ownerName?: string;
  readonly createdAt: Instant;
  readonly creationSource: CreationSource;
  readonly runName: string;
  readonly labels: Readonly<Record<string, string>>;

  // what was learned
  readonly outcome: Outcome;
  readonly nodeName?: string;
  readonly startedAt?: Instant;
  readonly datapathReadyAt?: Instant;
  /** `startedAt` to `datapathReadyAt` by the reporter's monotonic clock where it said so, milliseconds. */
  readonly datapathDelayMs?: number;
  readonly milestones: readonly Milestone[];
  readonly probe?: ProbeSummary;
  readonly failure?: Failure;
  /** How long the creation instant may lie before the value used, milliseconds. */
  readonly uncertaintyMs: number;
  readonly clockSkew?: ClockSkew;
  readonly restarts: number;
  readonly podDeletedAt?: Instant;
}

/** The value of one metric in whole milliseconds, or `undefined` while it isn't known. */
export function metricOf(state: ResultState, metric: Metric): number | undefined {
  switch (metric) {
    case 'timeToStart':
      return state.startedAt === undefined ? undefined : elapsedMs(state.createdAt, state.startedAt);
    case 'timeToDatapathReady':
      return state.datapathReadyAt === undefined ? undefined : elapsedMs(state.createdAt, state.datapathReadyAt);
    case 'datapathDelay':
      return state.datapathDelayMs;
    default: {
      const exhaustiveCheck: never = metric;
      return exhaustiveCheck;
    }
  }
}

/** Whether the measurement is over unless something unexpected (a late success) happens. */
export function isFinal(outcome: Outcome): boolean {
  return outcome === 'Ready' || outcome === 'Failed' || outcome === 'Aborted';
}

/** The moves that an outcome may make. A late success turns `Failed` into `Ready`; `Ready` and `Aborted` are for ever. */
export function isLegalMove(from: Outcome, to: Outcome): boolean {
  if (from === to) return true;
  switch (from) {
    case 'Pending':
      return true;
    case 'Started':
      return to !== 'Pending';
    case 'Failed':
      return to === 'Ready';
    case 'Ready':
    case 'Aborted':
      return false;
    default: {
      const exhaustiveCheck: never = from;
      return exhaustiveCheck;
    }
  }
}
