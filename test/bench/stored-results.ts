/** Results by the hundred thousand, as the controller stores them, of Pods that are gone. */
import { randomUUID } from 'node:crypto';
import { fromEpochMs, NS_PER_MS } from '../../src/datapath/instant.js';
import type { ResultState } from '../../src/datapath/result-state.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { KubeObject } from '../../src/modules/kube/resource.js';
import { DATAPATH_RESULTS, toResource, toStatus } from '../../src/modules/results/result-conversion.js';
import { DATAPATH_RUNS } from '../../src/modules/runs/datapath-run.resource.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { inParallel, makeNamespaces, planPods } from './load.js';
import type { PodRef } from './load.js';

const WIDTH = 64;
/** How long the API server may take to read all results from etcd, milliseconds. */
const CACHE_FILL_MS = 300_000;
/** One of so many has failed. */
const FAILED_EVERY = 100;
const CRD = 'datapathresults.datapath.observer';
const STATUS_SUBRESOURCE = '/spec/versions/0/subresources';

/** How many of `count` stored results are of Pods that became ready. */
export function readyAmong(count: number): number {
  return count - Math.ceil(count / FAILED_EVERY);
}

/**
 * Makes `count` results through the API server. While it does, the CRD has no status subresource, so that each takes one write
 * instead of two; what is stored is the same.
 */
export async function storeResults(
  plane: ControlPlane,
  client: KubeClient,
  count: number,
  tell: (text: string) => void,
): Promise<void> {
  const pods = planPods('stored', count);
  await makeNamespaces(client, pods);
  for (const name of new Set(pods.map(({ namespace }) => namespace))) {
    const run = { apiVersion: 'datapath.observer/v1', kind: 'DatapathRun', metadata: { name }, spec: {} };
    await client.create(DATAPATH_RUNS, run as KubeObject);
  }
  await patchCrd(plane, { op: 'remove', path: STATUS_SUBRESOURCE });
  await untilStatusIsKept(client, pods[0] as PodRef);
  const startedAt = performance.now();
  let made = 0;
  await inParallel(pods, WIDTH, async (pod, i) => {
    await client.create(DATAPATH_RESULTS, storedResult(pod, i), { metadataOnly: true });
    if (++made % 10_000 === 0) {
      const perSecond = made / ((performance.now() - startedAt) / 1000);
      tell(`${made} of ${count} results stored, ${Math.round((count - made) / perSecond)} s to go`);
    }
  });
  await patchCrd(plane, { op: 'add', path: STATUS_SUBRESOURCE, value: { status: {} } });
}

/**
 * Starts the API server anew and waits until its cache of results is filled. One that has just seen the CRD change holds the results
 * once for each of its versions, and answers nobody about them for minutes: no API server that people run is in that state.
 */
export async function settleApiServer(plane: ControlPlane, client: KubeClient): Promise<void> {
  await plane.restartApiServer();
  const deadline = performance.now() + CACHE_FILL_MS;
  for (;;) {
    try {
      await client.list(DATAPATH_RESULTS, { resourceVersion: '0', labelSelector: 'bench=nothing' });
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((done) => setTimeout(done, 500));
    }
  }
}

async function patchCrd(plane: ControlPlane, operation: object): Promise<void> {
  await plane.kubectlOk(['patch', 'crd', CRD, '--type=json', `--patch=${JSON.stringify([operation])}`]);
}

/** The API server takes a moment to serve a changed CRD. */
async function untilStatusIsKept(client: KubeClient, pod: PodRef): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const probe = storedResult(pod, 0);
    const created = await client.create<KubeObject & { readonly status?: object }>(DATAPATH_RESULTS, {
      ...probe,
      metadata: { ...probe.metadata, finalizers: [] },
    });
    await client.delete(DATAPATH_RESULTS, { namespace: pod.namespace, name: probe.metadata.name }, {});
    if (created.status !== undefined) return;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error('the API server goes on to drop the status of results');
}

function storedResult(pod: PodRef, index: number): KubeObject {
  const state = stateOf(pod, index);
  return {
    ...toResource(state),
    status: toStatus(state, undefined, state.createdAt + 90_000n * NS_PER_MS),
  } as KubeObject;
}

function stateOf({ namespace, name }: PodRef, index: number): ResultState {
  // Spread over an hour, with delays that differ as real ones do: most small, a few large.
  const createdAt = fromEpochMs(Date.UTC(2026, 0, 5, 12) + ((index * 7_919) % 3_600_000)) + 123_456n;
  const startMs = 400 + ((index * 2_654_435_761) % 4_000);
  const delayMs = Math.round(20 * 400 ** (((index * 40_503) % 65_536) / 65_536));
  const after = (ms: number): bigint => createdAt + BigInt(ms) * NS_PER_MS;
  const second = (ms: number): bigint => (after(ms) / 1_000_000_000n) * 1_000_000_000n;
  const failed = index % FAILED_EVERY === 0;
  const startedAt = after(startMs);
  const readyAt = after(startMs + delayMs);
  const condition = (milestone: 'scheduled' | 'sandboxReady' | 'initialized' | 'ready', ms: number) =>
    ({ name: milestone, at: second(ms), source: 'Condition', resolutionMs: 1000 }) as const;
  return {
    namespace,
    name,
    uid: randomUUID(),
    ownerKind: 'ReplicaSet',
    ownerName: `app-${index % 10}-5d4f8c7b9d`,
    createdAt,
    creationSource: 'WatchReceipt',
    runName: namespace,
    labels: { bench: 'pods', app: `app-${index % 10}`, 'pod-template-hash': '5d4f8c7b9d' },
    outcome: failed ? 'Failed' : 'Ready',
    nodeName: `node-${index % 1_000}`,
    startedAt,
    ...(failed ? {} : { datapathReadyAt: readyAt, datapathDelayMs: delayMs }),
    milestones: [
      { name: 'created', at: createdAt, source: 'WatchReceipt', resolutionMs: 124 },
      condition('scheduled', 10),
      condition('sandboxReady', startMs),
      { name: 'started', at: startedAt, source: 'Annotation', resolutionMs: 0 },
      ...(failed ? [] : [{ name: 'datapathReady', at: readyAt, source: 'Annotation', resolutionMs: 0 } as const]),
      condition('initialized', startMs),
      ...(failed ? [] : [condition('ready', startMs + delayMs)]),
    ],
    probe: {
      target: 'http://probe-target.default.svc:8080/healthz',
      attempts: 1 + Math.floor(delayMs / 100),
      phases: { dnsMs: 1 + (index % 5), connectMs: 1 + (index % 3) },
      ...(failed ? { lastError: { kind: 'refused', message: 'connect ECONNREFUSED 10.0.0.1:8080' } as const } : {}),
    },
    ...(failed ? { failure: { class: 'ProbeTimeout', message: 'no success within 60 s' } as const } : {}),
    uncertaintyMs: 124,
    restarts: 0,
  };
}
