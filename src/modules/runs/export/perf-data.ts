/**
 * PerfData, as the scalability tests of Kubernetes write it (perf-tests, `util-images/…/perftype`) and perf-dash reads it: a list of data
 * items with one unit and labels each.
 */
import type { RunReport } from '../run-report.js';

/** perf-dash joins the items of one metric by these names. */
const NAMES = {
  timeToStart: 'time_to_start',
  timeToDatapathReady: 'time_to_datapath_ready',
  datapathDelay: 'datapath_delay',
};

export interface PerfData {
  readonly version: string;
  readonly dataItems: readonly {
    readonly data: Readonly<Record<string, number>>;
    readonly unit: string;
    readonly labels: Readonly<Record<string, string>>;
  }[];
  readonly labels: Readonly<Record<string, string>>;
}

export function perfData(report: RunReport): PerfData {
  return {
    version: 'v1',
    dataItems: report.metrics.map(([metric, { p50Ms = 0, p90Ms = 0, p99Ms = 0 }]) => ({
      data: { Perc50: p50Ms, Perc90: p90Ms, Perc99: p99Ms },
      unit: 'ms',
      labels: { Metric: NAMES[metric] },
    })),
    labels: {
      run: report.name,
      ...(report.status.verdict === undefined ? {} : { verdict: report.status.verdict }),
    },
  };
}
