import { describe, expect, it } from '@jest/globals';
import Ajv from 'ajv';
import { parse } from 'junit2json';
import type { TestSuites } from 'junit2json';
import { fromEpochMs } from '../../../datapath/instant.js';
import type { ResultState } from '../../../datapath/result-state.js';
import { ResultTable } from '../../../statistics/result-table.js';
import { archiveOf } from '../../../statistics/run-archive.js';
import { runFigures } from '../../../statistics/run-figures.js';
import { runReport } from '../run-report.js';
import type { RunReport } from '../run-report.js';
import { summaryStatus } from '../run-status.js';
import { exportRun } from './formats.js';

const NOW_MS = Date.UTC(2026, 0, 31, 12);

function pod(i: number, over: Partial<ResultState> = {}): ResultState {
  return {
    namespace: 'perf',
    name: `web-${String(i)}`,
    uid: `uid-${String(i)}`,
    createdAt: fromEpochMs(NOW_MS),
    creationSource: 'WatchReceipt',
    runName: 'nightly-42',
    labels: {},
    outcome: 'Ready',
    startedAt: fromEpochMs(NOW_MS + 50),
    datapathReadyAt: fromEpochMs(NOW_MS + i),
    milestones: [],
    uncertaintyMs: 0,
    restarts: 0,
    ...over,
  };
}

const HOSTILE = '<![CDATA[ ]]> & "quoted" \u0000\u001b[31m \ud800 ☃';

function report(verdicts: readonly ('Met' | 'Missed' | 'Inconclusive')[], complete = true): RunReport {
  const { startedAt: _, datapathReadyAt: __, ...open } = pod(101);
  const states = Array.from({ length: 100 }, (_unused, i) => pod(i + 1));
  const failed: ResultState = { ...open, outcome: 'Failed', failure: { class: 'ProbeTimeout', message: HOSTILE } };
  const figures = runFigures(new ResultTable(), new Uint8Array(0), archiveOf([...states, failed]), NOW_MS);
  return runReport({
    metadata: { name: 'nightly-42', uid: 'run-uid' },
    status: {
      ...summaryStatus(figures, 101),
      conditions: [
        {
          type: 'Complete',
          status: complete ? 'True' : 'False',
          reason: complete ? 'ExpectedPodsFinal' : 'PodsPending',
          message: '',
          lastTransitionTime: '2026-01-31T12:00:00Z',
        },
      ],
      ...(complete ? { completedAt: '2026-01-31T12:01:00.000Z' } : {}),
      objectives: verdicts.map((verdict, i) => ({
        metric: 'timeToDatapathReady',
        statistic: `p${String(i + 90)}`,
        thresholdMs: 5000,
        verdict,
        reason: verdict === 'Met' ? 'WithinThreshold' : verdict === 'Missed' ? 'AboveThreshold' : 'LowCoverage',
        message: HOSTILE,
      })),
    },
  });
}

/** What a parser of JUnit XML, strict about XML, makes of the export. */
async function junitOf(run: RunReport): Promise<TestSuites> {
  const suites = await parse(exportRun(run, 'junit'));
  if (suites === undefined || suites === null || !('testsuite' in suites)) throw new Error('no test suites');
  return suites;
}

describe('JUnit XML', () => {
  it('has a case per objective: a failure for Missed, an error for Inconclusive, with failed Pods as evidence', async () => {
    const { testsuite, ...totals } = await junitOf(report(['Met', 'Missed', 'Inconclusive']));
    const counts = { tests: 3, failures: 1, errors: 1 };
    expect(totals).toMatchObject(counts);
    expect(testsuite).toMatchObject([{ name: 'nightly-42', timestamp: '2026-01-31T12:01:00.000Z', ...counts }]);
    const [met, missed, open] = testsuite?.[0]?.testcase ?? [];
    expect(met).toEqual({ classname: 'nightly-42', name: 'timeToDatapathReady p90 at most 5000 ms', time: 0 });
    const shown = HOSTILE.replace('\u0000\u001b', '\ufffd\ufffd').replace('\ud800', '\ufffd');
    const inner = `perf/web-101: ProbeTimeout: ${shown}`;
    expect(missed?.failure).toEqual([{ type: 'AboveThreshold', message: shown, inner }]);
    expect(open?.error).toEqual([{ type: 'LowCoverage', message: shown, inner }]);
  });

  it('of an open run is an error, never a pass', async () => {
    const suites = await junitOf(report(['Met'], false));
    expect(suites).toMatchObject({ tests: 1, failures: 0, errors: 1 });
    expect(suites.testsuite?.[0]?.testcase).toMatchObject([{ error: [{ type: 'PodsPending' }] }]);
  });

  it('of a run without objectives says that it is complete', async () => {
    const suites = await junitOf(report([]));
    expect(suites).toMatchObject({ tests: 1, failures: 0, errors: 0 });
    expect(suites.testsuite?.[0]?.testcase?.map(({ name }) => name)).toEqual(['the run is complete']);
  });
});

describe('PerfData', () => {
  it('has the form that perf-dash reads', () => {
    const document = JSON.parse(exportRun(report(['Met']), 'perfdata')) as { dataItems: { data: object }[] };
    const texts = { type: 'object', additionalProperties: { type: 'string' } };
    const schema = {
      type: 'object',
      required: ['version', 'dataItems'],
      additionalProperties: false,
      properties: {
        version: { type: 'string' },
        labels: texts,
        dataItems: {
          type: 'array',
          items: {
            type: 'object',
            required: ['data', 'unit'],
            additionalProperties: false,
            properties: {
              data: { type: 'object', additionalProperties: { type: 'number' } },
              unit: { type: 'string' },
              labels: texts,
            },
          },
        },
      },
    };
    const ajv = new Ajv.default();
    expect([ajv.validate(schema, document), ajv.errors]).toEqual([true, null]);
    expect(document.dataItems[1]?.data).toEqual({ Perc50: 50, Perc90: 90, Perc99: 99 });
  });
});

describe('the documents of kube-burner', () => {
  it('have its names, in milliseconds', () => {
    const documents = JSON.parse(exportRun(report(['Met']), 'kube-burner')) as object[];
    expect(documents).toContainEqual({
      quantileName: 'DatapathReady',
      uuid: 'run-uid',
      P99: 99,
      P95: 95,
      P50: 50,
      min: 1,
      max: 100,
      avg: 51,
      timestamp: '2026-01-31T12:01:00.000Z',
      metricName: 'podLatencyQuantilesMeasurement',
      jobName: 'nightly-42',
    });
  });
});

describe('a run whose DatapathRun was deleted', () => {
  it('has a timestamp all the same, that of its first Pod, since readers refuse an empty one', () => {
    const { status, ...rest } = report([]);
    const { completedAt: _, ...left } = status;
    const [document] = JSON.parse(exportRun({ ...rest, status: left }, 'kube-burner')) as { timestamp: string }[];
    expect(document?.timestamp).toBe('2026-01-31T12:00:00.000Z');
  });
});

describe('tables', () => {
  it('have a line per figure as CSV', () => {
    const lines = exportRun(report(['Met']), 'csv')
      .trimEnd()
      .split('\r\n');
    expect(lines[0]).toBe('run,metric,statistic,valueMs,count,estimated');
    expect(lines).toContain('nightly-42,timeToDatapathReady,p99,99,100,true');
    expect(lines).toHaveLength(1 + 2 * 8);
  });

  it('have a line per metric as NDJSON', () => {
    const lines = exportRun(report(['Met']), 'ndjson')
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { metric: string }).metric)).toEqual([
      'timeToStart',
      'timeToDatapathReady',
    ]);
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ run: 'nightly-42', unit: 'ms', count: 100, p99: 99, failed: 1 });
  });
});
