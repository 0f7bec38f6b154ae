import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { readyResult, result, TEST_NOW_MS } from '../../../test/support/api-app.js';
import { markMatching } from '../../statistics/result-filter.js';
import { emptyArchive } from '../../statistics/run-archive.js';
import { runFigures } from '../../statistics/run-figures.js';
import type { KnownRun } from '../api/read-model.js';
import { ResultIndex } from '../results/result-index.js';
import { DatapathMetrics, MAX_LABEL_SETS, MAX_NAMESPACES } from './datapath-metrics.js';
import type { MetricsLabel } from '../../settings/settings.js';

let registry: Registry;
let index: ResultIndex;
let synced: boolean;
let runs: KnownRun[];

beforeEach(() => {
  registry = new Registry();
  index = new ResultIndex();
  synced = true;
  runs = [];
  measureWith([]);
});

function measureWith(extraLabels: readonly MetricsLabel[]): void {
  registry.clear();
  const metrics = new DatapathMetrics(registry, {
    table: index.table,
    synced: () => synced,
    newestRuns: (limit) => runs.slice(0, limit),
    epochMs: () => TEST_NOW_MS,
    extraLabels,
  });
  index.changes.subscribe((change) => {
    metrics.onChange(change);
  });
}

/** The value of a series, or `undefined` where there is none. */
async function value(series: string): Promise<number | undefined> {
  const line = (await registry.metrics()).split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

describe('counters', () => {
  it('are there at 0 before anything happens, so that an alert sees the first failure', async () => {
    expect(await value('datapath_pods_total{outcome="Failed"}')).toBe(0);
    expect(await value('datapath_failures_total{class="ReportLost"}')).toBe(0);
  });

  it('count each outcome when it is reached, and each value when it is first known', async () => {
    index.put(result('p'));
    index.put(result('p', { outcome: 'Failed', failure: { class: 'DeadlineExceeded', message: '' } }));
    index.put(result('p', { outcome: 'Failed', failure: { class: 'DeadlineExceeded', message: '' }, restarts: 1 }));
    index.put(readyResult('p', 400, 900));
    index.put(readyResult('p', 400, 900, { restarts: 2 }));
    expect(await value('datapath_pods_total{outcome="Pending"}')).toBe(1);
    expect(await value('datapath_pods_total{outcome="Failed"}')).toBe(1);
    expect(await value('datapath_pods_total{outcome="Ready"}')).toBe(1);
    expect(await value('datapath_failures_total{class="DeadlineExceeded"}')).toBe(1);
    expect(await value('datapath_time_to_ready_seconds_count{namespace="perf"}')).toBe(1);
    expect(await value('datapath_time_to_ready_seconds_sum{namespace="perf"}')).toBe(0.9);
    expect(await value('datapath_time_to_ready_seconds_bucket{le="0.75",namespace="perf"}')).toBe(0);
    expect(await value('datapath_time_to_ready_seconds_bucket{le="1",namespace="perf"}')).toBe(1);
  });

  it('do not count again what was there before the process started', async () => {
    synced = false;
    index.put(readyResult('old', 1, 2));
    index.put(result('open'));
    // What is found to have happened meanwhile did happen.
    index.put(readyResult('open', 5, 6));
    synced = true;
    expect(await value('datapath_pods_total{outcome="Ready"}')).toBe(1);
    expect(await value('datapath_time_to_start_seconds_count{namespace="perf"}')).toBe(1);
    expect(await value('datapath_results{outcome="Ready"}')).toBe(2);
  });

  it('never fall because a clock is off', async () => {
    index.put(readyResult('p', -5000, -4000));
    expect(await value('datapath_time_to_start_seconds_sum{namespace="perf"}')).toBe(0);
    expect(await value('datapath_time_to_start_seconds_count{namespace="perf"}')).toBe(1);
  });

  it('have a bounded number of series, whatever the number of namespaces', async () => {
    for (let i = 0; i < MAX_NAMESPACES + 50; i++) {
      index.put(readyResult(`p${String(i)}`, 1, 2, { namespace: `n${String(i)}` }));
    }
    expect(await value('datapath_time_to_start_seconds_count{namespace="_other"}')).toBe(50);
    const text = await registry.metrics();
    expect(text.match(/^datapath_time_to_start_seconds_count/gm)).toHaveLength(MAX_NAMESPACES + 1);
    expect(text).not.toMatch(/uid-|p1\b/);
  });

  it('tell runs and nodes apart where that is set, and still have a bounded number of series', async () => {
    measureWith(['run', 'node']);
    for (let i = 0; i < MAX_LABEL_SETS + 7; i++) {
      index.put(readyResult(`p${String(i)}`, 1, 2, { runName: 'r', nodeName: `node-${String(i)}` }));
    }
    expect(await value('datapath_time_to_start_seconds_count{namespace="perf",run="r",node="node-3"}')).toBe(1);
    expect(await value('datapath_time_to_start_seconds_count{namespace="_other",run="_other",node="_other"}')).toBe(7);
  });
});

function run(name: string, objectives: KnownRun['objectives'] = []): KnownRun {
  const { table } = index;
  return {
    name,
    objectives,
    figures: (nowMs) => runFigures(table, markMatching(table, { runs: [name] }), emptyArchive(), nowMs),
  };
}

describe('runs', () => {
  it('have quantiles and counts, the newest twenty only', async () => {
    for (let i = 0; i < 25; i++) {
      const runName = `run-${String(i)}`;
      for (let pod = 1; pod <= 4; pod++) {
        index.put(readyResult(`p${String(i)}-${String(pod)}`, pod * 100, pod * 1000, { runName }));
      }
      runs.unshift(run(runName));
    }
    index.put(result('late', { runName: 'run-24' }));
    const quantile = (q: string): string =>
      `datapath_run_quantile_seconds{run="run-24",metric="timeToDatapathReady",quantile="${q}"}`;
    expect(await value(quantile('0.5'))).toBe(2);
    expect(await value(quantile('1'))).toBe(4);
    expect(await value('datapath_run_pods{run="run-24",outcome="Pending"}')).toBe(1);
    expect(await value('datapath_run_pods{run="run-5",outcome="Ready"}')).toBe(4);
    expect(await value('datapath_run_pods{run="run-4",outcome="Ready"}')).toBeUndefined();
  });

  it('say which objectives they met, and that others are not known to be met', async () => {
    const objective = { metric: 'timeToDatapathReady', thresholdMs: 5000 } as const;
    runs.push(
      run('run-1', [
        { ...objective, statistic: 'p50', verdict: 'Met' },
        { ...objective, statistic: 'p99', verdict: 'Missed' },
        { ...objective, statistic: 'max', verdict: 'Inconclusive' },
      ]),
    );
    const met = (statistic: string): string =>
      `datapath_run_objective_met{run="run-1",objective="timeToDatapathReady ${statistic} <= 5000ms"}`;
    expect(await value(met('p50'))).toBe(1);
    expect(await value(met('p99'))).toBe(0);
    expect(await value(met('max'))).toBe(0);
  });

  it('that are gone leave no series', async () => {
    index.put(readyResult('p', 1, 2));
    runs.push(run('run-1'));
    expect(await value('datapath_run_pods{run="run-1",outcome="Ready"}')).toBe(1);
    runs.pop();
    expect(await value('datapath_run_pods{run="run-1",outcome="Ready"}')).toBeUndefined();
  });
});
