/**
 * The DatapathRun custom resource: one experiment, its verdict, and the numbers that outlive Pods, results and namespaces. This
 * schema is the only source of the CustomResourceDefinition (`make manifests`) and of the types.
 *
 * The API server itself holds that what is archived stays: `status.archive` never counts fewer results than before.
 */
import { z } from 'zod';
import { FAILURE_CLASSES, METRICS } from '../../datapath/vocabulary.js';
import { VERDICT_REASONS, VERDICTS } from '../../statistics/objective.js';
import { EVIDENCE_KEPT, FAILED_KEPT, WORST_KEPT } from '../../statistics/run-archive.js';
import type { KubeObject } from '../kube/resource.js';
import {
  atomicList,
  atomicObject,
  condition,
  count,
  instant,
  mapListBy,
  milliseconds,
  oneOf,
  rules,
  signedMilliseconds,
  text,
} from '../results/resource-fields.js';

/** How many results may be folded by one write and wait for their removal. With uids of 36 characters: 160 KB. */
export const MAX_RELEASING = 4000;
/** Characters of the text of a sketch: more than any range of milliseconds takes. */
const MAX_SKETCH = 65_536;
const MAX_GAPS = 20;
const MAX_OBJECTIVES = 32;

/** A share from 0 to 1 in decimal digits: the resources hold no floats. */
const ratio = (description: string): z.ZodString =>
  z
    .string()
    .max(8)
    .regex(/^(0([.][0-9]{1,6})?|1([.]0{1,6})?)$/)
    .meta({ description: `${description} A decimal number from 0 to 1 as text, such as "0.01".` });

const int32 = (minimum: number, maximum: number, description: string): z.ZodNumber =>
  z.int().min(minimum).max(maximum).meta({ description, format: 'int32' });

const labelSelector = z.object({
  matchLabels: z
    .record(z.string(), text(63, 'Value of the label.'))
    .exactOptional()
    .meta({ description: 'Labels and the values that they must have.', maxProperties: 64 }),
  matchExpressions: z
    .array(
      z
        .object({
          key: text(317, 'Key of the label.', 1),
          operator: oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist'], 'How the label is compared.'),
          values: z
            .array(text(63, 'A value.'))
            .max(64)
            .exactOptional()
            .meta({ description: 'For In and NotIn.', ...atomicList }),
        })
        .meta(
          rules(
            {
              rule: "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
              message: 'In and NotIn need values',
            },
            {
              rule: "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",
              message: 'Exists and DoesNotExist take no values',
            },
          ),
        ),
    )
    .max(32)
    .exactOptional()
    .meta({ description: 'Conditions that must all hold.', ...atomicList }),
});

const objective = z
  .object({
    metric: oneOf(METRICS, 'What is bounded.'),
    statistic: z
      .string()
      .max(8)
      .regex(/^(min|max|mean|p[0-9]{1,2}([.][0-9]{1,4})?)$/)
      .meta({
        description: 'min, max, mean, or a percentile above p0 and below p100, such as p50, p99 or p99.9.',
        ...rules({
          rule: "!self.startsWith('p') || double(self.substring(1)) > 0.0",
          message: 'a percentile lies above p0 and below p100, such as p50, p99 or p99.9',
        }),
      }),
    thresholdMs: int32(1, 2_147_483_647, 'The largest value that meets the objective, milliseconds.'),
    maxFailedRatio: ratio(
      'The largest share of failed Pods. Without it a failed Pod counts as never ready, beyond any threshold.',
    ).exactOptional(),
    minCoverage: ratio(
      'The smallest share of Pods that must be known. Without it the verdict is Inconclusive where unknown Pods could change it.',
    ).exactOptional(),
  })
  .meta({ description: 'A bound on a statistic of the run.' });

export const datapathRunSpec = z
  .object({
    selector: z
      .object({
        podSelector: labelSelector.exactOptional().meta({ description: 'Labels of the Pods.' }),
        namespaceSelector: labelSelector.exactOptional().meta({ description: "Labels of the Pods' namespaces." }),
      })
      .exactOptional()
      .meta({
        description:
          'Which Pods belong to the run, beside those that name it by the label datapath.observer/run, on themselves or on their namespace. ' +
          'Both selectors must match; of several runs that match, the one that was made first has the Pod.',
        ...rules({
          rule: 'has(self.podSelector) || has(self.namespaceSelector)',
          message:
            'a selector has a podSelector, a namespaceSelector or both; leave it out to select by the label alone',
        }),
      }),
    expectedPods: int32(
      1,
      10_000_000,
      'How many Pods the run is about: it is complete when as many have an end.',
    ).exactOptional(),
    deadlineSeconds: int32(
      1,
      31_536_000,
      'The run is complete this many seconds after it was made, whatever is pending.',
    ).exactOptional(),
    quietSeconds: int32(
      1,
      86_400,
      'Without expectedPods the run is complete when no Pod was pending and none came for this long, seconds. 30 unless given.',
    ).exactOptional(),
    objectives: z
      .array(objective)
      .max(MAX_OBJECTIVES)
      .exactOptional()
      .meta({
        description: 'What the run must keep; each pair of metric and statistic once.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['metric', 'statistic'],
      }),
    ttlSecondsAfterComplete: int32(
      0,
      2_147_483_647,
      'The run is deleted this many seconds after it was complete, with the numbers that it keeps.',
    ).exactOptional(),
  })
  .meta({ description: 'What belongs to the run, when it is over, and what it must keep.' });

const podIdentity = {
  namespace: text(63, 'Namespace of the Pod.'),
  name: text(253, 'Name of the Pod.'),
  uid: text(128, 'UID of the Pod.'),
  nodeName: text(253, 'Node of the Pod.').exactOptional(),
};

const worst = z
  .array(
    z.object({
      ...podIdentity,
      createdAt: instant('Creation of the Pod.'),
      valueMs: signedMilliseconds('Milliseconds.'),
    }),
  )
  .max(WORST_KEPT)
  .exactOptional()
  .meta({ description: 'The slowest Pods, largest value first.', ...atomicList });

const failed = z
  .array(
    z.object({
      ...podIdentity,
      class: oneOf(FAILURE_CLASSES, 'The cause.'),
      message: text(EVIDENCE_KEPT, 'The evidence.'),
    }),
  )
  .max(FAILED_KEPT)
  .exactOptional()
  .meta({ description: 'The first failed Pods by namespace and name, as evidence.', ...atomicList });

const outcomes = {
  pending: count('Pods without a report yet.'),
  started: count('Pods that started and are not ready yet.'),
  ready: count('Pods that became ready.'),
  failed: count('Pods that failed.'),
  aborted: count('Pods that somebody deleted before they were ready.'),
};

const failureClasses = z
  .array(z.object({ class: oneOf(FAILURE_CLASSES, 'The cause.'), count: count('How many.') }))
  .max(FAILURE_CLASSES.length)
  .exactOptional()
  .meta({ description: 'How many Pods have each failure class.', ...mapListBy('class') });

const sketch = text(
  MAX_SKETCH,
  'All values, mergeable: bins as <distance to the bin before>.<count> in base 36. Bins below 128 are milliseconds; each later one begins 1.2072 % above the one before.',
);

const metricNumbers = {
  count: count('Pods with a value.'),
  failed: count('Pods without a value that failed.'),
  // Added later: a status without them must stay valid, or it could never be written again.
  lost: count('Pods without a value of which it is not known whether they failed.').exactOptional(),
  unmeasured: count('Pods that became ready and did not report the value.').exactOptional(),
  uncertain: count('Pods with a value whose creation is known to the second only.'),
  sumMs: signedMilliseconds('Sum of the values, milliseconds.'),
  minMs: signedMilliseconds('Smallest value, milliseconds.').exactOptional(),
  maxMs: signedMilliseconds('Largest value, milliseconds.').exactOptional(),
  sketch,
  worst,
};

const percentiles = {
  p50Ms: signedMilliseconds('Median, milliseconds.').exactOptional(),
  p90Ms: signedMilliseconds('90th percentile, milliseconds.').exactOptional(),
  p99Ms: signedMilliseconds('99th percentile, milliseconds.').exactOptional(),
};

const metric = z.object({
  ...metricNumbers,
  meanMs: signedMilliseconds('Mean, rounded to a millisecond.').exactOptional(),
  ...percentiles,
  p95Ms: signedMilliseconds('95th percentile, milliseconds.').exactOptional(),
  p999Ms: signedMilliseconds('99.9th percentile, milliseconds.').exactOptional(),
  censored: z
    .object(percentiles)
    .meta({ description: 'Percentiles in which a failed Pod counts as never ready (then the field is absent).' }),
  estimated: z
    .boolean()
    .meta({ description: 'Whether percentiles come from the sketch: within 1 %. Otherwise they are exact.' }),
});

/** The same of each metric. */
function metrics<T extends z.ZodType>(
  schema: T,
  description: string,
): z.ZodObject<{ timeToStart: T; timeToDatapathReady: T; datapathDelay: T }> {
  return z
    .object({
      timeToStart: schema.meta({ description: 'From the creation of the Pod to the start of its workload.' }),
      timeToDatapathReady: schema.meta({ description: 'From the creation of the Pod to the first successful probe.' }),
      datapathDelay: schema.meta({ description: 'From the start of the workload to the first successful probe.' }),
    })
    .meta({ description, ...atomicObject });
}

const skew = z
  .object({
    results: count('Results from a node whose clock was off.'),
    behindMs: milliseconds('A clock was behind by at least this, milliseconds.'),
    aheadMs: milliseconds('A clock was ahead by at least this, milliseconds.'),
  })
  .exactOptional()
  .meta({ description: 'By how much clocks of nodes were off at least.', ...atomicObject });

const archive = z
  .object({
    results: count('Results that are gone and whose numbers are kept here.'),
    ...outcomes,
    failureClasses,
    metrics: metrics(z.object(metricNumbers), 'The values of the results that are gone.'),
    failedPods: failed,
    clockSkew: skew,
    firstCreatedAt: instant('Creation of the first Pod among them.').exactOptional(),
    releasing: z
      .array(text(128, 'UID of a DatapathResult.'))
      .max(MAX_RELEASING)
      .exactOptional()
      .meta({
        description:
          'Results whose numbers are kept here and whose finalizer is about to be removed: by this list they are counted once, whatever crashes.',
        ...atomicList,
      }),
  })
  .meta({ description: 'The numbers of results that were deleted.' });

const objectiveResult = z.object({
  metric: oneOf(METRICS, 'What is bounded.'),
  statistic: text(8, 'Which statistic of it.'),
  thresholdMs: milliseconds('The bound, milliseconds.'),
  valueMs: signedMilliseconds(
    'The value; absent where there is none or where it is beyond all bounds.',
  ).exactOptional(),
  verdict: oneOf(VERDICTS, 'Whether the bound was kept.'),
  reason: oneOf(VERDICT_REASONS, 'Why.'),
  message: text(512, 'Why, in words.'),
});

export const datapathRunStatus = z
  .object({
    conditions: z
      .array(condition)
      .max(8)
      .exactOptional()
      .meta({ description: 'Complete, ObjectivesMet and Selecting.', ...mapListBy('type') }),
    observedGeneration: z
      .int()
      .min(0)
      .exactOptional()
      .meta({ description: 'The metadata.generation that the status was made from.', format: 'int64' }),
    verdict: oneOf(VERDICTS, 'The verdict over all objectives, once the run is complete.').exactOptional(),
    reason: oneOf(VERDICT_REASONS, 'Why the verdict is what it is.').exactOptional(),
    startedAt: instant('Creation of the first Pod.').exactOptional(),
    completedAt: instant('When the run was complete.').exactOptional(),
    updatedAt: instant('When this was written.').exactOptional(),
    watchedUntil: instant('A controller watched until here at least; kept up while the run is open.').exactOptional(),
    pods: count('Pods that belong to the run.').exactOptional(),
    ...(Object.fromEntries(Object.entries(outcomes).map(([name, schema]) => [name, schema.exactOptional()])) as {
      [K in keyof typeof outcomes]: z.ZodExactOptional<z.ZodNumber>;
    }),
    failureClasses,
    metrics: metrics(metric, 'The statistics of the run.').exactOptional(),
    failedPods: failed,
    clockSkew: skew,
    coverage: z
      .object({
        expected: count('Pods that were expected or seen.'),
        known: count('Pods of which it is known whether and when they became ready.'),
        ratio: ratio('Their share.'),
      })
      .exactOptional()
      .meta({ description: 'Of how many Pods the end is known.', ...atomicObject }),
    objectives: z
      .array(objectiveResult)
      .max(MAX_OBJECTIVES)
      .exactOptional()
      .meta({ description: 'How each objective was judged, once the run is complete.', ...atomicList }),
    gaps: z
      .array(z.object({ from: instant('Watched until here.'), to: instant('Watched again from here.') }))
      .max(MAX_GAPS)
      .exactOptional()
      .meta({
        description: 'When no controller watched while the run was open; the newest ones.',
        ...atomicList,
      }),
    archive: archive.exactOptional(),
  })
  .meta({
    description: 'What was measured.',
    ...rules({
      rule: '!has(oldSelf.archive) || (has(self.archive) && self.archive.results >= oldSelf.archive.results)',
      message: 'what is archived stays',
    }),
  });

export type DatapathRunSpec = z.infer<typeof datapathRunSpec>;
export type DatapathRunStatus = z.infer<typeof datapathRunStatus>;

export interface DatapathRun extends KubeObject {
  readonly spec: DatapathRunSpec;
  readonly status?: DatapathRunStatus;
}
