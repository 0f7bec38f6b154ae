/** A burst: Pods are created, each is annotated twice, as fast as the API server takes it. */
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { annotateReady, annotateStart, createBenchPod, inParallel, makeNamespaces, planPods } from './load.js';
import type { Subject } from './subject.js';

const WIDTH = 32;

export interface BurstFigures {
  readonly burstSeconds: number;
  /** Seconds from the last annotation to all of them visible in the API. */
  readonly visibleSeconds: number;
  readonly cpuSeconds: number;
  readonly rssMb: number;
  readonly peakMb: number;
  readonly writesPerPod: number;
}

export async function benchBurst(
  plane: ControlPlane,
  client: KubeClient,
  subject: Subject,
  count: number,
  tell: (text: string) => void,
): Promise<BurstFigures> {
  const pods = planPods(count);
  await makeNamespaces(client, pods);
  const writesBefore = await resultWrites(plane);
  const cpuBefore = subject.usage().cpuSeconds;
  const startedAt = performance.now();
  let created = 0;
  // Three queues at once, as kubelets do it: a Pod's start follows its creation, its readiness its start.
  await inParallel(pods, WIDTH, async (pod, i) => {
    await createBenchPod(client, pod, i);
    if (++created % 1_000 === 0) tell(`${created} Pods created`);
    await annotateStart(client, pod);
    await annotateReady(client, pod);
  });
  const lastAnnotationAt = performance.now();
  for (;;) {
    const answer = await subject.statistic('time-to-datapath-ready');
    if (answer?.totalSuccessful === count) break;
    if (performance.now() - lastAnnotationAt > 300_000)
      throw new Error(`${subject.name} shows ${answer?.totalSuccessful} of ${count}`);
    await new Promise((done) => setTimeout(done, 20));
  }
  const visibleAt = performance.now();
  const writes = (await settledWrites(plane)) - writesBefore;
  const usage = subject.usage();
  return {
    burstSeconds: (lastAnnotationAt - startedAt) / 1000,
    visibleSeconds: (visibleAt - lastAnnotationAt) / 1000,
    cpuSeconds: usage.cpuSeconds - cpuBefore,
    rssMb: usage.rssMb,
    peakMb: usage.peakMb,
    writesPerPod: writes / count,
  };
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

/** Successful writes of results so far, from the API server's own metrics. */
async function resultWrites(plane: ControlPlane): Promise<number> {
  const { text } = await plane.request('GET', '/metrics');
  let sum = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith('apiserver_request_total{') || !line.includes('resource="datapathresults"')) continue;
    if (!/verb="(POST|PUT|PATCH|APPLY|DELETE)"/.test(line) || !/code="2\d\d"/.test(line)) continue;
    sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
