/**
 * A short story of Pods in which each invariant has something to lose: one becomes ready after a while, one fails and succeeds
 * late with another start, one is deleted while it is pending and its result after it, many come while replicas compete, and some
 * never report.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ControlPlane } from '../control-plane/launcher.js';
import { ControllerProcess } from '../controller/controller-process.js';
import { controllerKubeconfig, createPod, freePort, prepareWorkloadNamespace } from '../controller/deployment.js';
import { checkInvariants } from '../invariants/check-invariants.js';
import { LEASE_NAME } from '../invariants/check.js';
import type { Verdict } from '../invariants/expectations.js';

/** Pods that never report. */
const PENDING = 12;
/** Pods that come one after the other while the lease is contended. */
const STREAM = 40;
/** How long a mutant may fail to do what the code as it is would have done, milliseconds. */
const PATIENCE_MS = 12_000;
/** Longer than the settling of the end of a measurement, so that nothing is due any more. */
const QUIET_MS = 4_000;

interface Stored {
  readonly metadata?: { readonly name?: string };
  readonly spec?: { readonly podRef?: { readonly name?: string } };
  readonly status?: { readonly outcome?: string; readonly startedAt?: string };
}

export interface ScenarioOptions {
  readonly script: string;
  readonly folder: string;
  readonly replicas: number;
}

export async function playScenario(plane: ControlPlane, options: ScenarioOptions): Promise<Verdict> {
  const namespace = `mutant-${randomBytes(3).toString('hex')}`;
  await prepareWorkloadNamespace(plane, namespace);
  await plane.request('DELETE', `/apis/coordination.k8s.io/v1/namespaces/datapath-observer/leases/${LEASE_NAME}`);
  const since = Date.now();
  const controllers: ControllerProcess[] = [];
  try {
    for (let i = 0; i < options.replicas; i++) {
      const controller = new ControllerProcess({
        script: options.script,
        kubeconfig: await controllerKubeconfig(plane),
        logFile: join(options.folder, `controller-${i}.log`),
        apiPort: await freePort(),
        leaderElect: options.replicas > 1,
        args: [`--namespace=${namespace}`],
      });
      controllers.push(controller);
      controller.start();
    }
    for (const controller of controllers) await controller.ready(60_000);
    const pods = await play(new Story(plane, namespace), options.replicas > 1);
    return await checkInvariants({
      auditLogPath: plane.auditLogPath,
      expectations: {
        pods,
        controllers: options.replicas,
        deletions: 1,
        leaderElection: options.replicas > 1,
        namespaces: [namespace],
        since,
        atRest: true,
      },
    });
  } finally {
    for (const controller of controllers) await controller.kill('SIGKILL');
  }
}

/** @returns how many Pods there were */
async function play(story: Story, contended: boolean): Promise<number> {
  for (let i = 0; i < PENDING; i++) await story.create(`pending-${i}`);
  for (const name of ['prompt', 'late', 'gone', 'left']) await story.create(name);
  const now = (): string => new Date().toISOString();
  const firstStart = now();
  await story.annotate('prompt', { 'datapath.observer/started-at': firstStart });
  const failed = { v: 1, state: 'TimedOut', target: 'tcp://192.0.2.1:1', attempts: 3, restarts: 0 };
  await story.annotate('late', {
    'datapath.observer/started-at': firstStart,
    'datapath.observer/report': JSON.stringify({
      ...failed,
      startedAt: firstStart,
      lastError: { kind: 'refused', message: 'refused' },
    }),
  });
  await story.until('late', (result) => result.status?.outcome === 'Failed');
  // The result of one is deleted later on; that of the other stays to tell the end.
  for (const name of ['gone', 'left']) await story.delete(name);
  await story.annotate('prompt', { 'datapath.observer/ready-at': now() });
  await story.annotate('late', {
    'datapath.observer/started-at': now(),
    'datapath.observer/ready-at': now(),
    'datapath.observer/report': null,
  });
  if (contended) for (let i = 0; i < STREAM; i++) await story.create(`stream-${i}`, 150);
  await story.until('late', (result) => result.status?.outcome === 'Ready');
  await story.until('prompt', (result) => result.status?.outcome === 'Ready');
  await story.until('gone', (result) => result.status?.outcome === 'Aborted');
  await story.until('left', (result) => result.status?.outcome === 'Aborted');
  await story.deleteResult('gone');
  await pause(QUIET_MS);
  return PENDING + 4 + (contended ? STREAM : 0);
}

class Story {
  constructor(
    private readonly plane: ControlPlane,
    private readonly namespace: string,
  ) {}

  async create(name: string, afterMs = 0): Promise<void> {
    if (afterMs > 0) await pause(afterMs);
    await createPod(this.plane, this.namespace, { name });
  }

  async annotate(pod: string, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    const patch = JSON.stringify({ metadata: { annotations } });
    await this.plane.kubectlOk(['patch', 'pod', pod, '-n', this.namespace, '--type=merge', `--patch=${patch}`]);
  }

  async delete(pod: string): Promise<void> {
    await this.plane.kubectlOk(['delete', 'pod', pod, '-n', this.namespace, '--grace-period=0', '--force']);
  }

  /** Deletes the result of a Pod that is gone, and waits until its run has let it go, but not for ever. */
  async deleteResult(pod: string): Promise<void> {
    const isIts = (result: Stored): boolean => result.spec?.podRef?.name === pod;
    const name = (await this.#results()).find(isIts)?.metadata?.name;
    if (name === undefined) return;
    await this.plane.kubectlOk(['delete', 'dpr', name, '-n', this.namespace, '--wait=false']);
    const end = Date.now() + PATIENCE_MS;
    while (Date.now() < end && (await this.#results()).some(isIts)) await pause(100);
  }

  /** Waits until the result of a Pod is as expected, but not for ever: a mutant may never get there, and is judged all the same. */
  async until(pod: string, expected: (result: Stored) => boolean): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    while (Date.now() < end) {
      const items = await this.#results();
      if (items.some((result) => result.spec?.podRef?.name === pod && expected(result))) return;
      await pause(100);
    }
  }

  async #results(): Promise<readonly Stored[]> {
    const path = `/apis/datapath.observer/v1/namespaces/${this.namespace}/datapathresults`;
    const { items = [] } = JSON.parse((await this.plane.request('GET', path)).text) as { items?: readonly Stored[] };
    return items;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
