/**
 * `make bench-reflector`: figures of the client and the reflector on a real API server, with PODS (20000) in the store, kept as the controller keeps
 * them. It reports; it judges nothing. The API server runs beside it, so absolute times depend on the machine.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { Reflector } from '../../src/modules/kube/reflector.js';
import type { KubeObject } from '../../src/modules/kube/resource.js';
import type { PodObservation } from '../../src/datapath/pod-observation.js';
import { PODS } from '../../src/modules/pods/pod.resource.js';
import { projectPod } from '../../src/modules/pods/project-pod.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import { NAMESPACES } from '../support/kube-fixtures.js';
import { RequestCounter } from '../support/request-counter.js';

const NAMESPACE = 'reflector-bench';
const count = Number(process.env['PODS'] ?? 20_000);
const changes = Math.min(5_000, count);

/** Set in the process that writes the changes, so that its work isn't taken for the reflector's: the kubeconfig. */
const writer = process.env['REFLECTOR_BENCH_WRITER'];

function pod(index: number): KubeObject {
  const container = (name: string) => ({
    name,
    image: 'registry.example.org/team/application:v1.2.3',
    env: Array.from({ length: 20 }, (_, n) => ({ name: `VARIABLE_${n}`, value: `some value ${n}` })),
    resources: { requests: { cpu: '100m', memory: '64Mi' } },
  });
  const metadata = { name: `pod-${index}`, namespace: NAMESPACE, labels: { app: `app-${index % 20}` } };
  const spec = {
    nodeName: `node-${index % 100}`,
    initContainers: [{ ...container('datapath-reporter'), restartPolicy: 'Always' }],
    containers: [container('main')],
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec } as KubeObject;
}

/** Runs `work` for each index, with 24 at once. @returns seconds */
async function forEach(total: number, work: (index: number) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < total) await work(next++);
  };
  await Promise.all(Array.from({ length: 24 }, worker));
  return (performance.now() - startedAt) / 1000;
}

const cpuSeconds = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
};

const note = (what: string, value: number, unit: string, digits = 1): void => {
  process.stdout.write(`${what.padEnd(58)} ${value.toFixed(digits).padStart(10)} ${unit}\n`);
};

async function measureList(client: KubeClient, streamInitialList: boolean): Promise<Reflector<PodObservation>> {
  const how = streamInitialList ? 'streamed list' : 'list in pages';
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const reflector = new Reflector({ client, type: PODS, project: projectPod, settings: { streamInitialList } });
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  delay.enable();
  reflector.start();
  while (!reflector.synced) await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  const seconds = (performance.now() - startedAt) / 1000;
  note(`${how} of ${reflector.size} Pods`, seconds, 's', 2);
  note(`${how}, CPU for each Pod`, (cpuSeconds(cpu) * 1e6) / reflector.size, 'µs');
  note(`${how}, longest block of the event loop`, delay.max / 1e6, 'ms');
  globalThis.gc?.();
  if (globalThis.gc !== undefined) {
    note(
      `${how}, heap for each cached Pod`,
      (process.memoryUsage().heapUsed - heapBefore) / reflector.size,
      'bytes',
      0,
    );
  }
  return reflector;
}

/** Changes each of the first Pods. */
async function change(client: KubeClient): Promise<void> {
  await forEach(changes, (index) =>
    client.patch(
      PODS,
      { namespace: NAMESPACE, name: `pod-${index}` },
      { metadata: { annotations: { 'datapath.observer/started-at': new Date().toISOString() } } },
      { kind: 'merge', metadataOnly: true },
    ),
  );
}

async function measureChanges(reflector: Reflector<PodObservation>, kubeconfig: string): Promise<void> {
  let events = 0;
  reflector.listen(() => events++);
  // Coarser than before: waking up each millisecond would cost more than the work itself.
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const before = performance.eventLoopUtilization();
  const startedAt = performance.now();
  const other = fork(import.meta.filename, { env: { ...process.env, REFLECTOR_BENCH_WRITER: kubeconfig } });
  const [code] = (await once(other, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the process that writes changes ended with ${code}`);
  while (events < changes) await new Promise((resolve) => setTimeout(resolve, 20));
  const { active } = performance.eventLoopUtilization(before);
  delay.disable();
  note(`${changes} changes by another process, written and followed`, (performance.now() - startedAt) / 1000, 's', 2);
  note('events through the reflector, for each second of its own', changes / (active / 1000), 'events/s', 0);
  note('longest block of the event loop meanwhile', delay.max / 1e6 - 10, 'ms');
}

async function bench(): Promise<void> {
  const plane = await startControlPlane({ audit: false });
  try {
    const counter = new RequestCounter();
    const client = connect({ kubeconfig: plane.kubeconfig, metrics: counter });
    await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    const one = await client.create(PODS, pod(0));
    note('bytes of a Pod', JSON.stringify(one).length, 'bytes', 0);

    const reader = new RequestCounter();
    const sequential = connect({ kubeconfig: plane.kubeconfig, metrics: reader });
    for (let read = 0; read < 200; read++) await sequential.get(PODS, { namespace: NAMESPACE, name: 'pod-0' });
    note('TLS handshakes for 200 sequential reads', reader.connections, '', 0);
    sequential.close();

    const cpu = process.cpuUsage();
    const made = await forEach(count - 1, (index) => client.create(PODS, pod(index + 1), { metadataOnly: true }));
    note(`creating ${count} Pods`, made, 's');
    note('CPU for each create', (cpuSeconds(cpu) * 1e6) / count, 'µs');

    const paged = await measureList(client, false);
    await paged.stop();
    const reflector = await measureList(client, true);

    await measureChanges(reflector, plane.kubeconfig);
    await reflector.stop();
    client.close();
  } finally {
    await plane.stop();
  }
}

if (writer === undefined) {
  await bench();
} else {
  const client = connect({ kubeconfig: writer });
  await change(client);
  client.close();
}
