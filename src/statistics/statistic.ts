/**
 * The statistic of one metric over the results that a filter accepts, whole or in groups. Exact: every percentile comes from all
 * values, and nothing is estimated.
 */
import { CREATION_SOURCES, FAILURE_CLASSES, OUTCOMES } from '../datapath/vocabulary.js';
import type { CreationSource, FailureClass, Metric, Outcome } from '../datapath/vocabulary.js';
import { histogram } from './histogram.js';
import type { HistogramBucket } from './histogram.js';
import { elementOfTwo, quantileAt } from './quantile.js';
import type { QuantileMethod } from './quantile.js';
import { groupResults } from './result-grouping.js';
import type { GroupKey } from './result-grouping.js';
import type { ResultTable } from './result-table.js';
import { type Scratch, scratchOf } from './scratch.js';
import type { Sorted } from './sorted-slots.js';
import { TopK } from './top-k.js';

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
  readonly failureClasses: Readonly<Partial<Record<FailureClass, number>>>;
  /** By how much a value may be too large at most: a creation that is known to the second may lie that much later. */
  readonly tooLargeMs: number;
  /** By how much a value may be too small at most: a creation that was seen live may lie that much earlier. */
  readonly tooSmallMs: number;
  /** How many of them come from a node whose clock is off. */
  readonly skewed: number;
}

export interface StatisticAnswer {
  readonly whole: Statistic & { readonly histogram: readonly HistogramBucket[] };
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
const KIND_BY_CODE = Uint8Array.from(OUTCOMES, (outcome) => KIND_OF_OUTCOME[outcome]);
const CLASSES = FAILURE_CLASSES.length + 1;

/** @param marks one byte per slot, 1 for the results asked about */
export function computeStatistic(table: ResultTable, marks: Uint8Array, query: StatisticQuery): StatisticAnswer {
  const scratch = scratchOf(table);
  const all: Parts = { marks, groups: 1 };
  const { statistics, samples } = computeParts(table, all, query, scratch);
  const sample = samples[0] as Float64Array;
  const whole = { ...(statistics[0] as Statistic), histogram: histogram(sample, sample.length) };
  const { worst, failed } = extremes(table, marks, whole.failed, query);
  if (query.groupBy === undefined) return { whole, worst, failed, groups: [], groupCount: 0 };
  const grouping = groupResults(table, marks, query.groupBy, scratch.integers('groups', marks.length));
  const parts: Parts = { marks, groupOf: grouping.groupOf, groups: grouping.keys.length };
  const perGroup = computeParts(table, parts, query, scratch).statistics;
  const groups = grouping.keys.map((key, i) => ({ key, statistic: perGroup[i] as Statistic }));
  return { whole, worst, failed, groups, groupCount: grouping.count };
}

/** The results asked about, and in which group each is; without `groupOf` all are in group 0. */
interface Parts {
  readonly marks: Uint8Array;
  /** Per slot, -1 for a result that isn't asked about or whose group isn't shown. */
  readonly groupOf?: Int32Array;
  readonly groups: number;
}

/** Counts per group. Rows of fixed width, one per group, lie one behind the other. */
interface Tally {
  readonly kinds: Int32Array;
  readonly outcomes: Int32Array;
  readonly classes: Int32Array;
  /** The largest of those with a value, for each source of the creation. */
  readonly uncertainty: Float64Array;
  readonly skewed: Int32Array;
  /** The slots of those that wait for a value. */
  readonly pending: Int32Array;
}

const NO_NUMBERS = new Float64Array(0);

/** One statistic per group, and the ascending values behind it: valid until the next computation. */
function computeParts(
  table: ResultTable,
  parts: Parts,
  query: StatisticQuery,
  scratch: Scratch,
): { statistics: Statistic[]; samples: Float64Array[] } {
  const tally = tallyGroups(table, parts, query.metric, scratch.integers('pending', table.size));
  const samples = dealOut(tally.kinds, parts, table.order(query.metric), scratch.floats('values', table.size + 1));
  const ages =
    tally.pending.length === 0
      ? undefined
      : agesOfPending(table, tally, parts, query.nowMs, scratch.floats('ages', table.size));
  const statistics = samples.map((sorted, group) => describe(tally, group, sorted, ages?.[group] ?? NO_NUMBERS, query));
  return { statistics, samples };
}

function describe(
  tally: Tally,
  group: number,
  sorted: Float64Array,
  ages: Float64Array,
  { quantiles, method }: StatisticQuery,
): Statistic {
  const { kinds } = tally;
  const failed = kinds[group * KINDS + FAILED] as number;
  const open = sorted.length + ages.length;
  return {
    measured: kinds[group * KINDS + MEASURED] as number,
    failed,
    pending: kinds[group * KINDS + PENDING] as number,
    aborted: kinds[group * KINDS + ABORTED] as number,
    unmeasured: kinds[group * KINDS + UNMEASURED] as number,
    outcomes: outcomeRecord(tally.outcomes, group),
    quantiles: quantiles.map((q) => quantileAt((rank) => sorted[rank] as number, sorted.length, q, method)),
    censored: quantiles.map((q) => quantileAt((rank) => elementOfTwo(sorted, ages, rank), open, q, method, failed)),
    ...moments(sorted),
    failureClasses: failureRecord(tally.classes, group),
    tooLargeMs: uncertaintyOf(tally, group, 'CreationTimestamp'),
    tooSmallMs: uncertaintyOf(tally, group, 'WatchReceipt'),
    skewed: tally.skewed[group] as number,
  };
}

function uncertaintyOf({ uncertainty }: Tally, group: number, source: CreationSource): number {
  return uncertainty[group * CREATION_SOURCES.length + CREATION_SOURCES.indexOf(source)] as number;
}

function tallyGroups(
  table: ResultTable,
  { marks, groupOf, groups }: Parts,
  metric: Metric,
  pending: Int32Array,
): Tally {
  const values = table.values(metric);
  const { outcomes, failureClasses, uncertaintyMs, flags } = table;
  // Results per group, outcome and whether there is a value: one count per result, from which the others follow.
  const width = OUTCOMES.length * 2;
  const counts = new Int32Array(groups * width);
  const classWidth = CLASSES;
  const classes = new Int32Array(groups * classWidth);
  const uncertainty = new Float64Array(groups * CREATION_SOURCES.length);
  // A delay doesn't begin with the creation.
  const sinceCreation = metric !== 'datapathDelay';
  const skewed = new Int32Array(groups);
  let waiting = 0;
  for (let slot = 0; slot < marks.length; slot++) {
    // Without groups: 0 for a result that is asked about, else -1, as with them.
    const group = groupOf === undefined ? (marks[slot] as number) - 1 : (groupOf[slot] as number);
    if (group < 0) continue;
    const value = values[slot] as number;
    // NaN, the sign of no value, is the only number that differs from itself.
    const measured = value === value;
    const outcome = outcomes[slot] as number;
    if (!measured && KIND_BY_CODE[outcome] === PENDING) pending[waiting++] = slot;
    const at = group * width + outcome * 2 + (measured ? 1 : 0);
    counts[at] = (counts[at] as number) + 1;
    const failure = failureClasses[slot] as number;
    if (failure !== 0) classes[group * classWidth + failure] = (classes[group * classWidth + failure] as number) + 1;
    const flag = flags[slot] as number;
    if ((flag & 1) === 1) skewed[group] = (skewed[group] as number) + 1;
    if (measured && sinceCreation) {
      const ofSource = group * CREATION_SOURCES.length + (flag >> 1);
      const largest = uncertainty[ofSource] as number;
      if ((uncertaintyMs[slot] as number) > largest) uncertainty[ofSource] = uncertaintyMs[slot] as number;
    }
  }

  const kinds = new Int32Array(groups * KINDS);
  const outcomeCounts = new Int32Array(groups * OUTCOMES.length);
  for (let group = 0; group < groups; group++) {
    for (let outcome = 0; outcome < OUTCOMES.length; outcome++) {
      const without = counts[group * width + outcome * 2] as number;
      const measured = counts[group * width + outcome * 2 + 1] as number;
      outcomeCounts[group * OUTCOMES.length + outcome] = without + measured;
      const kind = group * KINDS + (KIND_BY_CODE[outcome] as number);
      kinds[kind] = (kinds[kind] as number) + without;
      kinds[group * KINDS + MEASURED] = (kinds[group * KINDS + MEASURED] as number) + measured;
    }
  }
  return { kinds, outcomes: outcomeCounts, classes, uncertainty, skewed, pending: pending.subarray(0, waiting) };
}

/** The values of each group, ascending: an ordered walk, dealt out to the groups. */
function dealOut(
  kinds: Int32Array,
  { marks, groupOf, groups }: Parts,
  { slots, keys, length }: Sorted,
  numbers: Float64Array,
): Float64Array[] {
  const starts = startsOf(kinds, MEASURED, groups);
  if (groupOf === undefined) {
    if (starts[1] === length) return [keys.subarray(0, length)];
    let n = 0;
    for (let i = 0; i < length; i++) {
      // Written in any case and overwritten by the next where it doesn't count: no branch to mispredict.
      numbers[n] = keys[i] as number;
      n += marks[slots[i] as number] as number;
    }
  } else {
    const next = starts.slice();
    for (let i = 0; i < length; i++) {
      const group = groupOf[slots[i] as number] as number;
      if (group < 0) continue;
      const place = next[group] as number;
      numbers[place] = keys[i] as number;
      next[group] = place + 1;
    }
  }
  return cut(numbers, starts);
}

/** The ages of what waits for a value, ascending in each group. */
function agesOfPending(
  table: ResultTable,
  { kinds, pending }: Tally,
  { groupOf, groups }: Parts,
  nowMs: number,
  ages: Float64Array,
): Float64Array[] {
  const { createdMs } = table;
  const starts = startsOf(kinds, PENDING, groups);
  const next = starts.slice();
  for (let i = 0; i < pending.length; i++) {
    const slot = pending[i] as number;
    const group = groupOf === undefined ? 0 : (groupOf[slot] as number);
    const place = next[group] as number;
    ages[place] = nowMs - (createdMs[slot] as number);
    next[group] = place + 1;
  }
  const perGroup = cut(ages, starts);
  for (const group of perGroup) group.sort();
  return perGroup;
}

function startsOf(kinds: Int32Array, kind: number, groups: number): Int32Array {
  const starts = new Int32Array(groups + 1);
  for (let group = 0; group < groups; group++) {
    starts[group + 1] = (starts[group] as number) + (kinds[group * KINDS + kind] as number);
  }
  return starts;
}

function cut(numbers: Float64Array, starts: Int32Array): Float64Array[] {
  return Array.from({ length: starts.length - 1 }, (_, group) =>
    numbers.subarray(starts[group] as number, starts[group + 1] as number),
  );
}

function moments(sorted: Float64Array): Pick<Statistic, 'min' | 'max' | 'mean' | 'stddev'> {
  const n = sorted.length;
  if (n === 0) return { min: null, max: null, mean: null, stddev: null };
  let sum = 0;
  for (let i = 0; i < n; i++) sum += sorted[i] as number;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const distance = (sorted[i] as number) - mean;
    squares += distance * distance;
  }
  return { min: sorted[0] as number, max: sorted[n - 1] as number, mean, stddev: Math.sqrt(squares / n) };
}

function outcomeRecord(counts: Int32Array, group: number): Record<Outcome, number> {
  const record: Partial<Record<Outcome, number>> = {};
  for (let code = 0; code < OUTCOMES.length; code++) {
    record[OUTCOMES[code] as Outcome] = counts[group * OUTCOMES.length + code] as number;
  }
  return record as Record<Outcome, number>;
}

function failureRecord(counts: Int32Array, group: number): Partial<Record<FailureClass, number>> {
  const record: Partial<Record<FailureClass, number>> = {};
  for (let i = 0; i < FAILURE_CLASSES.length; i++) {
    const count = counts[group * CLASSES + i + 1] as number;
    if (count > 0) record[FAILURE_CLASSES[i] as FailureClass] = count;
  }
  return record;
}

/** The worst values and the first failures, each at most `topN`, in a total order. */
function extremes(
  table: ResultTable,
  marks: Uint8Array,
  failures: number,
  { metric, topN }: StatisticQuery,
): { worst: number[]; failed: number[] } {
  if (topN === 0) return { worst: [], failed: [] };
  const values = table.values(metric);
  const worst = new TopK<number>(
    topN,
    (a, b) => (values[b] as number) - (values[a] as number) || table.compareNames(a, b),
  );
  const { slots, keys, length } = table.order(metric);
  let taken = 0;
  let least = -Infinity;
  for (let i = length - 1; i >= 0; i--) {
    const slot = slots[i] as number;
    if (marks[slot] === 0) continue;
    // Behind the topN-th only ties with it can still come in.
    if (taken >= topN && (keys[i] as number) < least) break;
    worst.add(slot);
    taken++;
    if (taken === topN) least = keys[i] as number;
  }

  const failed = new TopK<number>(topN, (a, b) => table.compareNames(a, b));
  if (failures === 0) return { worst: worst.sorted(), failed: [] };
  const { outcomes } = table;
  for (let slot = 0; slot < marks.length; slot++) {
    const value = values[slot] as number;
    if (marks[slot] === 1 && value !== value && KIND_BY_CODE[outcomes[slot] as number] === FAILED) failed.add(slot);
  }
  return { worst: worst.sorted(), failed: failed.sorted() };
}
