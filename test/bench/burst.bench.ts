/** A burst: Pods are created, each is annotated twice, as fast as the API server takes it. */
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { Figures } from './figures.js';
import { inParallel, makeNamespaces, planPods, runBenchPod } from './load.js';
import type { Subject } from './subject.js';

/** Kubelets that write at the same time. */
const WIDTH = 32;

export async function benchBurst(
  plane: ControlPlane,
  client: KubeClient,
  subject: Subject,
  count: number,
  figures: Figures,
  tell: (text: string) => void,
): Promise<void> {
  const { name } = subject;
  const pods = planPods('bench', count);
  await makeNamespaces(client, pods);
  const writesBefore = await resultWrites(plane);
  const cpuBefore = subject.usage().cpuSeconds;
  await subject.longestBlockMs();
  const startedAt = performance.now();
  let done = 0;
  // A Pod's start follows its creation and its readiness its start, as kubelets and reporters do it.
  await inParallel(pods, WIDTH, async (pod, i) => {
    await runBenchPod(client, pod, i);
    if (++done % 2_000 === 0) tell(`${done} of ${count} Pods`);
  });
  const lastAnnotationAt = performance.now();
  await subject.shows(count, 300_000);
  const visibleAt = performance.now();
  tell('waiting for the last writes');
  const writes = (await settledWrites(plane)) - writesBefore;
  const usage = subject.usage();
  const of = `burst of ${count} Pods`;
  figures.note({ name: `${of}: how long`, unit: 's' }, name, (lastAnnotationAt - startedAt) / 1000);
  figures.note(
    { name: `${of}: all visible after the last annotation`, unit: 's', atMost: 1 },
    name,
    (visibleAt - lastAnnotationAt) / 1000,
  );
  figures.note({ name: `${of}: CPU`, unit: 's', atMost: 12 }, name, usage.cpuSeconds - cpuBefore);
  figures.note({ name: `${of}: writes per Pod`, unit: '', atMost: 2 }, name, writes / count);
  figures.note({ name: `${of}: memory afterwards`, unit: 'MB', atMost: 200 }, name, usage.rssMb);
  figures.note({ name: `${of}: memory at its peak`, unit: 'MB' }, name, usage.peakMb);
  figures.note(
    { name: `${of}: longest event-loop block`, unit: 'ms', atMost: 50 },
    name,
    await subject.longestBlockMs(),
  );
}

/** Waits until no more results are written for five seconds. */
async function settledWrites(plane: ControlPlane): Promise<number> {
  let last = await resultWrites(plane);
  for (let quietMs = 0; quietMs < 5_000;) {
    await new Promise((done) => setTimeout(done, 500));
    const now = await resultWrites(plane);
    quietMs = now === last ? quietMs + 500 : 0;
    last = now;
  }
  return last;
}

/** Successful writes of results so far, whatever their kind is called, from the API server's own metrics. */
async function resultWrites(plane: ControlPlane): Promise<number> {
  const { text } = await plane.request('GET', '/metrics');
  let sum = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith('apiserver_request_total{') || !/resource="[a-z]*results"/.test(line)) continue;
    if (!/verb="(POST|PUT|PATCH|APPLY|DELETE)"/.test(line) || !/code="2\d\d"/.test(line)) continue;
    sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
