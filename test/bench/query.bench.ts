/** Questions over what is known: one client after the other answer, and many clients while Pods come. */
import { spawn } from 'node:child_process';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { AskOptions } from './ask.js';
import type { Figures } from './figures.js';
import { inParallel, makeNamespaces, planPods, runBenchPod } from './load.js';
import { quantile } from './process-usage.js';
import type { Subject } from './subject.js';

const STATISTIC = '/api/v1/time-to-datapath-ready';
const QUERIES = [
  { what: 'query', path: STATISTIC, everybody: true },
  { what: 'query with a selector', path: `${STATISTIC}?labelSelector=app%3Dapp-3`, everybody: true },
  { what: 'query with a selector by node', path: `${STATISTIC}?labelSelector=app&groupBy=node`, everybody: false },
] as const;
const WARM_UP = 100;
const QUESTIONS = 1_000;
/** For a program that answers slowly: its questions end after about as much. */
const LIMIT_MS = 60_000;

/** @param atMostMs what p99 is to be */
export async function benchQuery(subject: Subject, count: number, atMostMs: number, figures: Figures): Promise<void> {
  const { name } = subject;
  const size = `${count.toLocaleString('en')} results`;
  await subject.longestBlockMs();
  for (const { what, path, everybody } of QUERIES) {
    if (!subject.ours && !everybody) continue;
    const warm = await subject.ask(path, subject.ours ? WARM_UP : 10);
    const questions = Math.min(QUESTIONS, Math.max(30, Math.floor(LIMIT_MS / quantile(warm, 0.5))));
    const cpuBefore = subject.usage().cpuSeconds;
    const times = await subject.ask(path, questions);
    const cpuMs = ((subject.usage().cpuSeconds - cpuBefore) * 1000) / questions;
    figures.note({ name: `${size}: ${what}, median`, unit: 'ms' }, name, quantile(times, 0.5));
    figures.note({ name: `${size}: ${what}, p99`, unit: 'ms', atMost: atMostMs }, name, quantile(times, 0.99));
    figures.note({ name: `${size}: ${what}, CPU each`, unit: 'ms' }, name, cpuMs);
  }
  figures.note(
    { name: `${size}: longest event-loop block while asked`, unit: 'ms', atMost: 50 },
    name,
    await subject.longestBlockMs(),
  );
}

/** Those that look on: each asks once a second, as an open page does. */
const CLIENTS = 50;
const EVERY_MS = 1_000;
/** Pairs of small bursts, one without and one with clients, so that what drifts on the machine meets both. */
const PAIRS = 4;
const PODS_EACH = 1_000;
const WIDTH = 32;

export async function benchClients(
  client: KubeClient,
  subject: Subject,
  known: number,
  figures: Figures,
  tell: (text: string) => void,
): Promise<number> {
  const { name } = subject;
  let shown = known;
  const burst = async (namespace: string): Promise<number> => {
    const pods = planPods(namespace, PODS_EACH);
    await makeNamespaces(client, pods);
    const startedAt = performance.now();
    await inParallel(pods, WIDTH, (pod, i) => runBenchPod(client, pod, i));
    shown += PODS_EACH;
    await subject.shows(shown, 120_000);
    return performance.now() - startedAt;
  };
  let aloneMs = 0;
  let askedMs = 0;
  let blockMs: number | undefined;
  const times: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    tell(`${CLIENTS} clients, pair ${pair + 1} of ${PAIRS}`);
    aloneMs += await burst(`alone-${pair}`);
    await subject.longestBlockMs();
    const clients = startClients({
      url: subject.url,
      paths: QUERIES.filter(({ everybody }) => everybody || subject.ours).map(({ path }) => path),
      clients: CLIENTS,
      everyMs: EVERY_MS,
    });
    // All have asked once before the burst begins.
    await new Promise((done) => setTimeout(done, 2 * EVERY_MS));
    askedMs += await burst(`asked-${pair}`);
    times.push(...(await clients.stop()));
    const block = await subject.longestBlockMs();
    blockMs = block === undefined ? undefined : Math.max(blockMs ?? 0, block);
  }
  const row = `${CLIENTS} clients in a burst`;
  figures.note({ name: `${row}: questions answered`, unit: '' }, name, times.length);
  figures.note({ name: `${row}: median`, unit: 'ms' }, name, quantile(times, 0.5));
  figures.note({ name: `${row}: p99`, unit: 'ms', atMost: 100 }, name, quantile(times, 0.99));
  figures.note({ name: `${row}: burst takes longer by`, unit: '%', atMost: 10 }, name, (askedMs / aloneMs - 1) * 100);
  figures.note({ name: `${row}: longest event-loop block`, unit: 'ms', atMost: 50 }, name, blockMs);
  return shown;
}

function startClients(options: AskOptions): { readonly stop: () => Promise<number[]> } {
  const program = new URL('./ask-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<number | null>((done, reject) => {
    child.once('error', reject);
    child.once('close', done);
  });
  return {
    stop: async () => {
      child.stdin.end();
      const code = await ended;
      if (code !== 0) throw new Error(`the clients ended with ${code}`);
      return JSON.parse(Buffer.concat(chunks).toString()) as number[];
    },
  };
}
