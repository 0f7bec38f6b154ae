/**
 * The figures of a run: those of its living results, exact, and of its archived ones, from their sketch. Pure.
 */
import { CREATION_SOURCES, FAILURE_CLASSES, METRICS, OUTCOMES } from '../datapath/vocabulary.js';
import type { FailureClass, Metric, Outcome } from '../datapath/vocabulary.js';
import { elementOfTwo, quantile, quantileAt } from './quantile.js';
import { QuantileSketch } from './quantile-sketch.js';
import type { ResultTable } from './result-table.js';
import {
  archivedCount,
  byName,
  byValue,
  evidenceOf,
  FAILED_KEPT,
  identityOf,
  isKnownFailure,
  mergeSkews,
  NO_SKEW,
  WORST_KEPT,
} from './run-archive.js';
import type { FailedPod, RunArchive, Skew, WorstPod } from './run-archive.js';
import { TopK } from './top-k.js';

/** One metric of a run. Milliseconds; `null` where nothing was measured. */
export interface MetricFigures {
  readonly measured: number;
  /** Without a value, known to have failed. */
  readonly failed: number;
  /** Without a value: the Pod failed, or its report was lost. */
  readonly lost: number;
  /** Ready, but the value wasn't reported. */
  readonly unmeasured: number;
  /** Without a value: somebody deleted the Pod. */
  readonly aborted: number;
  /** Without a value yet. */
  readonly pending: number;
  /** With a value, but the creation is known to the second only: the value may be up to 1000 ms too large. */
  readonly uncertain: number;
  readonly sumMs: number;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  readonly meanMs: number | null;
  readonly worst: readonly WorstPod[];
  /** Whether quantiles come from a sketch, so that they are within its relative error only. */
  readonly estimated: boolean;
  /** The living values, ascending. */
  readonly sorted: Float64Array;
  /** Quantile of the values by nearest rank. */
  quantile(q: number): number | null;
  /** The value with a 0-based rank, `null` beyond the last. */
  element(rank: number): number | null;
  /** The same, in which a failed Pod counts as never ready (`null`) and a pending one as its age. */
  censored(q: number): number | null;
  /** All values, archived ones included. */
  sketch(): QuantileSketch;
}

export interface RunFigures {
  /** Results seen, living and archived. */
  readonly pods: number;
  readonly archived: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly failureClasses: Readonly<Partial<Record<FailureClass, number>>>;
  readonly metrics: Readonly<Record<Metric, MetricFigures>>;
  readonly failed: readonly FailedPod[];
  readonly skew: Skew;
  /** Creation of the first Pod, milliseconds since the epoch. */
  readonly firstCreatedMs: number | null;
}

/** Results that are open yet. */
export function openCount({ outcomes }: RunFigures): number {
  return outcomes.Pending + outcomes.Started;
}

export function finalCount({ outcomes }: RunFigures): number {
  return outcomes.Ready + outcomes.Failed + outcomes.Aborted;
}

/**
 * @param marks one byte per slot of the table, 1 for the living results of the run
 * @param archive what is kept of the others
 * @param nowMs milliseconds since the epoch: the age of pending Pods is counted up to here
 */
export function runFigures(table: ResultTable, marks: Uint8Array, archive: RunArchive, nowMs: number): RunFigures {
  const outcomes = { ...archive.outcomes };
  const failureClasses: Partial<Record<FailureClass, number>> = { ...archive.failureClasses };
  const failed = new TopK<number>(FAILED_KEPT, (a, b) => table.compareNames(a, b));
  let skew = NO_SKEW;
  let firstCreatedMs = archive.firstCreatedMs;
  let living = 0;
  for (let slot = 0; slot < marks.length; slot++) {
    if (marks[slot] === 0) continue;
    living++;
    const outcome = table.outcome(slot);
    outcomes[outcome]++;
    const failureClass = table.failureClass(slot);
    if (failureClass !== undefined) failureClasses[failureClass] = (failureClasses[failureClass] ?? 0) + 1;
    if (outcome === 'Failed') failed.add(slot);
    if (((table.flags[slot] as number) & 1) === 1) {
      const { clockSkew } = table.read(slot);
      skew = mergeSkews(skew, {
        results: 1,
        behindMs: clockSkew?.behindMs ?? 0,
        aheadMs: clockSkew?.aheadMs ?? 0,
      });
    }
    const createdMs = table.createdMs[slot] as number;
    if (firstCreatedMs === null || createdMs < firstCreatedMs) firstCreatedMs = createdMs;
  }
  const livingFailed = failed.sorted().map((slot) => evidenceOf(table.read(slot)));
  const archived = archivedCount(archive);
  return {
    pods: living + archived,
    archived,
    outcomes,
    failureClasses,
    metrics: Object.fromEntries(
      METRICS.map((metric) => [metric, metricFigures(table, marks, metric, archive, nowMs)]),
    ) as Record<Metric, MetricFigures>,
    failed: [...livingFailed, ...archive.failed].toSorted(byName).slice(0, FAILED_KEPT),
    skew: mergeSkews(skew, archive.skew),
    firstCreatedMs,
  };
}

function metricFigures(
  table: ResultTable,
  marks: Uint8Array,
  metric: Metric,
  archive: RunArchive,
  nowMs: number,
): MetricFigures {
  const kept = archive.metrics[metric];
  const values = table.values(metric);
  let failed = kept.failed;
  let { lost, unmeasured } = kept;
  let aborted = archivedCount(archive) - kept.sketch.count - failed - lost - unmeasured;
  let uncertain = kept.uncertain;
  const waiting: number[] = [];
  for (let slot = 0; slot < marks.length; slot++) {
    if (marks[slot] === 0) continue;
    if (!Number.isNaN(values[slot] as number)) {
      if (CREATION_SOURCES[(table.flags[slot] as number) >> 1] === 'CreationTimestamp') uncertain++;
      continue;
    }
    const outcome = OUTCOMES[table.outcomes[slot] as number] as Outcome;
    if (outcome === 'Pending' || outcome === 'Started') waiting.push(nowMs - (table.createdMs[slot] as number));
    else if (isKnownFailure(outcome, FAILURE_CLASSES[(table.failureClasses[slot] as number) - 1])) failed++;
    else if (outcome === 'Failed') lost++;
    else if (outcome === 'Ready') unmeasured++;
    else aborted++;
  }
  const sorted = sampleOf(table, marks, metric);
  const ages = Float64Array.from(waiting).sort();
  const measured = sorted.length + kept.sketch.count;
  const estimated = kept.sketch.count > 0;
  let sumMs = kept.sumMs;
  for (const value of sorted) sumMs += value;
  let whole: QuantileSketch | undefined;
  const sketch = (): QuantileSketch => {
    if (whole === undefined) {
      whole = QuantileSketch.of(sorted);
      whole.merge(kept.sketch);
    }
    return whole;
  };
  let withAges: QuantileSketch | undefined;
  const censored = (q: number): number | null => {
    if (!estimated) {
      const total = sorted.length + ages.length;
      return quantileAt((rank) => elementOfTwo(sorted, ages, rank), total, q, 'nearest-rank', failed);
    }
    if (withAges === undefined) {
      withAges = QuantileSketch.of(ages);
      withAges.merge(sketch());
    }
    return withAges.quantile(q, failed);
  };
  return {
    measured,
    failed,
    lost,
    unmeasured,
    aborted,
    pending: ages.length,
    uncertain,
    sumMs,
    minMs: extreme(Math.min, sorted[0], kept.minMs),
    maxMs: extreme(Math.max, sorted.at(-1), kept.maxMs),
    meanMs: measured === 0 ? null : sumMs / measured,
    worst: [...worstOf(table, marks, metric), ...kept.worst].toSorted(byValue).slice(0, WORST_KEPT),
    estimated,
    sorted,
    quantile: (q) => (estimated ? sketch().quantile(q) : quantile(sorted, q)),
    element: (rank) => (estimated ? sketch().element(rank) : (sorted[rank] ?? null)),
    censored,
    sketch,
  };
}

/** The values of the marked results, ascending: a walk along the order that the table keeps. */
function sampleOf(table: ResultTable, marks: Uint8Array, metric: Metric): Float64Array {
  const { slots, keys, length } = table.order(metric);
  const sample = new Float64Array(length);
  let n = 0;
  for (let i = 0; i < length; i++) {
    if (marks[slots[i] as number] === 1) sample[n++] = keys[i] as number;
  }
  return sample.slice(0, n);
}

function worstOf(table: ResultTable, marks: Uint8Array, metric: Metric): WorstPod[] {
  const { slots, keys, length } = table.order(metric);
  const worst = new TopK<{ slot: number; value: number }>(
    WORST_KEPT,
    (a, b) => b.value - a.value || table.compareNames(a.slot, b.slot),
  );
  let taken = 0;
  let least = -Infinity;
  for (let i = length - 1; i >= 0; i--) {
    const slot = slots[i] as number;
    const value = keys[i] as number;
    if (marks[slot] === 0) continue;
    // Behind the last that fits only ties with it can still come in.
    if (taken >= WORST_KEPT && value < least) break;
    worst.add({ slot, value });
    taken++;
    if (taken === WORST_KEPT) least = value;
  }
  return worst.sorted().map(({ slot, value }) => {
    const state = table.read(slot);
    return { ...identityOf(state), createdAt: state.createdAt, valueMs: value };
  });
}

function extreme(
  choose: (a: number, b: number) => number,
  living: number | undefined,
  kept: number | null,
): number | null {
  if (living === undefined) return kept;
  return kept === null ? living : choose(living, kept);
}
