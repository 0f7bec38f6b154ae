/** Makes the status of a DatapathRun from its figures. Pure. */
import { formatInstant, fromEpochMs } from '../../datapath/instant.js';
import { FAILURE_CLASSES, METRICS } from '../../datapath/vocabulary.js';
import type { FailureClass, Metric, Outcome } from '../../datapath/vocabulary.js';
import { coverageOf, ratioText } from '../../statistics/objective.js';
import type { ObjectiveResult } from '../../statistics/objective.js';
import { archivedCount } from '../../statistics/run-archive.js';
import type { FailedPod, MetricArchive, RunArchive, Skew, WorstPod } from '../../statistics/run-archive.js';
import type { MetricFigures, RunFigures } from '../../statistics/run-figures.js';
import type { DatapathRunStatus } from './datapath-run.schema.js';
import type { ArchiveStatus } from './run-view.js';

type MetricStatus = NonNullable<DatapathRunStatus['metrics']>[Metric];
type Summary = Omit<
  DatapathRunStatus,
  | 'conditions'
  | 'observedGeneration'
  | 'verdict'
  | 'reason'
  | 'objectives'
  | 'gaps'
  | 'archive'
  | 'completedAt'
  | 'updatedAt'
  | 'watchedUntil'
>;

/** Counts and statistics. */
export function summaryStatus(figures: RunFigures, expectedPods: number | undefined): Summary {
  const ready = figures.metrics.timeToDatapathReady;
  const coverage = coverageOf(ready, figures, expectedPods);
  return {
    ...(figures.firstCreatedMs === null ? {} : { startedAt: instantText(figures.firstCreatedMs) }),
    pods: figures.pods,
    ...outcomesStatus(figures.outcomes),
    ...listed('failureClasses', failureClassesStatus(figures.failureClasses)),
    metrics: Object.fromEntries(METRICS.map((metric) => [metric, metricStatus(figures.metrics[metric])])) as Record<
      Metric,
      MetricStatus
    >,
    ...listed('failedPods', failedStatus(figures.failed)),
    ...skewStatus(figures.skew),
    ...(coverage === null
      ? {}
      : {
          coverage: {
            expected: Math.max(expectedPods ?? 0, figures.pods),
            known: ready.measured + ready.failed,
            ratio: ratioText(coverage),
          },
        }),
  };
}

export function archiveStatus(archive: RunArchive, releasing: Iterable<string>): ArchiveStatus {
  return {
    results: archivedCount(archive),
    ...outcomesStatus(archive.outcomes),
    ...listed('failureClasses', failureClassesStatus(archive.failureClasses)),
    metrics: Object.fromEntries(METRICS.map((metric) => [metric, numbersOf(archive.metrics[metric])])) as Record<
      Metric,
      ArchiveStatus['metrics'][Metric]
    >,
    ...listed('failedPods', failedStatus(archive.failed)),
    ...skewStatus(archive.skew),
    ...(archive.firstCreatedMs === null ? {} : { firstCreatedAt: instantText(archive.firstCreatedMs) }),
    ...listed('releasing', [...releasing].toSorted()),
  };
}

export function objectiveStatus(results: readonly ObjectiveResult[]): NonNullable<DatapathRunStatus['objectives']> {
  return results.map(({ objective, verdict, reason, message, valueMs }) => ({
    metric: objective.metric,
    statistic: objective.statistic,
    thresholdMs: objective.thresholdMs,
    ...(valueMs === null ? {} : { valueMs }),
    verdict,
    reason,
    message: message.slice(0, 512),
  }));
}

export function instantText(epochMs: number): string {
  return formatInstant(fromEpochMs(epochMs));
}

function outcomesStatus(
  outcomes: Readonly<Record<Outcome, number>>,
): Record<'pending' | 'started' | 'ready' | 'failed' | 'aborted', number> {
  return {
    pending: outcomes.Pending,
    started: outcomes.Started,
    ready: outcomes.Ready,
    failed: outcomes.Failed,
    aborted: outcomes.Aborted,
  };
}

function metricStatus(metric: MetricFigures): MetricStatus {
  return {
    count: metric.measured,
    failed: metric.failed,
    lost: metric.lost,
    unmeasured: metric.unmeasured,
    uncertain: metric.uncertain,
    sumMs: metric.sumMs,
    ...present('minMs', metric.minMs),
    ...present('maxMs', metric.maxMs),
    sketch: metric.sketch().toString(),
    ...listed('worst', metric.worst.map(worstStatus)),
    ...present('meanMs', metric.meanMs === null ? null : Math.round(metric.meanMs)),
    ...present('p50Ms', metric.quantile(0.5)),
    ...present('p90Ms', metric.quantile(0.9)),
    ...present('p95Ms', metric.quantile(0.95)),
    ...present('p99Ms', metric.quantile(0.99)),
    ...present('p999Ms', metric.quantile(0.999)),
    // While Pods are pending their ages move with the clock: a status that says them would be written for ever.
    censored:
      metric.pending > 0
        ? {}
        : {
            ...present('p50Ms', metric.censored(0.5)),
            ...present('p90Ms', metric.censored(0.9)),
            ...present('p99Ms', metric.censored(0.99)),
          },
    estimated: metric.estimated,
  };
}

function worstStatus({ createdAt, ...pod }: WorstPod): NonNullable<MetricStatus['worst']>[number] {
  return { ...pod, createdAt: formatInstant(createdAt) };
}

function numbersOf(metric: MetricArchive): ArchiveStatus['metrics'][Metric] {
  return {
    count: metric.sketch.count,
    failed: metric.failed,
    lost: metric.lost,
    unmeasured: metric.unmeasured,
    uncertain: metric.uncertain,
    sumMs: metric.sumMs,
    ...present('minMs', metric.minMs),
    ...present('maxMs', metric.maxMs),
    sketch: metric.sketch.toString(),
    ...listed('worst', metric.worst.map(worstStatus)),
  };
}

function failureClassesStatus(
  counts: Readonly<Partial<Record<FailureClass, number>>>,
): { class: FailureClass; count: number }[] {
  return FAILURE_CLASSES.flatMap((name) => {
    const count = counts[name] ?? 0;
    return count === 0 ? [] : [{ class: name, count }];
  });
}

function failedStatus(failed: readonly FailedPod[]): NonNullable<DatapathRunStatus['failedPods']> {
  return failed.map(({ failureClass, ...pod }) => ({ ...pod, class: failureClass }));
}

function skewStatus(skew: Skew): { clockSkew?: { results: number; behindMs: number; aheadMs: number } } {
  return skew.results === 0 ? {} : { clockSkew: { ...skew } };
}

/** Without members the field is left out, so that a status says nothing in two ways. */
function listed<K extends string, V>(name: K, list: V[]): { [P in K]?: V[] } {
  return list.length === 0 ? {} : ({ [name]: list } as { [P in K]: V[] });
}

function present<K extends string>(name: K, value: number | null): { [P in K]?: number } {
  return value === null ? {} : ({ [name]: value } as { [P in K]: number });
}
