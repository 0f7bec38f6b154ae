/** What is reported of a run, wherever it is read: by the REST API, by exports and by the command. Made from the resource alone. Pure. */
import { METRICS } from '../../datapath/vocabulary.js';
import type { Metric } from '../../datapath/vocabulary.js';
import type { DatapathRun, DatapathRunStatus } from './datapath-run.schema.js';

export type MetricReport = NonNullable<DatapathRunStatus['metrics']>[Metric];

export interface RunReport {
  readonly name: string;
  readonly uid: string;
  readonly complete: boolean;
  /** Why it is complete, or isn't yet. */
  readonly completeReason: string;
  readonly status: DatapathRunStatus;
  /** Metrics that have a value. */
  readonly metrics: readonly (readonly [Metric, MetricReport])[];
}

export function runReport({ metadata, status = {} }: Pick<DatapathRun, 'metadata' | 'status'>): RunReport {
  const complete = status.conditions?.find(({ type }) => type === 'Complete');
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    complete: complete?.status === 'True',
    completeReason: complete?.reason ?? 'Unknown',
    status,
    metrics: METRICS.flatMap((metric) => {
      const report = status.metrics?.[metric];
      return report === undefined || report.count === 0 ? [] : [[metric, report] as const];
    }),
  };
}

/** The figures of a metric in the order in which they are listed: name and milliseconds. */
export function figuresOf(metric: MetricReport): readonly (readonly [string, number])[] {
  const all: readonly (readonly [string, number | undefined])[] = [
    ['min', metric.minMs],
    ['p50', metric.p50Ms],
    ['p90', metric.p90Ms],
    ['p95', metric.p95Ms],
    ['p99', metric.p99Ms],
    ['p99.9', metric.p999Ms],
    ['max', metric.maxMs],
    ['mean', metric.meanMs],
  ];
  return all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}
