/** A controller process under test, in front of the control plane that `make test` started. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attachControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { ControllerProcess } from '../../tools/controller/controller-process.js';
import {
  applyManifests,
  CONTROLLER_SCRIPT,
  controllerKubeconfig,
  freePort,
  prepareWorkloadNamespace,
} from '../../tools/controller/deployment.js';

/** The longest that a test waits for anything, milliseconds. */
export const PATIENCE_MS = 60_000;

export interface StoredResult {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly resourceVersion: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly podRef: { readonly namespace: string; readonly name: string; readonly uid: string };
    readonly createdAt: string;
    readonly creationSource: string;
    readonly runName: string;
  };
  readonly status?: {
    readonly outcome: string;
    readonly startedAt?: string;
    readonly datapathReadyAt?: string;
    readonly timeToStartMs?: number;
    readonly timeToDatapathReadyMs?: number;
    readonly datapathDelayMs?: number;
    readonly uncertaintyMs?: number;
    readonly podDeletedAt?: string;
    readonly failure?: { readonly class: string; readonly message: string };
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime: string;
    }[];
  };
}

export interface Statistic {
  readonly count: number;
  readonly totalSuccessful: number;
  readonly totalFailed: number;
  readonly totalPending: number;
  readonly totalAborted: number;
  readonly p50: number | null;
  readonly worstPods: readonly { readonly uid: string; readonly name: string; readonly value: number }[];
  readonly failedPods: readonly { readonly uid: string; readonly name: string }[];
}

/** The control plane of this test run. @throws Error when the tests weren't started by `make test` */
export async function controlPlane(): Promise<ControlPlane> {
  const state = process.env['CONTROL_PLANE_STATE'];
  if (state === undefined) throw new Error('no control plane: run the tests with `make test`');
  return attachControlPlane(state);
}

/** Starts a controller as its service account; `stop` ends it. */
export async function startController(
  plane: ControlPlane,
  options: { readonly args?: readonly string[]; readonly leaderElect?: boolean } = {},
): Promise<ControllerProcess> {
  await applyManifests(plane);
  const controller = new ControllerProcess({
    script: CONTROLLER_SCRIPT,
    kubeconfig: await controllerKubeconfig(plane),
    logFile: join(mkdtempSync(join(tmpdir(), 'controller-test-')), 'log'),
    apiPort: await freePort(),
    leaderElect: options.leaderElect ?? false,
    ...(options.args === undefined ? {} : { args: options.args }),
  });
  controller.start();
  await controller.ready(60_000);
  return controller;
}

export async function newWorkloadNamespace(plane: ControlPlane, purpose: string): Promise<string> {
  const name = `${purpose}-${randomBytes(3).toString('hex')}`;
  await prepareWorkloadNamespace(plane, name);
  return name;
}

export async function resultsOf(plane: ControlPlane, namespace: string): Promise<readonly StoredResult[]> {
  const answer = await plane.request('GET', `/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults`);
  if (answer.status !== 200) throw new Error(`results of ${namespace}: ${answer.status} ${answer.text.slice(0, 200)}`);
  return (JSON.parse(answer.text) as { items: StoredResult[] }).items;
}

export async function annotate(
  plane: ControlPlane,
  namespace: string,
  pod: string,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}`;
  const answer = await plane.request('PATCH', path, { metadata: { annotations } });
  if (answer.status !== 200) throw new Error(`PATCH ${path}: ${answer.status} ${answer.text.slice(0, 300)}`);
}

/** Deletes a Pod at once: no kubelet would confirm a graceful end. */
export async function deletePod(plane: ControlPlane, namespace: string, pod: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}?gracePeriodSeconds=0`;
  const answer = await plane.request('DELETE', path);
  if (answer.status !== 200) throw new Error(`DELETE ${path}: ${answer.status} ${answer.text.slice(0, 300)}`);
}

export async function statistic(controller: ControllerProcess, call: string, namespace: string): Promise<Statistic> {
  const response = await fetch(`${controller.url}/api/v1/${call}?namespace=${namespace}&topN=1000`);
  if (!response.ok) throw new Error(`${call}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Statistic;
}

/** Polls until `probe` gives something, and returns it. @throws Error that says what was waited for and what was seen last */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end)
      throw new Error(`waited ${PATIENCE_MS} ms for: ${what}; last: ${String(last)}`, { cause: last });
    await new Promise((done) => setTimeout(done, 50));
  }
}
