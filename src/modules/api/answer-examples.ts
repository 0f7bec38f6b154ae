/** Examples for the documentation: real answers, computed by the code that answers, over a few made-up Pods. */
import { formatInstant, parseInstant } from '../../datapath/instant.js';
import type { Instant } from '../../datapath/instant.js';
import type { ResultState } from '../../datapath/result-state.js';
import type { Metric } from '../../datapath/vocabulary.js';
import { parseSelector } from '../../statistics/label-selector.js';
import { ResultTable } from '../../statistics/result-table.js';
import { podHealth } from './pod-health.js';
import { resultRecord, timelineOf } from './result-record.js';
import { statisticAnswer } from './statistic-answer.js';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const CREATED = parseInstant('2026-01-31T12:00:00.250Z') as Instant;
const NOW = parseInstant('2026-01-31T12:01:00Z') as Instant;
const MS = 1_000_000n;

function example(name: string, uid: string, startMs: number, readyMs: number): ResultState {
  const startedAt = CREATED + BigInt(startMs) * MS;
  const datapathReadyAt = CREATED + BigInt(readyMs) * MS;
  return {
    namespace: 'perf',
    name,
    uid,
    ownerKind: 'ReplicaSet',
    ownerName: 'web-6d5f7',
    createdAt: CREATED,
    creationSource: 'WatchReceipt',
    runName: 'nightly-42',
    labels: { app: 'web', tier: 'a' },
    outcome: 'Ready',
    nodeName: 'node-1',
    startedAt,
    datapathReadyAt,
    datapathDelayMs: readyMs - startMs,
    milestones: [
      { name: 'created', at: CREATED, source: 'WatchReceipt', resolutionMs: 0 },
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

const METRIC_OF: Readonly<Record<string, Metric>> = {
  timeToStart: 'timeToStart',
  timeToDatapathReady: 'timeToDatapathReady',
  datapathDelay: 'datapathDelay',
};
const TIMES = { generatedAt: formatInstant(NOW), synced: true };

/** What the example question of an operation is answered with, or `undefined` where there is none. */
export function answerExample(operationId: string): Json | undefined {
  const metric = METRIC_OF[operationId];
  if (metric !== undefined) return plain(statisticExample(metric));
  switch (operationId) {
    case 'podHealth':
      return plain(podHealthExample());
    case 'listResults':
      return plain({ items: [resultRecord(FAILED)], total: 1, cursor: null, lastEventId: '0123456789ab-3', ...TIMES });
    case 'getResult':
      return plain({ ...resultRecord(FAST), timeline: timelineOf(FAST.milestones, FAST.createdAt), ...TIMES });
    default:
      return undefined;
  }
}

function statisticExample(metric: Metric): unknown {
  const table = new ResultTable();
  for (const state of [FAST, SLOW, FAILED]) table.put(state);
  return statisticAnswer(table, {
    metric,
    filter: { namespaces: ['perf'], selector: parseSelector('app=web,tier in (a,b)') },
    topN: 10,
    method: 'nearest-rank',
    quantiles: [],
    nowMs: Number(NOW / MS),
    synced: true,
  });
}

function podHealthExample(): unknown {
  const selector = parseSelector('app=web');
  const pod = {
    namespace: 'perf',
    resourceVersion: '1',
    labels: { app: 'web' },
    creationTimestamp: '2026-01-31T12:00:00Z',
    ownerKind: 'ReplicaSet',
    restartPolicy: 'Always',
  };
  const { name, uid } = FAST;
  const health = podHealth(
    [
      { ...pod, name, uid, phase: 'Running', ready: { status: true } },
      {
        ...pod,
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
    ],
    [{ namespace: 'perf', kind: 'Deployment', name: 'web', uid: 'w', desired: 3, templateLabels: { app: 'web' } }],
    { namespaces: ['perf'], selector, topN: 10 },
  );
  return { namespace: 'perf', labelSelector: 'app=web', ...health, ...TIMES };
}

/** Only what JSON can say. */
function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
