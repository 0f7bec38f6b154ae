/**
 * `make soak MINUTES=n`: Pods come and go in front of one controller, and nothing but their number may count. What is stored stays bounded,
 * since the controller keeps few results. A line every half minute, figures and a verdict at the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/modules/kube/connect.js';
import { PODS } from '../../src/modules/pods/pod.resource.js';
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
import { resultsOf } from '../support/controller.js';
import { PodChurn, seeded } from '../support/pod-churn.js';
import { deleteAllPods, readRun, reportingPods } from '../support/runs.js';
import { probe } from './process-probe.js';
import type { Probe } from './process-probe.js';
import { RetentionWatch } from './retention-watch.js';
import { floors, slope } from './trend.js';

const NAMESPACE = 'soak';
const SLOTS = 40;
/** Results that are kept: those of living Pods, and half a minute's of others. */
const MAX_RESULTS = 500;
/** Complete results that are there before the bound is: they go over several seconds, or the pace isn't kept. */
const BACKLOG = 1_000;
/** What retention deletes at a look, of which there is one a second at most, and what may be under way from the look before. */
const DELETIONS_PER_SECOND = 100 + 8;
/**
 * Results beyond the bound may be as many as Pods came within this, milliseconds: a look of the controller is a second after the one before, deletions
 * wait a second for those that come with them, and writes of a run, which keep their numbers, are five seconds apart.
 */
const SLACK_MS = 15_000;
/** How long the controller may take to know that a Pod is gone, milliseconds. */
const KNOWN_AFTER_MS = 10_000;
/** The longest wait for what comes to rest, milliseconds. */
const PATIENCE_MS = 60_000;
/** Users delete one result in ten themselves. */
const isSwept = (podUid: string): boolean => parseInt(podUid.slice(0, 2), 16) % 10 === 0;
const SAMPLE_EVERY_MS = 2_000;
const LINE_EVERY_MS = 30_000;
/** The start fills pools, caches and the code cache; it is left out of the trends. */
const WARM_UP = 0.25;
/** By how much the heap may seem to grow over the whole run, bytes: the noise of the collector. */
const HEAP_NOISE = 8 * 2 ** 20;
/** By how much the pool of connections may breathe between the halves of the run: it follows the writes at the same time. */
const SOCKET_NOISE = 8;
/**
 * The least heap within this is what is left after a full collection, milliseconds. Within less there may be none: of this churn the old
 * generation takes a minute to fill.
 */
const FLOOR_MS = 90_000;
/** At the same time 32 results are written, 16 let go and 8 deleted; the others are watches, the lease, and those who ask. */
const SOCKETS = 32 + 16 + 8 + 16;
/** The limits that hold at any moment of any length of run. */
const LIMITS = { rssBytes: 300 * 2 ** 20, sockets: SOCKETS, queueDepth: 1_000, eventLoopDelayMs: 1_000 };
const QUIET_MS = 6_000;
/** The fewest Pods a minute for which the run counts. */
const LEAST_PODS_PER_MINUTE = 60;

const minutes = Number(process.env['MINUTES'] ?? '10');
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
if (!(minutes >= 1 && minutes <= 10_000) || !Number.isInteger(seed)) {
  process.stderr.write('Usage: make soak MINUTES=10 [SEED=n]: whole minutes from 1, a whole number\n');
  process.exit(2);
}

const OVER: ReadonlySet<string> = new Set(['Ready', 'Failed', 'Aborted']);
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
  controller = await startController([]);
  await makeBacklog();
  await controller.kill('SIGTERM');
  controller = await startController([`--max-results=${MAX_RESULTS}`]);
  process.exitCode = await soak(controller);
} finally {
  await controller?.kill('SIGTERM');
  client.close();
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function startController(args: readonly string[]): Promise<ControllerProcess> {
  const subject = new ControllerProcess({
    script: CONTROLLER_SCRIPT,
    kubeconfig: await controllerKubeconfig(plane),
    logFile: join(folder, 'controller.log'),
    apiPort: await freePort(),
    leaderElect: true,
    args,
  });
  subject.start();
  await subject.ready(60_000);
  return subject;
}

/** Pods that became ready and are gone, and whose results are all stored. */
async function makeBacklog(): Promise<void> {
  const fates = Array.from({ length: BACKLOG }, (_, i) => ({ delayMs: 10 + i }));
  await reportingPods(client, NAMESPACE, fates, { prefix: 'before' });
  const stored = async (): Promise<boolean> => {
    const results = await resultsOf(plane, NAMESPACE);
    return results.filter(({ status }) => status?.outcome === 'Ready').length === BACKLOG;
  };
  if (!(await comes(stored))) throw new Error(`the results of ${BACKLOG} Pods were not stored`);
  await deleteAllPods(plane, NAMESPACE);
}

/** What is stored at this moment, for the watch over retention. */
async function look(retention: RetentionWatch, pods: number): Promise<void> {
  const living = await client.list(PODS, { namespace: NAMESPACE });
  const there = new Set(living.items.map(({ metadata }) => metadata.uid));
  const results = await resultsOf(plane, NAMESPACE);
  retention.look({
    at: Date.now(),
    pods,
    stored: results.map(({ metadata, spec, status }) => ({
      podUid: spec.podRef.uid,
      createdMs: Date.parse(spec.createdAt),
      complete: status !== undefined && OVER.has(status.outcome) && !there.has(spec.podRef.uid),
      ending: metadata.deletionTimestamp !== undefined,
    })),
  });
}

async function soak(subject: ControllerProcess): Promise<number> {
  say(`soak: ${minutes} min, ${SLOTS} Pods at a time, SEED=${seed}`);
  const churn = new PodChurn({ client, namespace: NAMESPACE, slots: SLOTS, random: seeded(seed), sweeps: isSwept });
  const retention = new RetentionWatch({
    maxResults: MAX_RESULTS,
    slackMs: SLACK_MS,
    knownAfterMs: KNOWN_AFTER_MS,
    sweeps: isSwept,
  });
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
    await look(retention, BACKLOG + churn.counts.created);
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
  const pods = BACKLOG + churn.counts.created;
  let [stored, archived] = [0, 0];
  const restful = await comes(async () => {
    await look(retention, pods);
    stored = (await resultsOf(plane, NAMESPACE)).length;
    const archive = (await readRun(plane, NAMESPACE))?.status?.archive;
    archived = archive?.results ?? 0;
    return stored <= MAX_RESULTS && archive?.releasing === undefined && stored + archived === pods;
  });
  if (!restful) {
    retention.findings.push(
      `${stored} results are stored, ${MAX_RESULTS} at most, and ${archived} archived of ${pods} Pods`,
    );
  }
  const last = await probe(subject.pid ?? 0, subject.url);
  return judge(samples, last, churn, retention, archived, startedAt);
}

async function judge(
  samples: readonly Probe[],
  last: Probe,
  churn: PodChurn,
  retention: RetentionWatch,
  archived: number,
  startedAt: number,
): Promise<number> {
  const { created, deleted, failures } = churn.counts;
  const from = (samples[0]?.at ?? 0) + WARM_UP * minutes * 60_000;
  const warm = samples.filter((sample) => sample.at >= from);
  const span = (warm.at(-1)?.at ?? 0) - from;
  const heapSlope = slope(
    floors(
      warm.map(({ at, heapBytes }) => ({ at, value: heapBytes })),
      FLOOR_MS,
    ),
  );
  const sockets = warm.map((sample) => sample.sockets);
  const requests = last.requests - (samples[0]?.requests ?? 0);
  const { items } = await client.list(DATAPATH_RESULTS, { namespace: NAMESPACE });
  const verdict = await checkInvariants({
    auditLogPath: plane.auditLogPath,
    expectations: {
      pods: BACKLOG + Math.floor(minutes * LEAST_PODS_PER_MINUTE),
      controllers: 2,
      deletions: BACKLOG + Math.floor((minutes * LEAST_PODS_PER_MINUTE) / 2),
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
  const { mostDeletionsPerSecond } = verdict.counts;
  check(
    mostDeletionsPerSecond <= DELETIONS_PER_SECOND,
    `${mostDeletionsPerSecond} results were deleted within a second, ${DELETIONS_PER_SECOND} at most`,
  );
  check(retention.metAt !== undefined, `there were always more than ${MAX_RESULTS} results`);
  check(retention.left > BACKLOG, `retention let ${retention.left} results go, more than ${BACKLOG} were intended`);
  findings.push(...new Set(retention.findings));
  check(failures === 0, `${failures} steps of users failed`);

  say('');
  say(`Pods                ${created} made, ${deleted} deleted, ${JSON.stringify(churn.counts)}`);
  say(
    `heap                ${((heapSlope * 60_000) / 2 ** 10).toFixed(1)} KB/min, after ${Math.round(WARM_UP * 100)} % of the run, by the floors of ${FLOOR_MS / 1000} s`,
  );
  say(
    `RSS                 ${megabytes(Math.max(...samples.map((one) => one.rssBytes)))} at most, ${megabytes(last.rssBytes)} at the end`,
  );
  say(`sockets             ${Math.min(...sockets)} to ${Math.max(...sockets)}`);
  say(`requests            ${(requests / minutes).toFixed(0)}/min, ${(requests / created).toFixed(2)} for each Pod`);
  say(`index, queue        ${last.results} results (${items.length} stored), ${last.queueDepth} keys at rest`);
  const metAfter = (((retention.metAt ?? Number.NaN) - startedAt) / 1000).toFixed(0);
  say(
    `retention           ${MAX_RESULTS} kept of ${BACKLOG} from the start after ${metAfter} s; then at most ${retention.mostBeyond} more, ` +
      `${retention.allowedThen} came within ${SLACK_MS / 1000} s`,
  );
  say(
    `let go              ${retention.left} by retention, the oldest first, at most ${mostDeletionsPerSecond} a second; ` +
      `${archived} archived + ${items.length} stored = ${BACKLOG + created} Pods`,
  );
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

/** Whether it comes true in time. */
async function comes(holds: () => Promise<boolean>): Promise<boolean> {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    interrupted.signal.throwIfAborted();
    if (await holds()) return true;
    await pause(500);
  }
  return false;
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
