/**
 * Examples for the documentation: real answers, computed by the code that answers, over a few made-up Pods. The tests ask a server
 * that has these Pods the example questions, and get these answers.
 */
import { formatInstant, parseInstant } from '../../datapath/instant.js';
import type { Instant } from '../../datapath/instant.js';
import type { ResultState } from '../../datapath/result-state.js';
import type { Metric } from '../../datapath/vocabulary.js';
import { parseSelector } from '../../statistics/label-selector.js';
import { ResultTable } from '../../statistics/result-table.js';
import { CSV_HEADER, csvLine } from './csv.js';
import { runExample } from '../runs/run-examples.js';
import { podHealth } from './pod-health.js';
import type { PodObservation } from '../../datapath/pod-observation.js';
import type { Workload } from './read-model.js';
import { resultRecord, timelineOf } from './result-record.js';
import { statisticAnswer } from './statistic-answer.js';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const CREATED = parseInstant('2026-01-31T12:00:00.250Z') as Instant;
const EARLIER = parseInstant('2026-01-30T12:00:00.250Z') as Instant;
const NOW = parseInstant('2026-01-31T12:01:00Z') as Instant;
const MS = 1_000_000n;

function example(
  name: string,
  uid: string,
  startMs: number,
  readyMs: number,
  runName = 'nightly-42',
  createdAt = CREATED,
): ResultState {
  const startedAt = createdAt + BigInt(startMs) * MS;
  const datapathReadyAt = createdAt + BigInt(readyMs) * MS;
  return {
    namespace: 'perf',
    name,
    uid,
    ownerKind: 'ReplicaSet',
    ownerName: 'web-6d5f7',
    createdAt,
    creationSource: 'WatchReceipt',
    runName,
    labels: { app: runName === 'nightly-42' ? 'web' : 'web-before', tier: 'a' },
    outcome: 'Ready',
    nodeName: 'node-1',
    startedAt,
    datapathReadyAt,
    datapathDelayMs: readyMs - startMs,
    milestones: [
      { name: 'created', at: createdAt, source: 'WatchReceipt', resolutionMs: 0 },
      { name: 'started', at: startedAt, source: 'Annotation', resolutionMs: 0 },
      { name: 'datapathReady', at: datapathReadyAt, source: 'Annotation', resolutionMs: 0 },
    ],
    probe: { target: 'tcp://10.0.0.10:80', attempts: 3, phases: { connectMs: 2 } },
    uncertaintyMs: 0,
    restarts: 0,
  };
}

const FAST = example('web-6d5f7-abcde', '0f1e2d3c-4b5a-4697-8877-665544332211', 1180, 1430);
const SLOW = example('web-6d5f7-fghij', '1a2b3c4d-5e6f-4071-8293-a4b5c6d7e8f9', 2210, 4870);
const FAILED: ResultState = {
  namespace: 'perf',
  name: 'web-6d5f7-klmno',
  uid: '2b3c4d5e-6f70-4182-93a4-b5c6d7e8f90a',
  ownerKind: 'ReplicaSet',
  ownerName: 'web-6d5f7',
  createdAt: CREATED,
  creationSource: 'WatchReceipt',
  runName: 'nightly-42',
  labels: { app: 'web', tier: 'b' },
  outcome: 'Failed',
  milestones: [{ name: 'created', at: CREATED, source: 'WatchReceipt', resolutionMs: 0 }],
  failure: { class: 'ImagePull', message: 'Back-off pulling image "web:nope"' },
  uncertaintyMs: 0,
  restarts: 0,
};

const BEFORE = [
  example('web-before-abcde', '3c4d5e6f-7081-4293-a4b5-c6d7e8f90a1b', 1200, 1500, 'nightly-41', EARLIER),
  example('web-before-fghij', '4d5e6f70-8192-43a4-b5c6-d7e8f90a1b2c', 2100, 3400, 'nightly-41', EARLIER),
];

/** Milliseconds since the epoch of the moment of the examples. */
export const EXAMPLE_NOW_MS = Number(NOW / MS);
export const EXAMPLE_RESULTS: readonly ResultState[] = [FAST, SLOW, FAILED, ...BEFORE];

const METRIC_OF: Readonly<Record<string, Metric>> = {
  timeToStart: 'timeToStart',
  timeToDatapathReady: 'timeToDatapathReady',
  datapathDelay: 'datapathDelay',
};
const TIMES = { generatedAt: formatInstant(NOW), synced: true };

/** What the example question of an operation is answered with in a media type, or `undefined` where there is no example. */
export function answerExample(operationId: string, mediaType: string): Json | undefined {
  const metric = METRIC_OF[operationId];
  if (metric !== undefined) return plain(statisticExample(metric));
  switch (operationId) {
    case 'podHealth':
      return plain(podHealthExample());
    case 'listResults':
      if (mediaType === 'text/csv') return `${CSV_HEADER}${csvLine(resultRecord(FAILED))}`;
      if (mediaType === 'application/x-ndjson') return `${JSON.stringify(resultRecord(FAILED))}\n`;
      return plain({ items: [resultRecord(FAILED)], total: 1, cursor: null, lastEventId: '0123456789ab-3', ...TIMES });
    case 'getResult':
      return plain({ ...resultRecord(FAST), timeline: timelineOf(FAST.milestones, FAST.createdAt), ...TIMES });
    case 'streamResults':
      return (
        'retry: 2000\n\nevent: results\nid: 0123456789ab-4\n' +
        `data: ${JSON.stringify({ changed: [resultRecord(FAST)], removed: [] })}\n\n: ping\n\n`
      );
    default: {
      const answer = runExample(operationId, mediaType, tableOf(EXAMPLE_RESULTS), EXAMPLE_NOW_MS);
      return answer === undefined ? undefined : plain(answer);
    }
  }
}

function statisticExample(metric: Metric): unknown {
  return statisticAnswer(tableOf(EXAMPLE_RESULTS), {
    metric,
    filter: { namespaces: ['perf'], selector: parseSelector('app=web,tier in (a,b)') },
    topN: 10,
    method: 'nearest-rank',
    quantiles: [],
    nowMs: EXAMPLE_NOW_MS,
    synced: true,
  });
}

const POD = {
  namespace: 'perf',
  resourceVersion: '1',
  labels: { app: 'web' },
  creationTimestamp: '2026-01-31T12:00:00Z',
  ownerKind: 'ReplicaSet',
  restartPolicy: 'Always',
};
export const EXAMPLE_PODS: readonly PodObservation[] = [
  { ...POD, name: FAST.name, uid: FAST.uid, phase: 'Running', ready: { status: true } },
  {
    ...POD,
    name: FAILED.name,
    uid: FAILED.uid,
    phase: 'Pending',
    waiting: {
      name: 'web',
      restartCount: 0,
      waitingReason: 'ImagePullBackOff',
      waitingMessage: 'Back-off pulling image',
    },
  },
];
export const EXAMPLE_WORKLOADS: readonly Workload[] = [
  { namespace: 'perf', kind: 'Deployment', name: 'web', uid: 'w', desired: 3, templateLabels: { app: 'web' } },
];

function podHealthExample(): unknown {
  const health = podHealth(EXAMPLE_PODS, EXAMPLE_WORKLOADS, {
    namespaces: ['perf'],
    selector: parseSelector('app=web'),
    topN: 10,
  });
  return { namespace: 'perf', labelSelector: 'app=web', ...health, ...TIMES };
}

function tableOf(states: readonly ResultState[]): ResultTable {
  const table = new ResultTable();
  for (const state of states) table.put(state);
  return table;
}

/** Only what JSON can say. */
function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
