/**
 * How two runs differ, statistic by statistic, with a confidence interval. Pure: chance is injected.
 *
 * Quantiles are resampled by their order statistics: the k-th of n values drawn with replacement lies at the share Beta(k, n − k + 1) of the
 * sample, so that one draw stands for a whole bootstrap sample. The interval of a mean is the normal limit of its bootstrap.
 */
import type { Metric } from '../datapath/vocabulary.js';
import { nearestRank } from './quantile.js';
import type { MetricFigures } from './run-figures.js';

/** Resamples per quantile. */
const RESAMPLES = 500;
/** Share of resamples within the interval. */
export const CONFIDENCE = 0.95;
/** The standard normal quantile of (1 + CONFIDENCE) / 2. */
const NORMAL = 1.959964;

/** Draws a number from 0 (inclusive) to 1 (exclusive). */
type Random = () => number;

export const COMPARED = ['p50', 'p90', 'p99', 'mean', 'min', 'max'] as const;
export type Compared = (typeof COMPARED)[number];

export interface Difference {
  readonly metric: Metric;
  readonly statistic: Compared;
  /** Milliseconds; `null` where nothing was measured. */
  readonly baselineMs: number | null;
  readonly valueMs: number | null;
  readonly differenceMs: number | null;
  /** Of the difference, milliseconds; `null` for minimum and maximum, whose bootstrap is no interval, and where values are missing. */
  readonly interval: { readonly lowMs: number; readonly highMs: number } | null;
  /** The difference as a share of the baseline; `null` where that is 0 or missing. */
  readonly ratio: number | null;
  /** `worse` and `better` lie beyond the tolerance with their whole interval. */
  readonly judgement: 'worse' | 'better' | 'within' | 'unsure' | 'unknown';
  /** Whether one of the two comes from a sketch. */
  readonly estimated: boolean;
}

/** @param tolerance the share of the baseline by which the statistic may differ */
export function compareStatistic(
  metric: Metric,
  statistic: Compared,
  baseline: MetricFigures,
  value: MetricFigures,
  tolerance: number,
  random: Random,
): Difference {
  const before = valueOf(baseline, statistic);
  const after = valueOf(value, statistic);
  const estimated = statistic.startsWith('p') && (baseline.estimated || value.estimated);
  if (before === null || after === null) {
    const nothing = { differenceMs: null, interval: null, ratio: null, judgement: 'unknown' as const };
    return { metric, statistic, baselineMs: before, valueMs: after, ...nothing, estimated };
  }
  const difference = after - before;
  const interval = intervalOf(baseline, value, statistic, difference, random);
  const bound = Math.abs(before) * tolerance;
  const low = interval?.lowMs ?? difference;
  const high = interval?.highMs ?? difference;
  return {
    metric,
    statistic,
    baselineMs: before,
    valueMs: after,
    differenceMs: difference,
    interval,
    ratio: before === 0 ? null : difference / before,
    judgement: low > bound ? 'worse' : high < -bound ? 'better' : low >= -bound && high <= bound ? 'within' : 'unsure',
    estimated,
  };
}

function intervalOf(
  baseline: MetricFigures,
  value: MetricFigures,
  statistic: Compared,
  difference: number,
  random: Random,
): { lowMs: number; highMs: number } | null {
  if (statistic === 'min' || statistic === 'max') return null;
  if (statistic === 'mean') {
    const half = NORMAL * Math.sqrt(meanVariance(baseline) + meanVariance(value));
    return { lowMs: difference - half, highMs: difference + half };
  }
  const q = Number(statistic.slice(1)) / 100;
  const drawBefore = resampler(baseline, q, random);
  const drawAfter = resampler(value, q, random);
  const differences = Float64Array.from({ length: RESAMPLES }, () => drawAfter() - drawBefore()).sort();
  const tail = (1 - CONFIDENCE) / 2;
  return {
    lowMs: differences[nearestRank(RESAMPLES, tail)] as number,
    highMs: differences[nearestRank(RESAMPLES, 1 - tail)] as number,
  };
}

/** Draws the quantile of a resample. */
function resampler(metric: MetricFigures, q: number, random: Random): () => number {
  const n = metric.measured;
  const k = nearestRank(n, q) + 1;
  const values = metric.estimated ? expanded(metric) : metric.sorted;
  return () => {
    const share = gamma(k, random);
    const at = share / (share + gamma(n - k + 1, random));
    return values[Math.min(n - 1, Math.floor(at * n))] as number;
  };
}

/** The values of a sketch, each as often as it was counted, ascending. */
function expanded(metric: MetricFigures): Float64Array {
  const values = new Float64Array(metric.measured);
  let at = 0;
  for (const [value, count] of metric.sketch().values()) {
    values.fill(value, at, at + count);
    at += count;
  }
  return values;
}

/** The variance of the mean: that of the values by their number. */
function meanVariance(metric: MetricFigures): number {
  const n = metric.measured;
  let squares = 0;
  let sum = 0;
  for (const [value, count] of metric.sketch().values()) {
    sum += value * count;
    squares += value * value * count;
  }
  return Math.max(0, squares / n - (sum / n) ** 2) / n;
}

/** Gamma(shape, 1) for a shape of at least 1 (Marsaglia and Tsang, 2000). */
function gamma(shape: number, random: Random): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - random();
    if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** By Box and Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function valueOf(metric: MetricFigures, statistic: Compared): number | null {
  switch (statistic) {
    case 'p50':
      return metric.quantile(0.5);
    case 'p90':
      return metric.quantile(0.9);
    case 'p99':
      return metric.quantile(0.99);
    case 'mean':
      return metric.meanMs;
    case 'min':
      return metric.minMs;
    case 'max':
      return metric.maxMs;
    default: {
      const exhaustiveCheck: never = statistic;
      return exhaustiveCheck;
    }
  }
}

/** Numbers that look random and are the same for the same seed (mulberry32), so that the same question has the same answer. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
