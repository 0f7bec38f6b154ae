/** How long after its annotation a Pod is shown as ready, at a steady rate of Pods. */
import { Agent } from 'node:http';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { fetchText } from './ask.js';
import type { Figures } from './figures.js';
import { annotateReady, annotateStart, createBenchPod, makeNamespaces, planPods } from './load.js';
import { quantile } from './process-usage.js';
import type { Statistic, Subject } from './subject.js';

const PODS_PER_SECOND = 100;
const SECONDS = 30;
const LIMIT_MS = 60_000;
/** Between two looks for one Pod, milliseconds. */
const LOOK_MS = 5;

export async function benchVisible(
  client: KubeClient,
  subject: Subject,
  figures: Figures,
  tell: (text: string) => void,
): Promise<void> {
  tell(`${PODS_PER_SECOND} Pods a second for ${SECONDS} s`);
  const pods = planPods('steady', PODS_PER_SECOND * SECONDS);
  await makeNamespaces(client, pods);
  const agent = new Agent({ keepAlive: true });
  await subject.longestBlockMs();
  const startedAt = performance.now();
  const running: Promise<number>[] = [];
  try {
    for (const [i, pod] of pods.entries()) {
      // By the clock, whether or not the Pods before it are done: a slow controller doesn't slow what it is given.
      const waitMs = startedAt + (i * 1000) / PODS_PER_SECOND - performance.now();
      if (waitMs > 0) await new Promise((done) => setTimeout(done, waitMs));
      const one = (async () => {
        await createBenchPod(client, pod, i, { steady: `pod-${i}` });
        await annotateStart(client, pod);
        const annotatedAt = performance.now();
        await annotateReady(client, pod);
        const look = `${subject.url}/api/v1/time-to-datapath-ready?labelSelector=steady%3Dpod-${i}`;
        while ((JSON.parse(await fetchText(agent, look)) as Statistic).totalSuccessful !== 1) {
          if (performance.now() - annotatedAt > LIMIT_MS) throw new Error(`${subject.name} never shows ${pod.name}`);
          await new Promise((done) => setTimeout(done, LOOK_MS));
        }
        return performance.now() - annotatedAt;
      })();
      // A failure is told below, when all have ended.
      one.catch(() => undefined);
      running.push(one);
    }
    const times = await Promise.all(running);
    const row = `annotation to visible at ${PODS_PER_SECOND} Pods/s`;
    // The annotation's own write is in it: the API server takes the larger part of this time.
    figures.note({ name: `${row}: median`, unit: 'ms' }, subject.name, quantile(times, 0.5));
    figures.note({ name: `${row}: p99`, unit: 'ms', atMost: 250 }, subject.name, quantile(times, 0.99));
    figures.note({ name: `${row}: slowest`, unit: 'ms' }, subject.name, Math.max(...times));
    figures.note(
      { name: `${row}: longest event-loop block`, unit: 'ms', atMost: 50 },
      subject.name,
      await subject.longestBlockMs(),
    );
  } finally {
    agent.destroy();
  }
}
