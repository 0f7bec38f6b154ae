/** Documents as kube-burner indexes them: one of `podLatencyQuantilesMeasurement` per metric. Names and case are kube-burner's. */
import type { RunReport } from '../run-report.js';

const QUANTILE_NAMES = { timeToStart: 'Started', timeToDatapathReady: 'DatapathReady', datapathDelay: 'DatapathDelay' };

export interface KubeBurnerDocument {
  readonly quantileName: string;
  readonly uuid: string;
  readonly P99: number;
  readonly P95: number;
  readonly P50: number;
  readonly min: number;
  readonly max: number;
  readonly avg: number;
  readonly timestamp: string;
  readonly metricName: 'podLatencyQuantilesMeasurement';
  readonly jobName: string;
}

export function kubeBurnerDocuments({ name, uid, status, metrics }: RunReport): KubeBurnerDocument[] {
  return metrics.map(([metric, figures]) => ({
    quantileName: QUANTILE_NAMES[metric],
    uuid: uid,
    P99: figures.p99Ms ?? 0,
    P95: figures.p95Ms ?? 0,
    P50: figures.p50Ms ?? 0,
    min: figures.minMs ?? 0,
    max: figures.maxMs ?? 0,
    avg: figures.meanMs ?? 0,
    // A metric with a value has a first Pod.
    timestamp: status.completedAt ?? status.updatedAt ?? status.startedAt ?? '',
    metricName: 'podLatencyQuantilesMeasurement',
    jobName: name,
  }));
}
