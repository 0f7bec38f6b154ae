/** The parameters and answers of the calls about runs. */
import { z } from 'zod';
import { FAILURE_CLASSES, METRICS } from '../../datapath/vocabulary.js';
import { COMPARED } from '../../statistics/comparison.js';
import { VERDICT_REASONS, VERDICTS } from '../../statistics/objective.js';
import { dateTime } from '../api/statistic.schema.js';
import { EXPORT_FORMATS } from './export/formats.js';

const count = z.int().min(0);
const milliseconds = z.int();

const RUN_RULE = 'must be the name of a run: at most 63 lower-case letters, digits, "-" and "."';
export const RunName = z
  .string(RUN_RULE)
  .max(63, RUN_RULE)
  .regex(/^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/, RUN_RULE);

export const RunsQuery = z.strictObject({});
export type RunsQuery = z.output<typeof RunsQuery>;

const TOLERANCE_RULE = 'must be given once, as a decimal number from 0 to 10, such as 0.05';
export const ComparisonQuery = z.strictObject({
  baseline: RunName.describe('The run that this one is compared with'),
  tolerance: z
    .string(TOLERANCE_RULE)
    .regex(/^\d{1,2}(?:\.\d{1,6})?$/, TOLERANCE_RULE)
    .transform(Number)
    .pipe(z.number().max(10, TOLERANCE_RULE))
    .prefault('0.05')
    .describe('The share of the baseline by which a statistic may differ'),
});
export type ComparisonQuery = z.output<typeof ComparisonQuery>;

export const ExportQuery = z.strictObject({
  format: z.enum(EXPORT_FORMATS, `must be one of ${EXPORT_FORMATS.join(', ')}`).describe('What reads it'),
});
export type ExportQuery = z.output<typeof ExportQuery>;

const counts = {
  pods: count.describe('Results of the run, living and archived'),
  archived: count.describe('Results that were deleted and whose numbers the run keeps'),
  pending: count,
  started: count,
  ready: count,
  failed: count,
  aborted: count,
};

export const RunSummary = z
  .object({
    name: z.string(),
    exists: z.boolean().describe('False where the DatapathRun was deleted and results of it are left'),
    complete: z.boolean(),
    completeReason: z.string().describe('Why it is complete, or what it waits for'),
    verdict: z.enum(VERDICTS).nullable().describe('null until the run is complete, and without objectives'),
    reason: z.enum(VERDICT_REASONS).nullable().describe('Why the verdict'),
    expectedPods: count.nullable(),
    ...counts,
    p50: milliseconds.nullable().describe('Of time to datapath ready, milliseconds'),
    p99: milliseconds.nullable().describe('Of time to datapath ready, milliseconds'),
    createdAt: dateTime.nullable(),
    startedAt: dateTime.nullable().describe('Creation of the first Pod'),
    completedAt: dateTime.nullable(),
  })
  .meta({ id: 'RunSummary' });
export type RunSummary = z.output<typeof RunSummary>;

export const RunsAnswer = z
  .object({ items: z.array(RunSummary).describe('By name'), generatedAt: dateTime, synced: z.boolean() })
  .meta({ id: 'Runs' });
export type RunsAnswer = z.output<typeof RunsAnswer>;

const RunMetric = z
  .object({
    metric: z.enum(METRICS),
    count,
    failed: count.describe('Pods without a value that failed'),
    p50: milliseconds.nullable(),
    p90: milliseconds.nullable(),
    p95: milliseconds.nullable(),
    p99: milliseconds.nullable(),
    p999: milliseconds.nullable(),
    min: milliseconds.nullable(),
    max: milliseconds.nullable(),
    mean: milliseconds.nullable(),
    estimated: z.boolean().describe('Whether percentiles come from a sketch, within 1 %'),
  })
  .meta({ id: 'RunMetric' });

export const RunDetail = RunSummary.extend({
  metrics: z.array(RunMetric),
  failureClasses: z.record(z.string(), count).describe('How many Pods have each failure class'),
  failedPods: z
    .array(
      z.object({
        namespace: z.string(),
        name: z.string(),
        uid: z.string(),
        nodeName: z.string().optional(),
        failureClass: z.enum(FAILURE_CLASSES),
        message: z.string(),
      }),
    )
    .describe('The first failed Pods, as evidence'),
  coverage: z.object({ expected: count, known: count, ratio: z.number() }).nullable(),
  objectives: z.array(
    z.object({
      metric: z.enum(METRICS),
      statistic: z.string(),
      thresholdMs: count,
      valueMs: milliseconds.nullable(),
      verdict: z.enum(VERDICTS),
      reason: z.enum(VERDICT_REASONS),
      message: z.string(),
    }),
  ),
  gaps: z.array(z.object({ from: dateTime, to: dateTime })).describe('When no controller watched'),
  conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() })),
  warnings: z.array(z.string()),
  generatedAt: dateTime,
  synced: z.boolean(),
}).meta({ id: 'Run' });
export type RunDetail = z.output<typeof RunDetail>;

export const RunComparison = z
  .object({
    run: z.string(),
    baseline: z.string(),
    tolerance: z.number(),
    confidence: z.number().describe('Of the intervals'),
    differences: z.array(
      z.object({
        metric: z.enum(METRICS),
        statistic: z.enum(COMPARED),
        baselineMs: z.number().nullable(),
        valueMs: z.number().nullable(),
        differenceMs: z.number().nullable().describe('Positive where the run is slower'),
        interval: z
          .object({ lowMs: z.number(), highMs: z.number() })
          .nullable()
          .describe('Of the difference, by bootstrap; none for minimum and maximum'),
        ratio: z.number().nullable().describe('The difference as a share of the baseline'),
        judgement: z
          .enum(['worse', 'better', 'within', 'unsure', 'unknown'])
          .describe('Whether the whole interval lies beyond the tolerance, or within it'),
        estimated: z.boolean().describe('Whether a value comes from a sketch, within 1 %'),
      }),
    ),
    warnings: z.array(z.string()),
    generatedAt: dateTime,
    synced: z.boolean(),
  })
  .meta({ id: 'RunComparison' });
export type RunComparison = z.output<typeof RunComparison>;
