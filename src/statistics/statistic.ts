/**
 * The statistic of one metric over the results that a filter accepts, whole or in groups. Exact: every percentile comes from all
 * values, and nothing is estimated.
 */
import { FAILURE_CLASSES, OUTCOMES } from '../datapath/vocabulary.js';
import type { FailureClass, Metric, Outcome } from '../datapath/vocabulary.js';
import { histogram } from './histogram.js';
import type { HistogramBucket } from './histogram.js';
import { quantileAt } from './quantile.js';
import type { QuantileMethod } from './quantile.js';
import type { ResultTable } from './result-table.js';
import { TopK } from './top-k.js';

/** How many groups an answer has at most; those with the most results are kept. */
export const MAX_GROUPS = 1000;

/** By what results are grouped. */
export type GroupKey = 'node' | 'namespace' | 'owner' | 'zone' | 'failureClass' | `label:${string}`;

/** The label with which Kubernetes names the zone of a Pod's node (KEP-4742). */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';

export interface StatisticQuery {
  readonly metric: Metric;
  readonly method: QuantileMethod;
  /** Each from 0 to 1. */
  readonly quantiles: readonly number[];
  readonly topN: number;
  /** Milliseconds since the epoch: the age of what is pending is counted up to here. */
  readonly nowMs: number;
  readonly groupBy?: GroupKey;
}

/** Numbers of one set of results. Values in milliseconds; `null` where nothing was measured. */
export interface Statistic {
  /** How many results have a value; with the next four it adds up to the results asked about. */
  readonly measured: number;
  readonly failed: number;
  readonly pending: number;
  readonly aborted: number;
  /** Ready, but this value wasn't reported (half a report, or a reporter that doesn't know it). */
  readonly unmeasured: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** In the order asked for. */
  readonly quantiles: readonly (number | null)[];
  /** With each failed Pod as +∞ (`null`) and each pending one as its age. */
  readonly censored: readonly (number | null)[];
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Of the population: divided by n. */
  readonly stddev: number | null;
  readonly histogram: readonly HistogramBucket[];
  readonly failureClasses: Readonly<Partial<Record<FailureClass, number>>>;
  /** The largest uncertainty of a value among them. */
  readonly uncertaintyMs: number;
  /** How many of them come from a node whose clock is off. */
  readonly skewed: number;
}

export interface StatisticAnswer {
  readonly whole: Statistic;
  /** Slots with a value, largest first. */
  readonly worst: readonly number[];
  /** Slots of failed results, by namespace and name. */
  readonly failed: readonly number[];
  readonly groups: readonly { readonly key: string | null; readonly statistic: Statistic }[];
  /** How many groups there are, shown or not. */
  readonly groupCount: number;
}

const MEASURED = 0;
const FAILED = 1;
const PENDING = 2;
const ABORTED = 3;
const UNMEASURED = 4;
const KINDS = 5;

/** The kind of a result without a value, by outcome. */
const KIND_OF_OUTCOME: Readonly<Record<Outcome, number>> = {
  Pending: PENDING,
  Started: PENDING,
  Ready: UNMEASURED,
  Failed: FAILED,
  Aborted: ABORTED,
};
const KIND_BY_CODE = OUTCOMES.map((outcome) => KIND_OF_OUTCOME[outcome]);

/** @param marks one byte per slot, 1 for the results asked about */
export function computeStatistic(table: ResultTable, marks: Uint8Array, query: StatisticQuery): StatisticAnswer {
  const whole = tally(table, marks, query, () => 0, 1);
  const { worst, failed } = extremes(table, marks, query);
  if (query.groupBy === undefined) {
    return { whole: whole[0] as Statistic, worst, failed, groups: [], groupCount: 0 };
  }
  const grouping = groupsOf(table, marks, query.groupBy);
  const statistics = tally(table, marks, query, grouping.groupOf, grouping.keys.length);
  const groups = grouping.keys.map((key, i) => ({ key, statistic: statistics[i] as Statistic }));
  return { whole: whole[0] as Statistic, worst, failed, groups, groupCount: grouping.count };
}

/** Whether slot has no value of the metric because it failed. */
export function kindOf(table: ResultTable, metric: Metric, slot: number): 'measured' | 'failed' | 'pending' | 'other' {
  if (!Number.isNaN(table.values(metric)[slot])) return 'measured';
  const kind = KIND_BY_CODE[table.outcomes[slot] as number];
  return kind === FAILED ? 'failed' : kind === PENDING ? 'pending' : 'other';
}

/** One statistic per group: counts in one pass, values and ages in order by two more. */
function tally(
  table: ResultTable,
  marks: Uint8Array,
  { metric, method, quantiles, nowMs }: StatisticQuery,
  groupOf: (slot: number) => number,
  groups: number,
): Statistic[] {
  const values = table.values(metric);
  const { outcomes, failureClasses, uncertaintyMs, flags, createdMs } = table;
  const kinds = new Float64Array(groups * KINDS);
  const outcomeCounts = new Float64Array(groups * OUTCOMES.length);
  const failureCounts = new Float64Array(groups * (FAILURE_CLASSES.length + 1));
  const uncertainty = new Float64Array(groups);
  const skewed = new Float64Array(groups);
  const marked = marks.length;
  for (let slot = 0; slot < marked; slot++) {
    if (marks[slot] === 0) continue;
    const group = groupOf(slot);
    if (group < 0) continue;
    const outcome = outcomes[slot] as number;
    const measured = !Number.isNaN(values[slot]);
    const kind = measured ? MEASURED : (KIND_BY_CODE[outcome] as number);
    bump(kinds, group * KINDS + kind);
    bump(outcomeCounts, group * OUTCOMES.length + outcome);
    bump(failureCounts, group * (FAILURE_CLASSES.length + 1) + (failureClasses[slot] as number));
    if (measured && (uncertaintyMs[slot] as number) > (uncertainty[group] as number)) {
      uncertainty[group] = uncertaintyMs[slot] as number;
    }
    skewed[group] = (skewed[group] as number) + ((flags[slot] as number) & 1);
  }

  const sample = inGroups(
    kinds,
    MEASURED,
    groups,
    table.order(metric),
    false,
    (slot) => (marks[slot] === 1 ? groupOf(slot) : -1),
    (slot) => values[slot] as number,
  );
  const hasPending = kinds.some((count, i) => i % KINDS === PENDING && count > 0);
  const ages = hasPending
    ? inGroups(
        kinds,
        PENDING,
        groups,
        table.creationOrder(),
        true,
        (slot) =>
          marks[slot] === 1 && Number.isNaN(values[slot]) && KIND_BY_CODE[outcomes[slot] as number] === PENDING
            ? groupOf(slot)
            : -1,
        (slot) => nowMs - (createdMs[slot] as number),
      )
    : { numbers: new Float64Array(0), starts: new Float64Array(groups) };

  return Array.from({ length: groups }, (_, group) => {
    const count = (kind: number): number => kinds[group * KINDS + kind] as number;
    const start = sample.starts[group] as number;
    const sorted = sample.numbers.subarray(start, start + count(MEASURED));
    const ageStart = ages.starts[group] as number;
    const pendingAges = ages.numbers.subarray(ageStart, ageStart + count(PENDING));
    const merged = merge(sorted, pendingAges);
    const at = (rank: number): number => sorted[rank] as number;
    const atMerged = (rank: number): number => merged[rank] as number;
    return {
      measured: count(MEASURED),
      failed: count(FAILED),
      pending: count(PENDING),
      aborted: count(ABORTED),
      unmeasured: count(UNMEASURED),
      outcomes: Object.fromEntries(
        OUTCOMES.map((outcome, code) => [outcome, outcomeCounts[group * OUTCOMES.length + code] as number]),
      ) as Record<Outcome, number>,
      quantiles: quantiles.map((q) => quantileAt(at, sorted.length, q, method)),
      censored: quantiles.map((q) => quantileAt(atMerged, merged.length, q, method, count(FAILED))),
      ...moments(sorted),
      histogram: histogram(sorted, sorted.length),
      failureClasses: failureRecord(failureCounts, group),
      uncertaintyMs: uncertainty[group] as number,
      skewed: skewed[group] as number,
    };
  });
}

/** Numbers of an ordered walk, dealt out to groups that lie one behind the other. */
function inGroups(
  kinds: Float64Array,
  kind: number,
  groups: number,
  order: Uint32Array,
  backwards: boolean,
  groupOf: (slot: number) => number,
  numberOf: (slot: number) => number,
): { numbers: Float64Array; starts: Float64Array } {
  const starts = new Float64Array(groups);
  let total = 0;
  for (let group = 0; group < groups; group++) {
    starts[group] = total;
    total += kinds[group * KINDS + kind] as number;
  }
  const next = starts.slice();
  const numbers = new Float64Array(total);
  const n = order.length;
  for (let i = 0; i < n; i++) {
    const slot = order[backwards ? n - 1 - i : i] as number;
    const group = groupOf(slot);
    if (group < 0) continue;
    const place = next[group] as number;
    numbers[place] = numberOf(slot);
    next[group] = place + 1;
  }
  return { numbers, starts };
}

function merge(a: Float64Array, b: Float64Array): Float64Array {
  if (b.length === 0) return a;
  const merged = new Float64Array(a.length + b.length);
  let i = 0;
  let j = 0;
  for (let k = 0; k < merged.length; k++) {
    const fromA = j >= b.length || (i < a.length && (a[i] as number) <= (b[j] as number));
    merged[k] = (fromA ? a[i++] : b[j++]) as number;
  }
  return merged;
}

function moments(sorted: Float64Array): Pick<Statistic, 'min' | 'max' | 'mean' | 'stddev'> {
  const n = sorted.length;
  if (n === 0) return { min: null, max: null, mean: null, stddev: null };
  let sum = 0;
  for (let i = 0; i < n; i++) sum += sorted[i] as number;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += ((sorted[i] as number) - mean) ** 2;
  return { min: sorted[0] as number, max: sorted[n - 1] as number, mean, stddev: Math.sqrt(squares / n) };
}

function failureRecord(counts: Float64Array, group: number): Partial<Record<FailureClass, number>> {
  const record: Partial<Record<FailureClass, number>> = {};
  FAILURE_CLASSES.forEach((name, i) => {
    const count = counts[group * (FAILURE_CLASSES.length + 1) + i + 1] as number;
    if (count > 0) record[name] = count;
  });
  return record;
}

/** The worst values and the first failures, each at most `topN`, in a total order. */
function extremes(
  table: ResultTable,
  marks: Uint8Array,
  { metric, topN }: StatisticQuery,
): { worst: number[]; failed: number[] } {
  if (topN === 0) return { worst: [], failed: [] };
  const values = table.values(metric);
  const worst = new TopK<number>(
    topN,
    (a, b) => (values[b] as number) - (values[a] as number) || table.compareNames(a, b),
  );
  const order = table.order(metric);
  let taken = 0;
  let least = -Infinity;
  for (let i = order.length - 1; i >= 0; i--) {
    const slot = order[i] as number;
    if (marks[slot] === 0) continue;
    // Behind the topN-th only ties with it can still come in.
    if (taken >= topN && (values[slot] as number) < least) break;
    worst.add(slot);
    taken++;
    if (taken === topN) least = values[slot] as number;
  }
  const failed = new TopK<number>(topN, (a, b) => table.compareNames(a, b));
  for (let slot = 0; slot < marks.length; slot++) {
    if (marks[slot] === 1 && kindOf(table, metric, slot) === 'failed') failed.add(slot);
  }
  return { worst: worst.sorted(), failed: failed.sorted() };
}

interface Grouping {
  /** The group of a slot, or -1 for a group that isn't shown. */
  readonly groupOf: (slot: number) => number;
  /** Largest group first, ties by key; `null` for results that lack what is grouped by. */
  readonly keys: readonly (string | null)[];
  readonly count: number;
}

function groupsOf(table: ResultTable, marks: Uint8Array, groupBy: GroupKey): Grouping {
  const { valueOf, text, limit } = groupColumn(table, groupBy);
  const counts = new Float64Array(limit);
  for (let slot = 0; slot < marks.length; slot++) if (marks[slot] === 1) bump(counts, valueOf(slot));
  let count = 0;
  const largest = new TopK<number>(MAX_GROUPS, (a, b) => {
    const bySize = (counts[b] as number) - (counts[a] as number);
    if (bySize !== 0) return bySize;
    return (text(a) ?? '') < (text(b) ?? '') ? -1 : 1;
  });
  for (let value = 0; value < limit; value++) {
    if (counts[value] === 0) continue;
    count++;
    largest.add(value);
  }
  const shown = largest.sorted();
  const groupOfValue = new Int32Array(limit).fill(-1);
  shown.forEach((value, group) => {
    groupOfValue[value] = group;
  });
  return {
    groupOf: (slot) => groupOfValue[valueOf(slot)] as number,
    keys: shown.map((value) => text(value) ?? null),
    count,
  };
}

interface GroupColumn {
  readonly valueOf: (slot: number) => number;
  readonly text: (value: number) => string | undefined;
  readonly limit: number;
}

function groupColumn(table: ResultTable, groupBy: GroupKey): GroupColumn {
  switch (groupBy) {
    case 'node':
    case 'namespace':
    case 'owner': {
      const { texts, numbers } = table.column(groupBy);
      return { valueOf: (slot) => numbers[slot] as number, text: (value) => texts.text(value), limit: texts.limit };
    }
    case 'failureClass': {
      const classes = table.failureClasses;
      return {
        valueOf: (slot) => classes[slot] as number,
        text: (value) => FAILURE_CLASSES[value - 1],
        limit: FAILURE_CLASSES.length + 1,
      };
    }
    case 'zone':
      return table.labels.column(ZONE_LABEL);
    default:
      return table.labels.column(groupBy.slice('label:'.length));
  }
}

function bump(counts: Float64Array, index: number): void {
  counts[index] = (counts[index] as number) + 1;
}
