/**
 * The main job on a real node: the manifests with the controller as a Pod of our image, real Pods with the reporter as a native
 * sidecar, and what the API says, through `kubectl port-forward`, held against what the targets did.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlPlane } from '../control-plane/launcher.js';
import { busyboxImage, busyboxReference } from '../control-plane/node/busybox-image.js';
import { startNode } from '../control-plane/node/start-node.js';
import { applyManifests, CONTROLLER_NAMESPACE, prepareWorkloadNamespace, ROOT } from '../controller/deployment.js';
import type { DemoOptions } from './options.js';
import { Progress } from './progress.js';
import { failedTable, palette, statisticsTable, worstTable } from './report.js';
import { planTargets } from './targets.js';
import type { TargetPlan } from './targets.js';
import type { StatisticAnswer, StoredResult } from './verify.js';

const NAMESPACE = 'datapath-demo';
const PROBE_TIMEOUT = '10s';
/** Pods that one node takes beside those of the system. */
const MAX_PODS = 200;
const PATIENCE_MS = 300_000;
const IMAGES = ['datapath-controller', 'datapath-reporter'].map((name) => join(ROOT, `dist/images/${name}-0.1.0.tar`));

const PORTS = { prompt: 8080, silent: 8081, refusing: 8082, firstLate: 9000 } as const;

/** Late ports say 503 until so long after the first request, since only that tells when a Pod began. Nothing listens where it refuses. */
const SERVER = `const http = require('node:http');
const plans = JSON.parse(process.env.PLANS);
http.createServer((_, response) => response.writeHead(204).end()).listen(${PORTS.prompt});
http.createServer(() => {}).listen(${PORTS.silent});
for (const { port, openAfterMs } of plans) {
  let first;
  http.createServer((_, response) => {
    first ??= performance.now();
    response.writeHead(performance.now() - first < openAfterMs ? 503 : 204).end();
  }).listen(port);
}
process.on('SIGTERM', () => process.exit(0));`;

interface Planned extends TargetPlan {
  readonly pod: string;
  readonly port: number;
}

/** What is checked of a stored result beyond the common part. */
type NodeResult = StoredResult & { readonly status?: { readonly datapathDelayMs?: number } };

export async function runNodeDemo(options: DemoOptions): Promise<number> {
  if (options.pods > MAX_PODS) throw new Error(`PODS is ${options.pods}: one real node takes at most ${MAX_PODS}`);
  for (const image of IMAGES) if (!existsSync(image)) throw new Error(`${image} is missing: run "make images"`);
  const progress = new Progress(process.stderr);
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort(new Error('interrupted; everything was stopped'));
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const { signal } = interrupted;
  const cleanups: (() => Promise<void> | void)[] = [];
  try {
    progress.step('starting a real node');
    const node = await startNode({ images: IMAGES, progress: (message) => progress.note(message) });
    cleanups.push(() => node.stop());
    await node.loadImage(busyboxImage());
    const plane = node.controlPlane;
    progress.step('applying the manifests; the controller is a Pod');
    await applyManifests(plane);
    const rollout = ['rollout', 'status', '-n', CONTROLLER_NAMESPACE, 'deployment/datapath-controller'];
    await plane.kubectlOk(rollout, { timeoutMs: 120_000 });
    await prepareWorkloadNamespace(plane, NAMESPACE);
    const planned = plan(options.pods);
    progress.step('starting the targets');
    await create(plane, ...targets(planned));
    const targetReady = ['wait', '-n', NAMESPACE, '--for=condition=Ready', 'pod/target', '--timeout=60s'];
    await plane.kubectlOk(targetReady, { timeoutMs: 70_000 });
    const url = await portForward(plane, cleanups);

    progress.step(`creating ${options.pods} Pods`);
    await create(plane, ...planned.map(podOf));
    const results = await untilOver(plane, options.pods, progress, signal);
    const query = `namespace=${NAMESPACE}&topN=1000`;
    const start = await getJson<StatisticAnswer>(`${url}/api/v1/time-to-start?${query}`);
    const ready = await getJson<StatisticAnswer>(`${url}/api/v1/time-to-datapath-ready?${query}`);
    const findings = verifyNode(planned, results, start, ready);
    progress.done();
    const shown = options.json
      ? JSON.stringify({ ok: findings.length === 0, findings, timeToStart: start, timeToDatapathReady: ready })
      : await screen(plane, { options, url, results, start, ready, findings });
    process.stdout.write(`${shown}\n`);
    if (options.keep) {
      process.stdout.write(
        `\nLeft running until Ctrl-C. The API: ${url}/api/v1, its documentation for a browser: ${url}/docs\n` +
          `  KUBECONFIG=${plane.kubeconfig} ${plane.state.kubectl} get pods,dpr -n ${NAMESPACE}\n`,
      );
      if (!signal.aborted) await once(signal, 'abort');
    }
    return findings.length === 0 ? 0 : 1;
  } finally {
    progress.done();
    for (const undo of cleanups.reverse()) await undo();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function plan(count: number): readonly Planned[] {
  return planTargets(count).map((each, i) => ({
    ...each,
    pod: `web-${String(i + 1).padStart(String(count).length, '0')}`,
    port: each.kind === 'late' ? PORTS.firstLate + i : PORTS[each.kind],
  }));
}

function targets(planned: readonly Planned[]): readonly object[] {
  const late = planned.filter(({ kind }) => kind === 'late');
  const target = {
    name: 'target',
    image: 'datapath-controller:0.1.0',
    command: ['/usr/local/bin/node', '-e', SERVER],
    env: [{ name: 'PLANS', value: JSON.stringify(late) }],
    readinessProbe: { tcpSocket: { port: PORTS.prompt }, periodSeconds: 1 },
  };
  const metadata = { name: 'target', namespace: NAMESPACE, labels: { app: 'target' } };
  return [
    { apiVersion: 'v1', kind: 'Pod', metadata, spec: { terminationGracePeriodSeconds: 1, containers: [target] } },
    // Headless: its name is the Pod's address, so that a closed port refuses by itself.
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: 'None', selector: { app: 'target' } } },
  ];
}

function podOf({ pod, port }: Planned): object {
  const env = { PROBE_TARGET: `http://target:${port}/`, PROBE_TIMEOUT };
  const restricted = { runAsNonRoot: true, runAsUser: 65_532, readOnlyRootFilesystem: true };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod, namespace: NAMESPACE, labels: { app: 'web' } },
    spec: {
      terminationGracePeriodSeconds: 1,
      initContainers: [
        {
          name: 'datapath-reporter',
          image: 'datapath-reporter:0.1.0',
          restartPolicy: 'Always',
          env: Object.entries(env).map(([name, value]) => ({ name, value })),
          securityContext: restricted,
        },
      ],
      containers: [
        {
          name: 'web',
          image: busyboxReference,
          imagePullPolicy: 'Never',
          command: ['sleep', 'infinity'],
          securityContext: restricted,
        },
      ],
    },
  };
}

async function create(plane: ControlPlane, ...items: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await plane.kubectlOk(['create', '-f', '-'], { input, timeoutMs: 120_000 });
}

/** A port of this machine that leads to the API as a user's would. @returns its URL */
async function portForward(plane: ControlPlane, cleanups: (() => void)[]): Promise<string> {
  const target = ['port-forward', '-n', CONTROLLER_NAMESPACE, 'service/datapath-controller', ':8080'];
  const child = spawn(plane.state.kubectl, target, { env: plane.environment(), stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => void child.kill());
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
  if (port === undefined) throw new Error(`kubectl port-forward said ${JSON.stringify(line)}`);
  return `http://127.0.0.1:${port}`;
}

async function untilOver(
  plane: ControlPlane,
  count: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly NodeResult[]> {
  progress.step(`waiting for the measurements to end (dead targets are given up after ${PROBE_TIMEOUT})`);
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    signal.throwIfAborted();
    const answer = await plane.request('GET', `/apis/datapath.observer/v1/namespaces/${NAMESPACE}/datapathresults`);
    if (answer.status !== 200) throw new Error(`the results can't be listed: ${answer.status} ${answer.text}`);
    const { items } = JSON.parse(answer.text) as { items: readonly NodeResult[] };
    const over = items.filter(({ status }) => status?.outcome === 'Ready' || status?.outcome === 'Failed').length;
    progress.note(`${over}/${count} are over`);
    if (over >= count || performance.now() > end) return items;
    await delay(250);
  }
}

/** Each finding is a sentence; none means that what the API says is what the targets did. */
function verifyNode(
  planned: readonly Planned[],
  results: readonly NodeResult[],
  start: StatisticAnswer,
  ready: StatisticAnswer,
): readonly string[] {
  const byName = new Map(results.map((result) => [result.spec.podRef.name, result.status]));
  const works = planned.filter(({ kind }) => kind === 'prompt' || kind === 'late').length;
  const counts = [
    [results.length, planned.length, 'DatapathResults'],
    [start.totalSuccessful, planned.length, 'started Pods'],
    [ready.totalSuccessful, works, 'ready Pods'],
    [ready.totalFailed, planned.length - works, 'failed Pods'],
  ] as const;
  const findings = counts
    .filter(([is, was]) => is !== was)
    .map(([is, was, what]) => `${is} ${what}, ${was} were caused`);
  for (const { pod, kind, openAfterMs } of planned) {
    const status = byName.get(pod);
    const expected = kind === 'prompt' || kind === 'late' ? 'Ready' : 'Failed';
    if (status?.outcome !== expected) findings.push(`${pod} (${kind}) is ${status?.outcome}, not ${expected}`);
    if (expected === 'Failed' && status?.failure?.class !== 'ProbeTimeout') {
      findings.push(`${pod} (${kind}) failed as ${status?.failure?.class}, not ProbeTimeout`);
    }
    if (kind === 'late' && (status?.datapathDelayMs ?? 0) < openAfterMs) {
      findings.push(
        `${pod} was ready ${status?.datapathDelayMs} ms after its start, its target after ${openAfterMs} ms`,
      );
    }
  }
  return findings;
}

interface Shown {
  readonly options: DemoOptions;
  readonly url: string;
  readonly results: readonly StoredResult[];
  readonly start: StatisticAnswer;
  readonly ready: StatisticAnswer;
  readonly findings: readonly string[];
}

async function screen(plane: ControlPlane, shown: Shown): Promise<string> {
  const { options, url, results, start, ready, findings } = shown;
  const paint = palette(options.colour);
  const list = await plane.kubectlOk(['get', 'dpr', '-n', NAMESPACE, '--sort-by=.spec.podRef.name']);
  const lines = list.trimEnd().split('\n');
  const verdict =
    findings.length === 0
      ? paint.green(`What was printed is what was caused: ${options.pods} real Pods checked one by one.`)
      : paint.red(['What was printed is NOT what was caused:', ...findings.slice(0, 20)].join('\n  - '));
  return [
    '',
    paint.bold(`${options.pods} Pods on a real node, from the API (${url}/api/v1)`),
    statisticsTable([
      ['time to start', start],
      ['time to datapath ready', ready],
    ]),
    '',
    worstTable(ready, 5),
    '',
    failedTable(ready, results, 5),
    '',
    paint.bold('$ kubectl get dpr'),
    ...lines.slice(0, 11),
    ...(lines.length > 11 ? [paint.dim(`... and ${lines.length - 11} more`)] : []),
    '',
    verdict,
  ].join('\n');
}

async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text) as T;
}
