/**
 * `make bench`: figures of the controller on real parts, run as its image runs it. It reports; it never fails a test run.
 *
 *   BENCH=idle,burst,query,clients,visible,stored   parts; default all
 *   RUNS=3                                          runs of each; the table has medians and spread
 *   PODS=14000 RESULTS=150000                       size of the burst, and how many results are stored
 *   BASELINE=program                                another controller, measured on the same work. It isn't asked about stored results:
 *                                                   those are of our kind.
 *   STATE=name                                      keeps the control plane with the stored results under this name, and uses it again
 *
 * Prints a table and writes test-results/bench.json.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { attachControlPlane, startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { applyManifests, controllerKubeconfig } from '../../tools/controller/deployment.js';
import { CONTROLLER_NODE_FLAGS } from '../../tools/images/image-contents.js';
import { NODE_VERSION } from '../../tools/images/node-binary.js';
import { benchBurst } from './burst.bench.js';
import { Figures } from './figures.js';
import { benchClients, benchQuery } from './query.bench.js';
import { benchStored } from './stored.bench.js';
import { settleApiServer, storeResults } from './stored-results.js';
import { Subject } from './subject.js';
import { benchVisible } from './visible.bench.js';

const PARTS = ['idle', 'burst', 'query', 'clients', 'visible', 'stored'] as const;
type Part = (typeof PARTS)[number];

/** A machine that others use too may let a write wait for long; the bench then ends late, not in the middle. Milliseconds. */
const WRITE_TIMEOUT_MS = 300_000;

const chosen = (process.env['BENCH'] ?? PARTS.join(',')).split(',');
const unknown = chosen.filter((part) => !(PARTS as readonly string[]).includes(part));
if (unknown.length > 0) {
  end(`BENCH: ${unknown.join(',')} is no part; takes ${PARTS.join(', ')}, separated by commas`);
}
const runs = whole('RUNS', 1);
const pods = whole('PODS', 14_000);
const results = whole('RESULTS', 150_000);
const baseline = process.env['BASELINE'] ?? '';
const state = process.env['STATE'] ?? '';
const wants = (part: Part): boolean => chosen.includes(part);
const tell = (text: string): void => void process.stderr.write(`bench: ${text}\n`);
const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const figures = new Figures();
const versions = new Set<string>();

/** Idle memory, then everything that begins with a burst of Pods, on a fresh control plane. */
async function measurePods(name: string, program: string | undefined): Promise<void> {
  const say = (text: string): void => tell(`${name}: ${text}`);
  say('starting a control plane');
  const plane = await startControlPlane({ audit: false });
  const client = connect({ kubeconfig: plane.kubeconfig, timeoutMs: WRITE_TIMEOUT_MS });
  const subject = await prepare(plane, name, program);
  try {
    await subject.start();
    await subject.shows(0, 60_000);
    if (wants('idle')) {
      await new Promise((done) => setTimeout(done, 10_000));
      figures.note({ name: 'idle: memory', unit: 'MB', atMost: 130 }, name, subject.usage().rssMb);
    }
    if (!wants('burst') && !wants('query') && !wants('clients') && !wants('visible')) return;
    say(`a burst of ${pods} Pods`);
    await benchBurst(plane, client, subject, pods, wants('burst') ? figures : new Figures(), say);
    if (wants('query')) {
      say('questions');
      await benchQuery(subject, pods, 5, figures);
    }
    if (wants('clients')) await benchClients(client, subject, pods, figures, say);
    if (wants('visible')) await benchVisible(client, plane.kubeconfig, subject, figures, say);
  } finally {
    await subject.stop();
    client.close();
    await plane.stop();
  }
}

/** Starts over many stored results, all over the same ones. */
async function measureStored(): Promise<void> {
  const plane = await planeWithResults();
  const client = connect({ kubeconfig: plane.kubeconfig, timeoutMs: WRITE_TIMEOUT_MS });
  try {
    tell('starting the API server anew');
    await settleApiServer(plane, client);
    for (let run = 1; run <= runs; run++) {
      tell(`stored results, run ${run} of ${runs}`);
      const subject = await prepare(plane, 'ours', undefined);
      try {
        await benchStored(subject, results, figures, tell);
      } finally {
        await subject.stop();
      }
    }
  } finally {
    client.close();
    if (state === '') await plane.stop();
    else await plane.release();
  }
}

async function planeWithResults(): Promise<ControlPlane> {
  if (state !== '') {
    const known = await attachControlPlane(state).catch(() => undefined);
    if (known !== undefined) return known;
  }
  tell('starting a control plane');
  const plane = await startControlPlane({ audit: false, ...(state === '' ? {} : { name: state }) });
  const client: KubeClient = connect({ kubeconfig: plane.kubeconfig, timeoutMs: WRITE_TIMEOUT_MS });
  try {
    await applyManifests(plane);
    await storeResults(plane, client, results, tell);
    return plane;
  } catch (error) {
    await plane.stop();
    throw error;
  } finally {
    client.close();
  }
}

async function prepare(plane: ControlPlane, name: string, program: string | undefined): Promise<Subject> {
  await applyManifests(plane);
  const { text } = await plane.request('GET', '/version');
  versions.add(`Kubernetes ${(JSON.parse(text) as { gitVersion: string }).gitVersion}`);
  // A program that isn't ours has rights of its own making: it acts as administrator.
  const kubeconfig = program === undefined ? await controllerKubeconfig(plane) : plane.kubeconfig;
  return new Subject({ name, program, kubeconfig, logFile: join(folder, `${name}.log`) });
}

function whole(name: string, fallback: number): number {
  const text = process.env[name] ?? '';
  const value = text === '' ? fallback : Number(text);
  if (!Number.isInteger(value) || value < 1) end(`${name}: ${text} is no whole number from 1`);
  return value;
}

function end(message: string): never {
  process.stderr.write(`bench: ${message}\n`);
  process.exit(2);
}

for (let run = 1; run <= runs; run++) {
  if (chosen.every((part) => part === 'stored')) break;
  tell(`run ${run} of ${runs}; logs in ${folder}`);
  await measurePods('ours', undefined);
  if (baseline !== '') await measurePods('baseline', baseline);
}
if (wants('stored')) await measureStored();

const cpu = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'})`;
const machine = `${cpu}, ${(totalmem() / 1e9).toFixed(0)} GB, Linux ${release()}`;
const software = [...versions, ['Node', `v${NODE_VERSION}`, ...CONTROLLER_NODE_FLAGS].join(' ')].join(', ');
const subjects = baseline === '' ? ['ours'] : ['ours', 'baseline'];
process.stdout.write(`${machine}\n${software}\n${runs} run(s), medians\n\n${figures.format(subjects)}\n`);
mkdirSync('test-results', { recursive: true });
writeFileSync(
  'test-results/bench.json',
  `${JSON.stringify({ at: new Date().toISOString(), machine, software, runs, figures }, null, 2)}\n`,
);
tell('wrote test-results/bench.json');
