/** DatapathRuns in tests: made, read and waited for through the API server. */
import { randomBytes } from 'node:crypto';
import { READY_AT, REPORT, STARTED_AT } from '../../src/datapath/annotations.js';
import { formatInstant, fromEpochMs } from '../../src/datapath/instant.js';
import { encodeReport } from '../../src/datapath/report.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { KubeObject } from '../../src/modules/kube/resource.js';
import { PODS } from '../../src/modules/pods/pod.resource.js';
import type { DatapathRun, DatapathRunSpec } from '../../src/modules/runs/datapath-run.schema.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { eventually, newWorkloadNamespace, resultsOf } from './controller.js';

const RUN_LABEL = 'datapath.observer/run';
const RUNS = '/apis/datapath.observer/v1/datapathruns';

export function newRunName(purpose: string): string {
  return `${purpose}-${randomBytes(3).toString('hex')}`;
}

export async function createRun(plane: ControlPlane, name: string, spec: DatapathRunSpec): Promise<DatapathRun> {
  const answer = await plane.request('POST', RUNS, {
    apiVersion: 'datapath.observer/v1',
    kind: 'DatapathRun',
    metadata: { name },
    spec,
  });
  if (answer.status !== 201) throw new Error(`run ${name}: ${answer.status} ${answer.text.slice(0, 400)}`);
  return JSON.parse(answer.text) as DatapathRun;
}

export async function readRun(plane: ControlPlane, name: string): Promise<DatapathRun | undefined> {
  const answer = await plane.request('GET', `${RUNS}/${name}`);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw new Error(`run ${name}: ${answer.status} ${answer.text.slice(0, 200)}`);
  return JSON.parse(answer.text) as DatapathRun;
}

export async function deleteRun(plane: ControlPlane, name: string): Promise<void> {
  const answer = await plane.request('DELETE', `${RUNS}/${name}`);
  if (answer.status !== 200) throw new Error(`run ${name}: ${answer.status} ${answer.text.slice(0, 200)}`);
}

/** Waits until the run is as wanted, and returns it. */
export async function runThat(
  plane: ControlPlane,
  name: string,
  what: string,
  holds: (run: DatapathRun) => boolean,
): Promise<DatapathRun> {
  let last: DatapathRun | undefined;
  try {
    return await eventually(`run ${name} ${what}`, async () => {
      last = await readRun(plane, name);
      return last !== undefined && holds(last) && last;
    });
  } catch (error) {
    throw new Error(`${String(error)}; the run was ${JSON.stringify(last?.status)?.slice(0, 1500)}`, { cause: error });
  }
}

/** Waits until a controller has taken the run in: Pods that are made from now on find it. */
export function runIsKnown(plane: ControlPlane, name: string): Promise<DatapathRun> {
  return runThat(plane, name, 'has a status', (run) => run.status?.conditions !== undefined);
}

export function conditionOf(
  run: DatapathRun,
  type: string,
): { readonly status: string; readonly reason: string; readonly message: string } | undefined {
  return run.status?.conditions?.find((condition) => condition.type === type);
}

export function isComplete(run: DatapathRun): boolean {
  return conditionOf(run, 'Complete')?.status === 'True';
}

export async function deleteResult(plane: ControlPlane, namespace: string, name: string): Promise<void> {
  const path = `/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults/${name}`;
  const answer = await plane.request('DELETE', path);
  if (answer.status !== 200)
    throw new Error(`result ${namespace}/${name}: ${answer.status} ${answer.text.slice(0, 200)}`);
}

export async function deleteAllResults(plane: ControlPlane, namespace: string): Promise<void> {
  const path = `/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults`;
  const answer = await plane.request('DELETE', path);
  if (answer.status !== 200) throw new Error(`results of ${namespace}: ${answer.status} ${answer.text.slice(0, 200)}`);
}

/** Deletes every Pod of a namespace at once: no kubelet would confirm a graceful end. */
export async function deleteAllPods(plane: ControlPlane, namespace: string): Promise<void> {
  const answer = await plane.request('DELETE', `/api/v1/namespaces/${namespace}/pods`, {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    gracePeriodSeconds: 0,
  });
  if (answer.status !== 200) throw new Error(`Pods of ${namespace}: ${answer.status} ${answer.text.slice(0, 200)}`);
}

/** What a Pod's reporter says in a test. */
export type Fate = { readonly delayMs: number } | 'failed' | 'pending';

/**
 * Makes Pods and reports for them as their reporters would, a few at a time. @returns their uids, in order
 */
export async function reportingPods(
  client: KubeClient,
  namespace: string,
  fates: readonly Fate[],
  options: { readonly labels?: Readonly<Record<string, string>>; readonly prefix?: string } = {},
): Promise<readonly string[]> {
  const uids: string[] = fates.map(() => '');
  const waiting = fates.entries();
  const worker = async (): Promise<void> => {
    for (const [i, fate] of waiting) {
      const name = `${options.prefix ?? 'web'}-${String(i).padStart(4, '0')}`;
      uids[i] = await boundPod(client, { namespace, name, node: `node-${String(i % 3)}`, labels: options.labels });
      if (fate !== 'pending') await reportFor(client, namespace, name, fate);
    }
  };
  await Promise.all(Array.from({ length: Math.min(16, fates.length) }, worker));
  return uids;
}

/** Makes a Pod with a reporter, bound to a node, that ends as soon as it is deleted. @returns its uid */
export async function boundPod(
  client: KubeClient,
  pod: {
    readonly namespace: string;
    readonly name: string;
    readonly node: string;
    readonly labels?: Readonly<Record<string, string>> | undefined;
  },
): Promise<string> {
  const { namespace, name, node, labels = {} } = pod;
  const made = await client.create<KubeObject>(PODS, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image: 'local.test/app:1' }],
      initContainers: [{ name: 'datapath-reporter', image: 'local.test/reporter:1', restartPolicy: 'Always' }],
    },
  } as KubeObject);
  return made.metadata.uid ?? '';
}

export async function reportFor(
  client: KubeClient,
  namespace: string,
  name: string,
  fate: Exclude<Fate, 'pending'>,
): Promise<void> {
  const startedAt = fromEpochMs(Date.now());
  const common = { startedAt, attempts: 3, restarts: 0, target: 'tcp://10.0.0.1:80' };
  const readyAt = fate === 'failed' ? undefined : startedAt + BigInt(fate.delayMs) * 1_000_000n;
  const report =
    fate === 'failed'
      ? encodeReport({ ...common, state: 'TimedOut', lastError: { kind: 'refused', message: 'connection refused' } })
      : encodeReport({
          ...common,
          state: 'Ready',
          ...(readyAt === undefined ? {} : { readyAt }),
          delayMs: fate.delayMs,
        });
  const annotations = {
    [STARTED_AT]: formatInstant(startedAt),
    ...(readyAt === undefined ? {} : { [READY_AT]: formatInstant(readyAt) }),
    [REPORT]: report,
  };
  await client.patch(PODS, { namespace, name }, { metadata: { annotations } }, { kind: 'merge' });
}

type Kept = Pick<NonNullable<DatapathRun['status']>, 'pods' | 'ready' | 'failed' | 'aborted' | 'failureClasses'>;

/** What the run says that must be the same before and after its results were deleted. */
export function keptOf(run: DatapathRun): Kept & { readonly sums: readonly (number | undefined)[] } {
  const { pods, ready, failed, aborted, failureClasses, metrics } = run.status ?? {};
  const sums = [metrics?.timeToStart, metrics?.timeToDatapathReady, metrics?.datapathDelay].flatMap((metric) => [
    metric?.count,
    metric?.sumMs,
    metric?.minMs,
    metric?.maxMs,
  ]);
  return { pods, ready, failed, aborted, failureClasses, sums } as ReturnType<typeof keptOf>;
}

/** Pods of a run, all with an end and gone, so that only their results are left. */
export async function endedRun(
  plane: ControlPlane,
  client: KubeClient,
  fates: readonly Fate[],
): Promise<{ name: string; namespace: string; before: DatapathRun }> {
  const namespace = await newWorkloadNamespace(plane, 'archive');
  const name = newRunName('archive');
  await createRun(plane, name, { expectedPods: fates.length });
  await reportingPods(client, namespace, fates, { labels: { [RUN_LABEL]: name } });
  await runThat(plane, name, 'has every Pod but the pending', (run) => {
    const { ready = 0, failed = 0 } = run.status ?? {};
    return ready + failed === fates.filter((fate) => fate !== 'pending').length;
  });
  await deleteAllPods(plane, namespace);
  const before = await runThat(plane, name, 'has all ends', (run) => {
    const { ready = 0, failed = 0, aborted = 0 } = run.status ?? {};
    return ready + failed + aborted === fates.length;
  });
  return { name, namespace, before };
}

export async function resultCount(plane: ControlPlane, namespace: string): Promise<number> {
  return (await resultsOf(plane, namespace)).length;
}
