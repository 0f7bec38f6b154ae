/**
 * `make soak MINUTES=n`: Pods come and go in front of one controller, and nothing but their number may count. A line every half
 * minute, figures and a verdict at the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/modules/kube/connect.js';
import { DATAPATH_RESULTS } from '../../src/modules/results/result-conversion.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import { ControllerProcess } from '../../tools/controller/controller-process.js';
import {
  applyManifests,
  CONTROLLER_SCRIPT,
  controllerKubeconfig,
  freePort,
  prepareWorkloadNamespace,
} from '../../tools/controller/deployment.js';
import { checkInvariants } from '../../tools/invariants/check-invariants.js';
import { formatVerdict } from '../../tools/invariants/check.js';
import { PodChurn, seeded } from '../support/pod-churn.js';
import { probe } from './process-probe.js';
import type { Probe } from './process-probe.js';
import { floors, slope } from './trend.js';

const NAMESPACE = 'soak';
const SLOTS = 40;
const SAMPLE_EVERY_MS = 2_000;
const LINE_EVERY_MS = 30_000;
/** The start fills pools, caches and the code cache; it is left out of the trends. */
const WARM_UP = 0.25;
/** By how much the heap may seem to grow over the whole run, bytes: the noise of the collector. */
const HEAP_NOISE = 8 * 2 ** 20;
/** By how much the pool of connections may breathe between the halves of the run: it follows the writes at the same time. */
const SOCKET_NOISE = 8;
/** The limits that hold at any moment of any length of run. */
const LIMITS = { rssBytes: 300 * 2 ** 20, sockets: 60, queueDepth: 1_000, eventLoopDelayMs: 1_000 };
const QUIET_MS = 6_000;
/** The fewest Pods a minute for which the run counts. */
const LEAST_PODS_PER_MINUTE = 60;

const minutes = Number(process.env['MINUTES'] ?? '10');
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
if (!(minutes >= 1 && minutes <= 10_000) || !Number.isInteger(seed)) {
  process.stderr.write('Usage: make soak MINUTES=10 [SEED=n]: whole minutes from 1, a whole number\n');
  process.exit(2);
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const folder = mkdtempSync(join(tmpdir(), 'datapath-soak-'));
const plane = await startControlPlane({ progress: (text) => process.stderr.write(`soak: ${text}\n`) });
const client = connect({ kubeconfig: plane.kubeconfig, userAgent: 'soak-users' });
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    interrupted.abort(new Error('interrupted'));
  });
}
let controller: ControllerProcess | undefined;
try {
  await applyManifests(plane);
  await prepareWorkloadNamespace(plane, NAMESPACE);
  controller = new ControllerProcess({
    script: CONTROLLER_SCRIPT,
    kubeconfig: await controllerKubeconfig(plane),
    logFile: join(folder, 'controller.log'),
    apiPort: await freePort(),
    leaderElect: true,
  });
  controller.start();
  await controller.ready(60_000);
  process.exitCode = await soak(controller);
} finally {
  await controller?.kill('SIGTERM');
  client.close();
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function soak(subject: ControllerProcess): Promise<number> {
  say(`soak: ${minutes} min, ${SLOTS} Pods at a time, SEED=${seed}`);
  const churn = new PodChurn({ client, namespace: NAMESPACE, slots: SLOTS, random: seeded(seed) });
  churn.start();
  const samples: Probe[] = [];
  const startedAt = Date.now();
  let lineAt = startedAt + LINE_EVERY_MS;
  let shown: Probe | undefined;
  while (Date.now() < startedAt + minutes * 60_000) {
    interrupted.signal.throwIfAborted();
    await pause(SAMPLE_EVERY_MS);
    const sample = await probe(subject.pid ?? 0, subject.url);
    samples.push(sample);
    if (sample.at < lineAt) continue;
    const recent = samples.filter((one) => one.at > sample.at - LINE_EVERY_MS);
    const rate =
      shown === undefined ? undefined : ((sample.requests - shown.requests) * 60_000) / (sample.at - shown.at);
    const heap = Math.min(...recent.map((one) => one.heapBytes));
    say(
      `[${((sample.at - startedAt) / 60_000).toFixed(1).padStart(5)} min] ${churn.counts.created} Pods, ` +
        `heap ${megabytes(heap)}, RSS ${megabytes(sample.rssBytes)}, ${sample.sockets} sockets, ` +
        `${rate === undefined ? '-' : rate.toFixed(0)} requests/min, ${sample.results} results, queue ${sample.queueDepth}, ` +
        `event loop ${Math.max(...recent.map((one) => one.eventLoopDelayMs))} ms at most`,
    );
    shown = sample;
    lineAt += LINE_EVERY_MS;
  }
  await churn.stop();
  await pause(QUIET_MS);
  const last = await probe(subject.pid ?? 0, subject.url);
  return judge(samples, last, churn);
}

async function judge(samples: readonly Probe[], last: Probe, churn: PodChurn): Promise<number> {
  const { created, deleted, failures } = churn.counts;
  const from = (samples[0]?.at ?? 0) + WARM_UP * minutes * 60_000;
  const warm = samples.filter((sample) => sample.at >= from);
  const span = (warm.at(-1)?.at ?? 0) - from;
  const heapSlope = slope(
    floors(
      warm.map(({ at, heapBytes }) => ({ at, value: heapBytes })),
      10_000,
    ),
  );
  const sockets = warm.map((sample) => sample.sockets);
  const requests = last.requests - (samples[0]?.requests ?? 0);
  const { items } = await client.list(DATAPATH_RESULTS, { namespace: NAMESPACE });
  const verdict = await checkInvariants({
    auditLogPath: plane.auditLogPath,
    expectations: {
      pods: Math.floor(minutes * LEAST_PODS_PER_MINUTE),
      deletions: Math.floor((minutes * LEAST_PODS_PER_MINUTE) / 2),
      namespaces: [NAMESPACE],
      leaderElection: true,
      patienceMs: QUIET_MS,
      samples: [...samples, last],
      limits: LIMITS,
    },
  });

  const findings: string[] = formatVerdict(verdict).filter((line) => line.startsWith('broke'));
  const check = (holds: boolean, finding: string): void => void (holds || findings.push(finding));
  check(
    heapSlope * span <= HEAP_NOISE,
    `the heap grew by ${megabytes(heapSlope * span)} within ${(span / 60_000).toFixed(1)} min`,
  );
  const half = Math.floor(sockets.length / 2);
  const more = median(sockets.slice(half)) - median(sockets.slice(0, half));
  check(more <= SOCKET_NOISE, `there were ${more} more sockets in the second half than in the first`);
  check(last.queueDepth === 0, `the queue holds ${last.queueDepth} keys at rest`);
  check(last.results === items.length, `the index holds ${last.results} results, ${items.length} are stored`);
  check(failures === 0, `${failures} steps of users failed`);

  say('');
  say(`Pods                ${created} made, ${deleted} deleted, ${JSON.stringify(churn.counts)}`);
  say(
    `heap                ${((heapSlope * 60_000) / 2 ** 10).toFixed(1)} KB/min, after ${Math.round(WARM_UP * 100)} % of the run, by the floors of 10 s`,
  );
  say(
    `RSS                 ${megabytes(Math.max(...samples.map((one) => one.rssBytes)))} at most, ${megabytes(last.rssBytes)} at the end`,
  );
  say(`sockets             ${Math.min(...sockets)} to ${Math.max(...sockets)}`);
  say(`requests            ${(requests / minutes).toFixed(0)}/min, ${(requests / created).toFixed(2)} for each Pod`);
  say(`index, queue        ${last.results} results (${items.length} stored), ${last.queueDepth} keys at rest`);
  say(`event loop          ${Math.max(...samples.map((one) => one.eventLoopDelayMs))} ms at most`);
  say(`writes in vain      ${verdict.counts.writesForNothing}, for results that were gone already`);
  say(formatVerdict(verdict).at(-1) ?? '');
  for (const finding of findings) say(finding);
  say(findings.length === 0 ? 'soak: passed' : `soak: FAILED (SEED=${seed})`);
  return findings.length === 0 ? 0 : 1;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
