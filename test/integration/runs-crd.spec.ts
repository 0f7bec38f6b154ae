/** What the API server itself holds of a DatapathRun, whoever writes it. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FAILURE_CLASSES, METRICS } from '../../src/datapath/vocabulary.js';
import type { ResultState } from '../../src/datapath/result-state.js';
import type { KubeObject } from '../../src/modules/kube/resource.js';
import { archiveStatus, objectiveStatus, summaryStatus } from '../../src/modules/runs/run-status.js';
import { projectRun } from '../../src/modules/runs/run-view.js';
import { judge } from '../../src/statistics/objective.js';
import { archivedCount, archiveOf } from '../../src/statistics/run-archive.js';
import type { RunArchive } from '../../src/statistics/run-archive.js';
import { runFigures } from '../../src/statistics/run-figures.js';
import { ResultTable } from '../../src/statistics/result-table.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { serveDefinition } from '../support/definitions.js';

const CRD = fileURLToPath(new URL('../../config/crd/datapath.observer_datapathruns.yaml', import.meta.url));
const NOW_MS = Date.UTC(2026, 2, 1, 10);
const NOW = BigInt(NOW_MS) * 1_000_000n;

type Run = KubeObject & { readonly spec: object; readonly status?: object };

describe('the DatapathRun resource', () => {
  let controlPlane: ControlPlane;

  beforeAll(async () => {
    controlPlane = await startControlPlane({ audit: false });
    await serveDefinition(controlPlane, CRD, 'datapathruns.datapath.observer');
  }, 120_000);
  afterAll(async () => {
    await controlPlane?.stop();
  });

  it('takes every kind of objective, selector and end', async () => {
    await create('full', {
      selector: {
        podSelector: {
          matchLabels: { app: 'web' },
          matchExpressions: [{ key: 'tier', operator: 'In', values: ['a'] }],
        },
        namespaceSelector: { matchExpressions: [{ key: 'perf', operator: 'Exists' }] },
      },
      expectedPods: 3500,
      deadlineSeconds: 900,
      quietSeconds: 30,
      objectives: [
        { metric: 'timeToDatapathReady', statistic: 'p99', thresholdMs: 5000, maxFailedRatio: '0.01' },
        { metric: 'timeToDatapathReady', statistic: 'p99.9', thresholdMs: 9000, minCoverage: '0.999' },
        { metric: 'timeToStart', statistic: 'max', thresholdMs: 60_000 },
        { metric: 'datapathDelay', statistic: 'mean', thresholdMs: 250 },
        { metric: 'datapathDelay', statistic: 'min', thresholdMs: 1 },
        { metric: 'datapathDelay', statistic: 'p5', thresholdMs: 10 },
      ],
      ttlSecondsAfterComplete: 0,
    });
    await create('bare', {});
    await create('any-pod', { selector: { podSelector: {} } });
  });

  const objective = { metric: 'timeToStart', statistic: 'p99', thresholdMs: 5000 };
  it.each([
    ['an unknown metric', { objectives: [{ ...objective, metric: 'latency' }] }, 'Unsupported value: "latency"'],
    ['a negative threshold', { objectives: [{ ...objective, thresholdMs: -1 }] }, 'greater than or equal to 1'],
    ['a threshold of 0', { objectives: [{ ...objective, thresholdMs: 0 }] }, 'greater than or equal to 1'],
    [
      'a threshold that is no number',
      { objectives: [{ ...objective, thresholdMs: 'NaN' }] },
      'must be of type integer',
    ],
    ['a broken threshold', { objectives: [{ ...objective, thresholdMs: 0.5 }] }, 'must be of type integer'],
    ['quantile 0', { objectives: [{ ...objective, statistic: 'p0' }] }, 'above p0 and below p100'],
    ['quantile 0.0', { objectives: [{ ...objective, statistic: 'p0.000' }] }, 'above p0 and below p100'],
    ['quantile 1', { objectives: [{ ...objective, statistic: 'p100' }] }, 'statistic'],
    ['quantile 1.5', { objectives: [{ ...objective, statistic: 'p150' }] }, 'statistic'],
    ['quantile NaN', { objectives: [{ ...objective, statistic: 'pNaN' }] }, 'statistic'],
    ['an unknown statistic', { objectives: [{ ...objective, statistic: 'median' }] }, 'statistic'],
    ['a ratio above 1', { objectives: [{ ...objective, maxFailedRatio: '1.1' }] }, 'maxFailedRatio'],
    ['a ratio that is no number', { objectives: [{ ...objective, maxFailedRatio: 'NaN' }] }, 'maxFailedRatio'],
    ['a ratio as a float', { objectives: [{ ...objective, minCoverage: 0.5 }] }, 'minCoverage'],
    ['the same objective twice', { objectives: [objective, { ...objective, thresholdMs: 1 }] }, 'Duplicate value'],
    ['no Pods expected', { expectedPods: 0 }, 'greater than or equal to 1'],
    ['fewer than no Pods expected', { expectedPods: -5 }, 'greater than or equal to 1'],
    ['a deadline of 0', { deadlineSeconds: 0 }, 'greater than or equal to 1'],
    ['a negative time to live', { ttlSecondsAfterComplete: -1 }, 'greater than or equal to 0'],
    ['a selector of nothing', { selector: {} }, 'a selector has a podSelector, a namespaceSelector or both'],
    [
      'In without values',
      { selector: { podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } } },
      'In and NotIn need values',
    ],
    [
      'Exists with values',
      { selector: { podSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } } },
      'Exists and DoesNotExist take no values',
    ],
    [
      'an unknown operator',
      { selector: { podSelector: { matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] } } },
      'Unsupported value: "Gt"',
    ],
  ])('refuses %s', async (_, spec, reason) => {
    expect(await refusalOf('refused', spec)).toContain(reason);
  });

  it.each(['Upper', 'under_score', `${'x'.repeat(64)}`, '-dash'])('refuses the name %j', async (name) => {
    expect(await refusalOf(name, {})).toMatch(/metadata.name|Invalid value/);
  });

  it('gives back what it keeps of results unchanged, shows it in kubectl, and never lets it shrink', async () => {
    const states = Array.from({ length: 200 }, (_, i) => state(`p${String(i).padStart(3, '0')}`, 100 + i * 7));
    const archive = archiveOf([...states, failedState('x'), failedState('y')]);
    await create('archived', {
      expectedPods: 202,
      objectives: [{ metric: 'timeToDatapathReady', statistic: 'p50', thresholdMs: 5000 }],
    });
    const figures = runFigures(new ResultTable(), new Uint8Array(0), archive, NOW_MS);
    const result = judge({ metric: 'timeToDatapathReady', statistic: 'p50', thresholdMs: 5000 }, figures, {
      longestGapMs: 0,
    });
    const stored = await writeStatus('archived', {
      ...summaryStatus(figures, 202),
      verdict: result.verdict,
      reason: result.reason,
      objectives: objectiveStatus([result]),
      archive: archiveStatus(archive, ['b', 'a']),
    });
    const view = projectRun(stored);
    expect(view.archiveError).toBeUndefined();
    expect(plain(view.archive)).toEqual(plain(archive));
    expect([...view.releasing]).toEqual(['a', 'b']);

    const [head, row] = (await controlPlane.kubectlOk(['get', 'dprun', 'archived'])).split('\n');
    expect(head?.trimEnd().split(/ {2,}/)).toEqual([
      'NAME',
      'EXPECTED',
      'READY',
      'FAILED',
      'P50',
      'P99',
      'VERDICT',
      'AGE',
    ]);
    expect(row?.trimEnd().split(/ {2,}/)).toEqual([
      'archived',
      '202',
      '200',
      '2',
      expect.stringMatching(/^(78[5-9]|79\d|80[01])$/),
      expect.stringMatching(/^14[6-9]\d$/),
      'Met',
      expect.any(String),
    ]);

    const smaller = archiveStatus(archiveOf(states), []);
    await expect(writeStatus('archived', { archive: smaller })).rejects.toThrow('what is archived stays');
    await expect(writeStatus('archived', { archive: null })).rejects.toThrow('what is archived stays');
  });

  it('takes the largest status that a controller writes', async () => {
    const values = Array.from({ length: 3_000 }, (_, i) => Math.round(1.008 ** i));
    const many = values.filter((value) => value < 2 ** 40).map((value, i) => state(`${'p'.repeat(240)}-${i}`, value));
    const failures = FAILURE_CLASSES.flatMap((failureClass) =>
      Array.from({ length: 100 }, (_, i) => ({
        ...failedState(`${'f'.repeat(240)}-${i}`),
        failure: { class: failureClass, message: '☃'.repeat(512) },
      })),
    );
    const archive = archiveOf([...many, ...failures]);
    const figures = runFigures(new ResultTable(), new Uint8Array(0), archive, NOW_MS);
    const releasing = Array.from({ length: 4000 }, (_, i) => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`);
    await create('largest', {});
    const stored = await writeStatus('largest', {
      ...summaryStatus(figures, undefined),
      archive: archiveStatus(archive, releasing),
    });
    expect(plain(projectRun(stored).archive)).toEqual(plain(archive));
    expect(Buffer.byteLength(JSON.stringify(stored))).toBeLessThan(600_000);
  });

  async function create(name: string, spec: object): Promise<void> {
    await controlPlane.kubectlOk(['create', '-f', '-'], { input: JSON.stringify(run(name, spec)) });
  }

  async function refusalOf(name: string, spec: object): Promise<string> {
    const { code, stderr } = await controlPlane.kubectl(['create', '-f', '-'], {
      input: JSON.stringify(run(name, spec)),
    });
    expect(code).not.toBe(0);
    return stderr;
  }

  async function writeStatus(name: string, status: object): Promise<Run> {
    const path = `/apis/datapath.observer/v1/datapathruns/${name}`;
    const present = JSON.parse((await controlPlane.request('GET', path)).text) as Run;
    const answer = await controlPlane.request('PUT', `${path}/status`, {
      ...present,
      status: { ...present.status, ...status },
    });
    if (answer.status !== 200) throw new Error(answer.text);
    return JSON.parse(answer.text) as Run;
  }
});

function run(name: string, spec: object): object {
  return { apiVersion: 'datapath.observer/v1', kind: 'DatapathRun', metadata: { name }, spec };
}

/** The archive with its sketches as text, to compare. */
function plain(archive: RunArchive): unknown {
  return {
    ...archive,
    count: archivedCount(archive),
    metrics: METRICS.map((metric) => ({
      ...archive.metrics[metric],
      sketch: archive.metrics[metric].sketch.toString(),
    })),
  };
}

function state(name: string, readyMs: number): ResultState {
  return {
    namespace: 'perf',
    name,
    uid: `uid-${name}`.slice(0, 128),
    createdAt: NOW,
    creationSource: 'WatchReceipt',
    runName: 'run',
    labels: {},
    outcome: 'Ready',
    nodeName: 'node-1',
    startedAt: NOW + BigInt(readyMs) * 500_000n,
    datapathReadyAt: NOW + BigInt(readyMs) * 1_000_000n,
    datapathDelayMs: Math.floor(readyMs / 2),
    milestones: [],
    uncertaintyMs: 0,
    clockSkew: { behindMs: 3 },
    restarts: 0,
  };
}

function failedState(name: string): ResultState {
  const { startedAt: _, datapathReadyAt: __, datapathDelayMs: ___, ...open } = state(name, 1);
  return { ...open, outcome: 'Failed', failure: { class: 'ProbeTimeout', message: 'refused' } };
}
