/** The load: Pods and annotations by the thousand, through a pool of keep-alive connections. */
import { formatInstant, fromEpochMs } from '../../src/datapath/instant.js';
import { LEGACY_READY_AT, LEGACY_STARTED_AT } from '../../src/datapath/annotations.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { KubeObject, ResourceType } from '../../src/modules/kube/resource.js';
import { NAMESPACES } from '../../src/modules/pods/namespace.resource.js';
import { PODS } from '../../src/modules/pods/pod.resource.js';

/** Beyond this many Pods in a namespace upstream's own limits bite. */
const PODS_PER_NAMESPACE = 3_500;

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
}

/** So many Pods, in namespaces that begin with `prefix`. */
export function planPods(prefix: string, count: number): readonly PodRef[] {
  return Array.from({ length: count }, (_, i) => ({
    namespace: `${prefix}-${Math.floor(i / PODS_PER_NAMESPACE)}`,
    name: `pod-${i % PODS_PER_NAMESPACE}`,
  }));
}

export async function makeNamespaces(client: KubeClient, pods: readonly PodRef[]): Promise<void> {
  for (const name of new Set(pods.map((pod) => pod.namespace))) {
    await client.create(NAMESPACES as ResourceType, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
}

export async function createBenchPod(
  client: KubeClient,
  { namespace, name }: PodRef,
  index: number,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  const pod: KubeObject & { readonly spec: unknown } = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { bench: 'pods', app: `app-${index % 10}`, ...labels } },
    spec: {
      nodeName: `node-${index % 100}`,
      containers: [{ name: 'app', image: 'local.test/app:1' }],
      initContainers: [{ name: 'datapath-reporter', image: 'local.test/reporter:1', restartPolicy: 'Always' }],
    },
  };
  await client.create(PODS, pod, { metadataOnly: true });
}

/** The whole short life of a Pod: created, started, ready. */
export async function runBenchPod(client: KubeClient, pod: PodRef, index: number): Promise<void> {
  await createBenchPod(client, pod, index);
  await annotateStart(client, pod);
  await annotateReady(client, pod);
}

/** The annotations that both controllers read. */
export async function annotateStart(client: KubeClient, pod: PodRef): Promise<void> {
  await annotate(client, pod, { [LEGACY_STARTED_AT]: formatInstant(fromEpochMs(Date.now())) });
}

export async function annotateReady(client: KubeClient, pod: PodRef): Promise<void> {
  await annotate(client, pod, { [LEGACY_READY_AT]: formatInstant(fromEpochMs(Date.now())) });
}

async function annotate(client: KubeClient, pod: PodRef, annotations: Record<string, string>): Promise<void> {
  await client.patch(PODS, pod, { metadata: { annotations } }, { kind: 'merge', metadataOnly: true });
}

/** Runs `work` for each item, `width` at a time, in order of their start. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let i = next++; i < items.length; i = next++) await work(items[i] as T, i);
    }),
  );
}
