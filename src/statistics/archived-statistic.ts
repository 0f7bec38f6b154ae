/** The statistic of one metric of a run of which results are archived: from its figures, within the error of the sketch. Pure. */
import { OUTCOMES } from '../datapath/vocabulary.js';
import type { Metric } from '../datapath/vocabulary.js';
import { BUCKETS_MS } from './histogram.js';
import type { HistogramBucket } from './histogram.js';
import type { QuantileSketch } from './quantile-sketch.js';
import type { RunFigures } from './run-figures.js';
import type { StatisticAnswer } from './statistic.js';

/** A creation lies in the second that Kubernetes names: the bound of what is known of each in an archive, milliseconds. */
const SECOND_MS = 1000;

/** Counts, extremes and mean are exact; quantiles, standard deviation and histogram come from the sketch. */
export function archivedStatistic(
  figures: RunFigures,
  metric: Metric,
  quantiles: readonly number[],
): StatisticAnswer['whole'] {
  const numbers = figures.metrics[metric];
  const { pods, outcomes } = figures;
  const over = OUTCOMES.reduce((sum, outcome) => sum + outcomes[outcome], 0);
  const sinceCreation = metric !== 'datapathDelay';
  if (over !== pods) throw new RangeError(`a run of ${pods} results has ${over} outcomes`);
  return {
    measured: numbers.measured,
    failed: numbers.failed + numbers.lost,
    pending: numbers.pending,
    aborted: numbers.aborted,
    unmeasured: numbers.unmeasured,
    outcomes,
    quantiles: quantiles.map((q) => numbers.quantile(q)),
    censored: quantiles.map((q) => numbers.censored(q)),
    min: numbers.minMs,
    max: numbers.maxMs,
    mean: numbers.meanMs,
    stddev: numbers.meanMs === null ? null : deviation(numbers.sketch()),
    histogram: histogramOf(numbers.sketch()),
    failureClasses: figures.failureClasses,
    tooLargeMs: sinceCreation && numbers.uncertain > 0 ? SECOND_MS : 0,
    tooSmallMs: sinceCreation && numbers.uncertain < numbers.measured ? SECOND_MS : 0,
    skewed: figures.skew.results,
  };
}

/** Of the population, by the sketch's own mean, so that its errors don't add up. */
function deviation(sketch: QuantileSketch): number {
  let sum = 0;
  for (const [value, count] of sketch.values()) sum += value * count;
  const mean = sum / sketch.count;
  let squares = 0;
  for (const [value, count] of sketch.values()) squares += (value - mean) ** 2 * count;
  return Math.sqrt(squares / sketch.count);
}

/** The buckets up to the last that holds a value. */
function histogramOf(sketch: QuantileSketch): HistogramBucket[] {
  const counts = Array.from({ length: BUCKETS_MS.length + 1 }, () => 0);
  let last = -1;
  for (const [value, count] of sketch.values()) {
    const found = BUCKETS_MS.findIndex((bound) => value <= bound);
    const bucket = found < 0 ? BUCKETS_MS.length : found;
    counts[bucket] = (counts[bucket] as number) + count;
    last = Math.max(last, bucket);
  }
  return counts.slice(0, last + 1).map((count, i) => ({ le: BUCKETS_MS[i] ?? null, count }));
}
