/**
 * Objectives and verdicts: whether the figures of a run keep a bound. Pure.
 *
 * A verdict is never a pass by absence: without values, with too many Pods of which nothing is known, or with clocks that leave open
 * on which side of the bound a value lies, it is `Inconclusive`, and says why.
 */
import type { Metric } from '../datapath/vocabulary.js';
import { nearestRank } from './quantile.js';
import { SKETCH_RELATIVE_ERROR } from './quantile-sketch.js';
import type { MetricFigures, RunFigures } from './run-figures.js';

export const VERDICTS = ['Met', 'Missed', 'Inconclusive'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Why an objective has its verdict. */
export const VERDICT_REASONS = [
  'WithinThreshold',
  'AboveThreshold',
  'TooManyFailed',
  'FailedPods',
  'NoMeasurements',
  'LowCoverage',
  'PendingPods',
  'ControllerGap',
  'ClockSkew',
  'CreationUncertain',
  'Estimated',
] as const;
export type VerdictReason = (typeof VERDICT_REASONS)[number];

/** A creation that is known to the second makes a value up to this much too large, milliseconds. */
const SECOND_MS = 1000;

export interface Objective {
  readonly metric: Metric;
  /** `min`, `max`, `mean`, or a percentile such as `p50`, `p99`, `p99.9`. */
  readonly statistic: string;
  readonly thresholdMs: number;
  /** The largest share of failed Pods, 0 to 1. Without it a failed Pod counts as never ready: a value of +∞. */
  readonly maxFailedRatio?: number;
  /**
   * The smallest share of Pods that must be known, 0 to 1. Without it the verdict is `Inconclusive` wherever the Pods that aren't known
   * (pending, aborted, without a report, expected and never seen) could change it.
   */
  readonly minCoverage?: number;
}

/** What else decides beside the figures. */
export interface Circumstances {
  readonly expectedPods?: number;
  /** Milliseconds of the longest time during the run in which no controller watched. */
  readonly longestGapMs: number;
}

/** A gap of this length may have hidden Pods that came and went, milliseconds. It is harmless where as many Pods as expected were seen. */
export const HARMLESS_GAP_MS = 30_000;

export interface ObjectiveResult {
  readonly objective: Objective;
  readonly verdict: Verdict;
  readonly reason: VerdictReason;
  readonly message: string;
  /** The statistic, milliseconds; `null` where it is infinite (a failed Pod) or nothing was measured. */
  readonly valueMs: number | null;
}

const PERCENTILE = /^p(\d{1,2}(?:\.\d{1,4})?)$/;

/** The quantile that a statistic names, or `undefined` for `min`, `max` and `mean`. @throws RangeError for anything else */
export function quantileOf(statistic: string): number | undefined {
  if (statistic === 'min' || statistic === 'max' || statistic === 'mean') return undefined;
  const percent = Number(PERCENTILE.exec(statistic)?.[1]);
  if (!(percent > 0)) {
    throw new RangeError(
      `${JSON.stringify(statistic)} is no statistic; allowed are min, max, mean, p50, p99, p99.9, …`,
    );
  }
  return percent / 100;
}

/** The share of Pods of which it is known what became of them; `null` without Pods. */
export function coverageOf(
  metric: MetricFigures,
  figures: RunFigures,
  expectedPods: number | undefined,
): number | null {
  const expected = Math.max(expectedPods ?? 0, figures.pods);
  return expected === 0 ? null : (metric.measured + metric.failed) / expected;
}

export function judge(objective: Objective, figures: RunFigures, circumstances: Circumstances): ObjectiveResult {
  const metric = figures.metrics[objective.metric];
  const result = (
    verdict: Verdict,
    reason: VerdictReason,
    message: string,
    valueMs: number | null = null,
  ): ObjectiveResult => ({ objective, verdict, reason, message, valueMs });
  const { expectedPods } = circumstances;
  const expected = Math.max(expectedPods ?? 0, figures.pods);
  const { maxFailedRatio, minCoverage, statistic, thresholdMs } = objective;
  const known = metric.measured + metric.failed;

  if (known === 0) {
    return result('Inconclusive', 'NoMeasurements', `no Pod of ${String(expected)} has a value of ${objective.metric}`);
  }
  if (maxFailedRatio !== undefined && metric.failed > maxFailedRatio * expected) {
    return result(
      'Missed',
      'TooManyFailed',
      `${String(metric.failed)} of ${String(expected)} Pods failed, more than ${String(maxFailedRatio)} of them`,
    );
  }
  const infinite = maxFailedRatio === undefined ? metric.failed : 0;
  const value = statisticOf(metric, statistic, infinite);
  if (value === Infinity) {
    return result('Missed', 'FailedPods', `${statistic} falls on one of ${String(metric.failed)} failed Pods`);
  }
  if (value === null) {
    return result('Inconclusive', 'NoMeasurements', 'every Pod with an end failed: there is no value');
  }
  const shown = Math.round(value);
  const compared = `${statistic} is ${String(shown)} ms, the bound ${String(thresholdMs)} ms`;
  const unknown = expected - known;
  const coverage = coverageOf(metric, figures, expectedPods) ?? 0;
  const covered = `${String(known)} of ${String(expected)} Pods are known`;
  const uncovered: VerdictReason = metric.pending > 0 ? 'PendingPods' : 'LowCoverage';
  if (minCoverage !== undefined) {
    // A maximum only grows with what isn't known: one above the bound stays above it.
    if (coverage < minCoverage && !(statistic === 'max' && value > thresholdMs)) {
      return result(
        'Inconclusive',
        uncovered,
        `${covered}: coverage ${ratioText(coverage)}, ${ratioText(minCoverage)} needed`,
        shown,
      );
    }
  } else if (unknown > 0) {
    const range = withUnknown(metric, statistic, infinite, unknown);
    if (value > thresholdMs ? range.fastest <= thresholdMs : range.slowest > thresholdMs) {
      return result('Inconclusive', uncovered, `${compared}, but ${covered}, and the others could change that`, shown);
    }
  }
  const band = bandOf(objective, metric, figures, value);
  if (value > thresholdMs) {
    if (band.low > thresholdMs) return result('Missed', 'AboveThreshold', compared, shown);
    return result('Inconclusive', band.lowReason, `${compared}, but ${band.lowText}`, shown);
  }
  if (band.high > thresholdMs) {
    return result('Inconclusive', band.highReason, `${compared}, but ${band.highText}`, shown);
  }
  if (circumstances.longestGapMs > HARMLESS_GAP_MS && figures.pods < (expectedPods ?? Infinity)) {
    const seconds = String(Math.round(circumstances.longestGapMs / 1000));
    return result(
      'Inconclusive',
      'ControllerGap',
      `${compared}, but for ${seconds} s no controller watched, and Pods may have come and gone`,
      shown,
    );
  }
  return result('Met', 'WithinThreshold', compared, shown);
}

/** The verdict of a run: the worst of its objectives; `undefined` without any. */
export function verdictOf(results: readonly ObjectiveResult[]): Verdict | undefined {
  if (results.length === 0) return undefined;
  if (results.some(({ verdict }) => verdict === 'Missed')) return 'Missed';
  return results.some(({ verdict }) => verdict === 'Inconclusive') ? 'Inconclusive' : 'Met';
}

/** A ratio as text with at most six digits, as the resources hold it. */
export function ratioText(ratio: number): string {
  return String(Math.floor(ratio * 1e6) / 1e6);
}

/** The statistic's value over what is known; `null` where there is none. @param infinite failed Pods that count as +∞ */
function statisticOf(metric: MetricFigures, statistic: string, infinite: number): number | null {
  const q = quantileOf(statistic);
  if (q !== undefined) return elementOr(metric, nearestRank(metric.measured + infinite, q));
  if (statistic === 'min') return metric.measured === 0 && infinite > 0 ? Infinity : metric.minMs;
  if (infinite > 0) return Infinity;
  return statistic === 'max' ? metric.maxMs : metric.meanMs;
}

/** The statistic if all that isn't known were faster, or slower, than all that is. */
function withUnknown(
  metric: MetricFigures,
  statistic: string,
  infinite: number,
  unknown: number,
): { readonly fastest: number; readonly slowest: number } {
  const q = quantileOf(statistic);
  if (q !== undefined) {
    const rank = nearestRank(metric.measured + infinite + unknown, q);
    return {
      fastest: rank < unknown ? -Infinity : elementOr(metric, rank - unknown),
      slowest: elementOr(metric, rank),
    };
  }
  switch (statistic) {
    case 'min':
      return { fastest: -Infinity, slowest: metric.minMs ?? Infinity };
    case 'max':
      return { fastest: metric.maxMs ?? -Infinity, slowest: Infinity };
    default:
      return { fastest: -Infinity, slowest: Infinity };
  }
}

/** The value of a rank; what lies beyond the last is a failed Pod. */
function elementOr(metric: MetricFigures, rank: number): number {
  return metric.element(rank) ?? Infinity;
}

interface Band {
  readonly low: number;
  readonly high: number;
  readonly lowReason: VerdictReason;
  readonly highReason: VerdictReason;
  readonly lowText: string;
  readonly highText: string;
}

/** Between which values the true one lies, and what leaves it open. */
function bandOf(
  { metric: name, statistic }: Objective,
  metric: MetricFigures,
  { skew }: RunFigures,
  value: number,
): Band {
  // The delay is measured by one monotonic clock from the start of the reporter: neither skew nor creation touch it.
  const fromCreation = name !== 'datapathDelay';
  const ahead = fromCreation ? skew.aheadMs : 0;
  const behind = fromCreation ? skew.behindMs : 0;
  const creation = fromCreation && metric.uncertain > 0 ? SECOND_MS : 0;
  // Minimum, maximum and mean are exact also of what is archived.
  const estimate =
    metric.estimated && quantileOf(statistic) !== undefined ? Math.abs(value) * SKETCH_RELATIVE_ERROR : 0;
  const skewText = `the clocks of nodes are off by at least ${String(Math.max(ahead, behind))} ms`;
  const estimateText = 'it is estimated from a sketch, within 1 %';
  return {
    low: value - ahead - creation - estimate,
    high: value + behind + estimate,
    lowReason: creation > 0 ? 'CreationUncertain' : ahead > 0 ? 'ClockSkew' : 'Estimated',
    lowText:
      creation > 0
        ? `the creation of ${String(metric.uncertain)} Pods is known to the second only`
        : ahead > 0
          ? skewText
          : estimateText,
    highReason: behind > 0 ? 'ClockSkew' : 'Estimated',
    highText: behind > 0 ? skewText : estimateText,
  };
}
