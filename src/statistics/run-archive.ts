/**
 * The numbers of results that are gone: what a run keeps of them when they are deleted. Values, no objects of Kubernetes. Folding is
 * commutative, so that the archive doesn't depend on the order in which results are deleted.
 */
import { toEpochMs } from '../datapath/instant.js';
import type { Instant } from '../datapath/instant.js';
import { metricOf } from '../datapath/result-state.js';
import type { ResultState } from '../datapath/result-state.js';
import { METRICS, OUTCOMES } from '../datapath/vocabulary.js';
import type { FailureClass, Metric, Outcome } from '../datapath/vocabulary.js';
import { QuantileSketch } from './quantile-sketch.js';
import { TopK } from './top-k.js';

/** How many of the slowest Pods are kept per metric. */
export const WORST_KEPT = 10;
/** How many failed Pods are kept with their evidence. */
export const FAILED_KEPT = 20;
/** Characters of a failure's message that are kept. */
export const EVIDENCE_KEPT = 256;

/** Failures of which it isn't known whether the Pod became ready: they lower the coverage, they don't count as failed. */
export const UNKNOWN_FAILURES: readonly FailureClass[] = ['ReportLost', 'InvalidReport'];

/** By what Pods are put in order. */
export interface PodNames {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface PodIdentity extends PodNames {
  readonly nodeName?: string;
}

export interface WorstPod extends PodIdentity {
  readonly createdAt: Instant;
  readonly valueMs: number;
}

export interface FailedPod extends PodIdentity {
  readonly failureClass: FailureClass;
  readonly message: string;
}

/** One metric of a set of results. Milliseconds. */
export interface MetricArchive {
  readonly sumMs: number;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  /** Results without a value that failed, and it is known that they did. */
  readonly failed: number;
  /** Results without a value that failed, and it isn't known whether they did: {@link UNKNOWN_FAILURES}. */
  readonly lost: number;
  /** Results that became ready and whose report lacks the value. */
  readonly unmeasured: number;
  /** Results with a value whose creation is known to the second only. */
  readonly uncertain: number;
  readonly sketch: QuantileSketch;
  /** Largest first. */
  readonly worst: readonly WorstPod[];
}

export interface RunArchive {
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly failureClasses: Readonly<Partial<Record<FailureClass, number>>>;
  readonly metrics: Readonly<Record<Metric, MetricArchive>>;
  /** By namespace and name, the first ones. */
  readonly failed: readonly FailedPod[];
  readonly skew: Skew;
  /** Milliseconds since the epoch. */
  readonly firstCreatedMs: number | null;
}

/** By how much clocks of nodes were off at least, in milliseconds, and for how many results one was. */
export interface Skew {
  readonly results: number;
  readonly behindMs: number;
  readonly aheadMs: number;
}

export const NO_SKEW: Skew = { results: 0, behindMs: 0, aheadMs: 0 };

export function emptyArchive(): RunArchive {
  const metric = (): MetricArchive => ({
    sumMs: 0,
    minMs: null,
    maxMs: null,
    failed: 0,
    lost: 0,
    unmeasured: 0,
    uncertain: 0,
    sketch: new QuantileSketch(),
    worst: [],
  });
  return {
    outcomes: { Pending: 0, Started: 0, Ready: 0, Failed: 0, Aborted: 0 },
    failureClasses: {},
    metrics: { timeToStart: metric(), timeToDatapathReady: metric(), datapathDelay: metric() },
    failed: [],
    skew: NO_SKEW,
    firstCreatedMs: null,
  };
}

export function archivedCount(archive: RunArchive): number {
  return OUTCOMES.reduce((sum, outcome) => sum + archive.outcomes[outcome], 0);
}

/** The archive of these results alone. */
export function archiveOf(states: Iterable<ResultState>): RunArchive {
  const outcomes: Record<Outcome, number> = { Pending: 0, Started: 0, Ready: 0, Failed: 0, Aborted: 0 };
  const failureClasses: Partial<Record<FailureClass, number>> = {};
  const failed = new TopK<FailedPod>(FAILED_KEPT, byName);
  const tallies = Object.fromEntries(METRICS.map((metric) => [metric, new MetricTally(metric)])) as Record<
    Metric,
    MetricTally
  >;
  let skew = NO_SKEW;
  let firstCreatedMs: number | null = null;
  for (const state of states) {
    outcomes[state.outcome]++;
    const failureClass = state.failure?.class;
    if (failureClass !== undefined) failureClasses[failureClass] = (failureClasses[failureClass] ?? 0) + 1;
    if (state.outcome === 'Failed') failed.add(evidenceOf(state));
    for (const metric of METRICS) tallies[metric].add(state);
    if (state.clockSkew !== undefined) {
      skew = mergeSkews(skew, {
        results: 1,
        behindMs: state.clockSkew.behindMs ?? 0,
        aheadMs: state.clockSkew.aheadMs ?? 0,
      });
    }
    const createdMs = toEpochMs(state.createdAt);
    if (firstCreatedMs === null || createdMs < firstCreatedMs) firstCreatedMs = createdMs;
  }
  return {
    outcomes,
    failureClasses,
    metrics: {
      timeToStart: tallies.timeToStart.result(),
      timeToDatapathReady: tallies.timeToDatapathReady.result(),
      datapathDelay: tallies.datapathDelay.result(),
    },
    failed: failed.sorted(),
    skew,
    firstCreatedMs,
  };
}

/** Both together. */
export function mergeArchives(a: RunArchive, b: RunArchive): RunArchive {
  const failureClasses = { ...a.failureClasses };
  for (const [name, count] of Object.entries(b.failureClasses) as [FailureClass, number][]) {
    failureClasses[name] = (failureClasses[name] ?? 0) + count;
  }
  return {
    outcomes: Object.fromEntries(OUTCOMES.map((name) => [name, a.outcomes[name] + b.outcomes[name]])) as Record<
      Outcome,
      number
    >,
    failureClasses,
    metrics: Object.fromEntries(
      METRICS.map((metric) => [metric, mergeMetrics(a.metrics[metric], b.metrics[metric])]),
    ) as Record<Metric, MetricArchive>,
    failed: [...a.failed, ...b.failed].toSorted(byName).slice(0, FAILED_KEPT),
    skew: mergeSkews(a.skew, b.skew),
    firstCreatedMs: least(a.firstCreatedMs, b.firstCreatedMs),
  };
}

export function mergeSkews(a: Skew, b: Skew): Skew {
  return {
    results: a.results + b.results,
    behindMs: Math.max(a.behindMs, b.behindMs),
    aheadMs: Math.max(a.aheadMs, b.aheadMs),
  };
}

export function identityOf({ namespace, name, uid, nodeName }: ResultState): PodIdentity {
  return { namespace, name, uid, ...(nodeName === undefined ? {} : { nodeName }) };
}

export function evidenceOf(state: ResultState): FailedPod {
  return {
    ...identityOf(state),
    failureClass: state.failure?.class ?? 'ReportLost',
    message: (state.failure?.message ?? '').slice(0, EVIDENCE_KEPT),
  };
}

/** By namespace, then name, then uid: the same order for the same Pods. */
export function byName(a: PodNames, b: PodNames): number {
  return compare(a.namespace, b.namespace) || compare(a.name, b.name) || compare(a.uid, b.uid);
}

/** Largest value first, ties by name. */
export function byValue(a: WorstPod, b: WorstPod): number {
  return b.valueMs - a.valueMs || byName(a, b);
}

class MetricTally {
  readonly #metric: Metric;
  readonly #sketch = new QuantileSketch();
  readonly #worst = new TopK<WorstPod>(WORST_KEPT, byValue);
  #sumMs = 0;
  #minMs: number | null = null;
  #maxMs: number | null = null;
  #failed = 0;
  #lost = 0;
  #unmeasured = 0;
  #uncertain = 0;

  constructor(metric: Metric) {
    this.#metric = metric;
  }

  add(state: ResultState): void {
    const value = metricOf(state, this.#metric);
    if (value === undefined) {
      if (isKnownFailure(state.outcome, state.failure?.class)) this.#failed++;
      else if (state.outcome === 'Failed') this.#lost++;
      else if (state.outcome === 'Ready') this.#unmeasured++;
      return;
    }
    this.#sketch.add(value);
    this.#sumMs += value;
    this.#minMs = least(this.#minMs, value);
    this.#maxMs = this.#maxMs === null ? value : Math.max(this.#maxMs, value);
    if (state.creationSource === 'CreationTimestamp') this.#uncertain++;
    this.#worst.add({ ...identityOf(state), createdAt: state.createdAt, valueMs: value });
  }

  result(): MetricArchive {
    return {
      sumMs: this.#sumMs,
      minMs: this.#minMs,
      maxMs: this.#maxMs,
      failed: this.#failed,
      lost: this.#lost,
      unmeasured: this.#unmeasured,
      uncertain: this.#uncertain,
      sketch: this.#sketch,
      worst: this.#worst.sorted(),
    };
  }
}

export function isKnownFailure(outcome: Outcome, failureClass: FailureClass | undefined): boolean {
  return outcome === 'Failed' && failureClass !== undefined && !UNKNOWN_FAILURES.includes(failureClass);
}

function mergeMetrics(a: MetricArchive, b: MetricArchive): MetricArchive {
  const sketch = new QuantileSketch();
  sketch.merge(a.sketch);
  sketch.merge(b.sketch);
  return {
    sumMs: a.sumMs + b.sumMs,
    minMs: least(a.minMs, b.minMs),
    maxMs: a.maxMs === null ? b.maxMs : b.maxMs === null ? a.maxMs : Math.max(a.maxMs, b.maxMs),
    failed: a.failed + b.failed,
    lost: a.lost + b.lost,
    unmeasured: a.unmeasured + b.unmeasured,
    uncertain: a.uncertain + b.uncertain,
    sketch,
    worst: [...a.worst, ...b.worst].toSorted(byValue).slice(0, WORST_KEPT),
  };
}

function least(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.min(a, b);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
