/** The parameters and the answer of a statistic: field names that existing consumers read, and what was added. */
import { z } from 'zod';
import { METRICS, OUTCOMES } from '../../datapath/vocabulary.js';
import { QUANTILE_METHODS } from '../../statistics/quantile.js';
import { filterParameters, groupBy, method, quantiles, topN } from './query-parameters.js';

export const StatisticQuery = z.strictObject({ ...filterParameters, topN, method, groupBy, quantiles });
export type StatisticQuery = z.output<typeof StatisticQuery>;

const count = z.int().min(0);
const milliseconds = z.int();
/** RFC 3339 with at least milliseconds. */
export const dateTime = z.string().meta({ format: 'date-time' });

export const PodName = z
  .object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    nodeName: z.string().optional().describe('Absent while the Pod has no node'),
  })
  .meta({ id: 'PodName' });

export const WorstPod = PodName.extend({
  createdAt: dateTime.describe('When the Pod was created'),
  measuredTs: dateTime.optional().describe('When the step that ends this metric was reached'),
  value: milliseconds.describe('Milliseconds'),
}).meta({ id: 'WorstPod' });

const nullableMs = milliseconds.nullable();

const percentiles = {
  p50: nullableMs,
  p90: nullableMs,
  p95: nullableMs,
  p99: nullableMs,
  p999: nullableMs,
};

export const HistogramBucket = z
  .object({
    le: milliseconds.nullable().describe('Upper bound in milliseconds, inclusive; null is infinity'),
    count: count.describe('Values in this bucket alone'),
  })
  .meta({ id: 'HistogramBucket' });

/** What a whole and a group have in common. */
const numbers = {
  count: count.describe('Results with a value of this metric'),
  totalSuccessful: count.describe('The same as count'),
  totalFailed: count.describe('Results without a value because the Pod failed'),
  totalPending: count.describe('Results without a value yet: pending is not failed'),
  totalAborted: count.describe('Results without a value because somebody deleted the Pod'),
  totalUnmeasured: count.describe('Ready Pods whose report lacks this value'),
  ...percentiles,
  min: nullableMs,
  max: nullableMs,
  mean: nullableMs.describe('Rounded to a millisecond'),
  stddev: nullableMs.describe('Of the population, rounded to a millisecond'),
  censored: z
    .object({ p50: nullableMs, p90: nullableMs, p99: nullableMs })
    .describe('Percentiles in which a failed Pod counts as infinite (null) and a pending one as its age'),
  outcomes: z.object(Object.fromEntries(OUTCOMES.map((outcome) => [outcome, count]))),
  failureClasses: z.record(z.string(), count).describe('How many results have each failure class'),
};

export const StatisticGroup = z
  .object({
    key: z.string().nullable().describe('What the group has in common; null for results that lack it'),
    ...numbers,
  })
  .meta({ id: 'StatisticGroup' });

export const StatisticAnswer = z
  .object({
    metric: z.enum(['time-to-start', 'time-to-datapath-ready', 'datapath-delay']),
    unit: z.literal('ms'),
    ...numbers,
    quantiles: z.record(z.string(), nullableMs).describe('The quantiles asked for, by number'),
    histogram: z.array(HistogramBucket),
    worstPods: z.array(WorstPod).describe('Largest value first, ties by namespace and name'),
    failedPods: z.array(PodName).describe('By namespace and name'),
    uncertaintyMs: count.describe(
      'By how much a value may be off at most, because of the creation instant: too large where Kubernetes dated it, too small where it was seen live',
    ),
    method: z.enum(QUANTILE_METHODS),
    namespace: z.string().describe('The namespaces asked for, separated by commas; empty for all'),
    selector: z.string().describe('The label selector in canonical form'),
    groupBy: z.string().optional(),
    groups: z.array(StatisticGroup).optional().describe('Largest group first'),
    groupCount: count.optional().describe('How many groups there are; at most 1000 are listed'),
    warnings: z.array(z.string()).describe('What a reader might misread'),
    generatedAt: dateTime,
    source: z
      .enum(['results', 'archive', 'results and archive'])
      .optional()
      .describe(
        'With the parameter run: what the numbers come from. Those of an archive have quantiles within relativeError',
      ),
    relativeError: z
      .number()
      .optional()
      .describe('By how much a quantile from an archive may be off, as a share of it'),
    synced: z.boolean().describe('Whether every event before this answer was seen'),
  })
  .meta({ id: 'Statistic' });
export type StatisticAnswer = z.output<typeof StatisticAnswer>;

/** The name of a metric in paths and answers. */
export const METRIC_NAMES = {
  timeToStart: 'time-to-start',
  timeToDatapathReady: 'time-to-datapath-ready',
  datapathDelay: 'datapath-delay',
} as const satisfies Record<(typeof METRICS)[number], string>;
