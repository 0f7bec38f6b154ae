import { describe, expect, it } from '@jest/globals';
import Ajv from 'ajv';
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

/** Reads well-formed XML without mixed namespaces strictly: the elements in order, with their attributes and texts. */
function readXml(text: string): { name: string; attributes: Record<string, string>; text: string }[] {
  const decode = (part: string): string =>
    part.replace(
      /&(amp|lt|gt|quot|apos);/g,
      (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" })[name] ?? '',
    );
  const elements: { name: string; attributes: Record<string, string>; text: string }[] = [];
  const open: string[] = [];
  let rest = text.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  while (rest !== '') {
    const match = /^(?:<\/([a-z]+)>|<([a-z]+)((?: [a-z]+="[^"<]*")*)(\/?)>|([^<]+))/.exec(rest);
    if (match === null) throw new Error(`no XML: ${rest.slice(0, 60)}`);
    const [all, closing, name, attributes = '', empty, characters] = match;
    rest = rest.slice(all.length);
    if (closing !== undefined && open.pop() !== closing) throw new Error(`${closing} was not open`);
    if (name !== undefined) {
      const pairs = [...attributes.matchAll(/ ([a-z]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [
        key,
        decode(value),
      ]);
      elements.push({ name, attributes: Object.fromEntries(pairs) as Record<string, string>, text: '' });
      if (empty === '') open.push(name);
    }
    if (characters !== undefined && characters.trim() !== '')
      (elements.at(-1) as { text: string }).text += decode(characters);
  }
  if (open.length > 0) throw new Error(`${open.join()} stay open`);
  return elements;
}

describe('JUnit XML', () => {
  it('has a case per objective: a failure for Missed, an error for Inconclusive, with failed Pods as evidence', () => {
    const elements = readXml(exportRun(report(['Met', 'Missed', 'Inconclusive']), 'junit'));
    expect(elements.map(({ name }) => name)).toEqual([
      'testsuites',
      'testsuite',
      'testcase',
      'testcase',
      'failure',
      'testcase',
      'error',
    ]);
    expect(elements[1]?.attributes).toMatchObject({ name: 'nightly-42', tests: '3', failures: '1', errors: '1' });
    expect(elements[2]?.attributes).toMatchObject({ name: 'timeToDatapathReady p90 at most 5000 ms' });
    const shown = HOSTILE.replace('\u0000\u001b', '\ufffd\ufffd').replace('\ud800', '\ufffd');
    expect(elements[4]?.attributes).toEqual({ type: 'AboveThreshold', message: shown });
    expect(elements[4]?.text).toBe(`perf/web-101: ProbeTimeout: ${shown}`);
  });

  it('of an open run is an error, never a pass', () => {
    const elements = readXml(exportRun(report(['Met'], false), 'junit'));
    expect(elements.map(({ name }) => name)).toEqual(['testsuites', 'testsuite', 'testcase', 'error']);
    expect(elements[3]?.attributes['type']).toBe('PodsPending');
  });

  it('of a run without objectives says that it is complete', () => {
    const elements = readXml(exportRun(report([]), 'junit'));
    expect(elements.at(-1)?.attributes['name']).toBe('the run is complete');
    expect(elements[0]?.attributes).toMatchObject({ tests: '1', failures: '0', errors: '0' });
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
