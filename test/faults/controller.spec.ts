/**
 * The whole controller behind a bad network, while Pods come and go: after each fault the invariants are judged over the API
 * server's audit log. The settings are those of production.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
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
import type { Span } from '../../tools/invariants/expectations.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { eventually } from '../support/kube-fixtures.js';
import { PodChurn, seeded } from '../support/pod-churn.js';

/** The longest backoff of a watch, and a lease's worth more. */
const RECOVERY_MS = 60_000;
/** Longer than the settling of the end of a measurement. */
const QUIET_MS = 4_000;
const SLOTS = 12;

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

let plane: ControlPlane;
let users: KubeClient;
let proxy: FaultProxy;
let controller: ControllerProcess;
let folder: string;
let runs = 0;

/** A kubeconfig of the controller's service account, with a token of its own, whose server is the proxy. */
async function throughProxy(): Promise<string> {
  const config = JSON.parse(readFileSync(await controllerKubeconfig(plane), 'utf8')) as {
    readonly clusters: { readonly cluster: Record<string, unknown> }[];
  };
  for (const { cluster } of config.clusters) cluster['server'] = proxy.url;
  const file = join(folder, `kubeconfig-${runs++}.json`);
  writeFileSync(file, JSON.stringify(config));
  return file;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'controller-faults-'));
  plane = await startControlPlane({ progress: () => undefined });
  const { hostname: host, port } = new URL(plane.server);
  proxy = await FaultProxy.start({ host, port: Number(port) });
  users = connect({ kubeconfig: plane.kubeconfig });
  await applyManifests(plane);
  controller = new ControllerProcess({
    script: CONTROLLER_SCRIPT,
    kubeconfig: await throughProxy(),
    logFile: join(folder, 'controller.log'),
    apiPort: await freePort(),
    leaderElect: true,
  });
  controller.start();
  await controller.ready(60_000);
});

afterEach(async () => {
  await proxy.heal();
});

afterAll(async () => {
  await controller.kill('SIGTERM');
  users.close();
  await proxy.close();
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Stored {
  readonly metadata: { readonly creationTimestamp: string };
  readonly spec: { readonly podRef: { readonly uid: string } };
  readonly status?: { readonly outcome?: string };
}

/** @returns nothing while the API server can't tell, as in its first moments */
async function listOf<T>(path: string): Promise<readonly T[] | undefined> {
  const { status, text } = await plane.request('GET', path);
  return status === 200 ? (JSON.parse(text) as { readonly items: readonly T[] }).items : undefined;
}

/** Whether each living Pod has a result, and each result whose Pod is gone says how it ended. */
async function isTold(namespace: string): Promise<boolean> {
  const results = await listOf<Stored>(`/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults`);
  const pods = await listOf<{ readonly metadata: { readonly uid: string } }>(`/api/v1/namespaces/${namespace}/pods`);
  if (results === undefined || pods === undefined) return false;
  const living = new Set(pods.map((pod) => pod.metadata.uid));
  const known = new Set(results.map((result) => result.spec.podRef.uid));
  return (
    [...living].every((uid) => known.has(uid)) &&
    results.filter((result) => !living.has(result.spec.podRef.uid)).every((result) => isOver(result.status?.outcome))
  );
}

/** Whether a result that was made after this instant says how its Pod ended: then watches and writes work again. */
async function isToldSince(namespace: string, atMs: number): Promise<boolean> {
  const results = await listOf<Stored>(`/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults`);
  return (results ?? []).some(
    ({ metadata, status }) => Date.parse(metadata.creationTimestamp) > atMs && isOver(status?.outcome),
  );
}

function isOver(outcome: string | undefined): boolean {
  return ['Ready', 'Failed', 'Aborted'].includes(outcome ?? '');
}

/** Pods come and go, the fault strikes as often as it is asked to, everything heals, and the log is judged. */
async function survives(times: number, strike: () => Promise<void>, controllers = 1): Promise<void> {
  const namespace = `faults-${runs++}`;
  await prepareWorkloadNamespace(plane, namespace);
  const since = Date.now();
  const churn = new PodChurn({ client: users, namespace, slots: SLOTS, random: seeded(runs), retry: true });
  churn.start();
  const happened: Span[] = [];
  for (let i = 0; i < times; i++) {
    await pause(2_000);
    const from = Date.now();
    await strike();
    await proxy.heal();
    const healedAt = Date.now();
    await controller.ready(RECOVERY_MS);
    await eventually(
      'the end of a Pod that was made after the fault is told',
      () => isToldSince(namespace, healedAt),
      RECOVERY_MS,
    );
    happened.push({ from, to: Date.now() });
  }
  await pause(3_000);
  await churn.stop();
  await eventually('every Pod is told', () => isTold(namespace), RECOVERY_MS);
  await pause(QUIET_MS);
  const verdict = await checkInvariants({
    auditLogPath: plane.auditLogPath,
    expectations: {
      pods: SLOTS * 2,
      deletions: SLOTS,
      controllers,
      leaderElection: true,
      namespaces: [namespace],
      since,
      atRest: true,
      faults: { intended: times, happened },
    },
  });
  process.stderr.write(`  ${expect.getState().currentTestName ?? ''}: ${formatVerdict(verdict).at(-1) ?? ''}\n`);
  expect(formatVerdict(verdict).filter((line) => line.startsWith('broke'))).toEqual([]);
}

describe('the invariants hold for the controller', () => {
  it('while its connections are reset in the middle of an answer', async () => {
    const before = proxy.struck;
    await survives(3, async () => {
      proxy.resetMidway();
      await pause(1_000);
    });
    expect(proxy.struck).toBeGreaterThan(before);
  });

  it('while answers end before their time', async () => {
    const before = proxy.struck;
    await survives(3, async () => {
      proxy.truncate();
      await pause(1_000);
    });
    expect(proxy.struck).toBeGreaterThan(before);
  });

  it('while nobody answers for longer than a lease lasts', async () => {
    await survives(1, async () => {
      await proxy.refuse();
      await pause(17_000);
    });
  });

  it('while the API server is killed and started again', async () => {
    await survives(1, async () => {
      await plane.killApiServer();
      await pause(2_000);
      await plane.startApiServer();
    });
  });

  it('while it is killed itself and started again', async () => {
    await survives(
      2,
      async () => {
        const kubeconfig = await throughProxy();
        await controller.kill('SIGKILL');
        controller.start(kubeconfig);
      },
      3,
    );
  });
});
