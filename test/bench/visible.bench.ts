/** How long after its annotation a Pod is shown as ready, at a steady rate of Pods, and how much of that is the API server's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { Figures } from './figures.js';
import { annotateReady, annotateStart, createBenchPod, makeNamespaces, planPods } from './load.js';
import type { LookOptions, Seen } from './look-process.js';
import { quantile } from './process-usage.js';
import { BATCH_LABEL, batchOf, everyClockMs } from './steady.js';
import type { Subject } from './subject.js';

const PODS_PER_SECOND = 100;
const SECONDS = 30;

export async function benchVisible(
  client: KubeClient,
  kubeconfig: string,
  subject: Subject,
  figures: Figures,
  tell: (text: string) => void,
): Promise<void> {
  tell(`${PODS_PER_SECOND} Pods a second for ${SECONDS} s`);
  const pods = planPods('steady', PODS_PER_SECOND * SECONDS);
  await makeNamespaces(client, pods);
  const looker = await startLooker({ kubeconfig, namespace: 'steady-0', url: subject.url });
  await subject.longestBlockMs();
  const cpuBefore = subject.usage().cpuSeconds;
  const sentAt = new Map<string, number>();
  const writesMs: number[] = [];
  const startedAt = performance.now();
  let lateMs = 0;
  const running: Promise<void>[] = [];
  for (const [i, pod] of pods.entries()) {
    // By the clock, whether or not the Pods before it are done: a slow controller doesn't slow what it is given.
    const waitMs = startedAt + (i * 1000) / PODS_PER_SECOND - performance.now();
    if (waitMs > 0) await new Promise((done) => setTimeout(done, waitMs));
    lateMs = Math.max(lateMs, performance.now() - startedAt - (i * 1000) / PODS_PER_SECOND);
    const one = (async () => {
      await createBenchPod(client, pod, i, { [BATCH_LABEL]: batchOf(pod.name) });
      await annotateStart(client, pod);
      const at = everyClockMs();
      sentAt.set(pod.name, at);
      looker.annotated(pod.name);
      await annotateReady(client, pod);
      writesMs.push(everyClockMs() - at);
    })();
    // A failure is told below, when all have ended.
    one.catch(() => undefined);
    running.push(one);
  }
  await Promise.all(running);
  const { watched, shown } = await looker.end();
  const since = (seen: Readonly<Record<string, number>>): number[] =>
    [...sentAt].map(([name, at]) => (seen[name] ?? Number.NaN) - at);
  const rows: readonly [string, readonly number[], number?][] = [
    ['annotated', writesMs],
    ['seen by a bare watch', since(watched)],
    ['visible', since(shown), 250],
    ['visible after the bare watch', [...sentAt.keys()].map((name) => (shown[name] ?? NaN) - (watched[name] ?? NaN))],
  ];
  const title = `${PODS_PER_SECOND} Pods/s`;
  for (const [what, times, atMost] of rows) {
    figures.note({ name: `${title}: ${what}, median`, unit: 'ms' }, subject.name, quantile(times, 0.5));
    const p99 = { name: `${title}: ${what}, p99`, unit: 'ms', ...(atMost === undefined ? {} : { atMost }) };
    figures.note(p99, subject.name, quantile(times, 0.99));
  }
  figures.note({ name: `${title}: load behind its clock at most`, unit: 'ms' }, subject.name, lateMs);
  figures.note({ name: `${title}: CPU`, unit: 's' }, subject.name, subject.usage().cpuSeconds - cpuBefore);
  figures.note(
    { name: `${title}: longest event-loop block`, unit: 'ms', atMost: 50 },
    subject.name,
    await subject.longestBlockMs(),
  );
}

interface Looker {
  /** Says that the annotation of this Pod is sent now. */
  annotated(name: string): void;
  /** Waits until all were seen. */
  end(): Promise<Seen>;
}

async function startLooker(options: LookOptions): Promise<Looker> {
  const program = new URL('./look-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  // Its first line says that the watch is open.
  const chunks: Buffer[] = [];
  const opened = once(child.stdout, 'data');
  await Promise.race([opened, ended]);
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stdin.on('error', () => undefined);
  return {
    annotated: (name) => void child.stdin.write(`${name}\n`),
    end: async () => {
      child.stdin.end();
      const [code] = await ended;
      if (code !== 0) throw new Error(`who looked for ready Pods ended with ${code}`);
      return JSON.parse(Buffer.concat(chunks).toString()) as Seen;
    },
  };
}
