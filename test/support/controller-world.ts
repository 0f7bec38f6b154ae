import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { AnswerSampler } from '../../tools/controller/answer-sampler.js';
import { ControllerProcess } from '../../tools/controller/controller-process.js';
import {
  applyManifests,
  CONTROLLER_NAMESPACE,
  CONTROLLER_SCRIPT,
  controllerKubeconfig,
  freePort,
  prepareWorkloadNamespace,
} from '../../tools/controller/deployment.js';
import { checkInvariants } from '../../tools/invariants/check-invariants.js';
import { formatVerdict, LEASE_NAME } from '../../tools/invariants/check.js';
import type { Span, Verdict } from '../../tools/invariants/expectations.js';
import { noteFigures } from './fault-figures.js';
import { FaultProxy } from './fault-proxy.js';
import { eventually } from './kube-fixtures.js';
import { PodChurn, seeded } from './pod-churn.js';

/** The longest backoff of a watch, and a lease's worth more. */
const RECOVERY_MS = 60_000;
/** Longer than the settling of the end of a measurement. */
const QUIET_MS = 4_000;
/** One watch may still wait for its longest backoff when another works again, milliseconds. */
const AFTERMATH_MS = 30_000;
const SLOTS = 12;

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** One controller behind a proxy of its own. */
export interface Subject {
  readonly process: ControllerProcess;
  readonly proxy: FaultProxy;
}

export interface WorldOptions {
  /** Default 1. */
  readonly replicas?: number;
  /** Default true. */
  readonly leaderElect?: boolean;
  /** Makes the kubeconfig of a process, before its server becomes the proxy. Default: a new token of the controller's service account. */
  readonly kubeconfig?: (plane: ControlPlane, folder: string) => Promise<string>;
}

export interface Ordeal {
  /** How often the fault is to strike. */
  readonly times: number;
  readonly strike: () => Promise<void>;
  /** Processes that must have been at work. Default: the replicas. */
  readonly processes?: number;
  /** Default 0. */
  readonly leaderChanges?: number;
  /** Whether writes that were sent in time may arrive after the lease has expired: then `Fenced` isn't judged. Default false. */
  readonly arrivesLate?: boolean;
  /** How long the controllers may take until they work again, milliseconds. Default 60 s. */
  readonly recoveryMs?: number;
}

interface Stored {
  readonly metadata: { readonly creationTimestamp: string };
  readonly spec: { readonly podRef: { readonly uid: string } };
  readonly status?: { readonly outcome?: string };
}

/**
 * The whole controller, with the settings of production, on a control plane of its own: behind proxies that fail, while Pods come and go. After each
 * fault the invariants are judged over the API server's audit log.
 */
export class ControllerWorld {
  readonly subjects: Subject[] = [];
  #runs = 0;

  private constructor(
    readonly plane: ControlPlane,
    /** Goes straight to the API server, as its administrator. */
    readonly users: KubeClient,
    readonly folder: string,
    readonly options: WorldOptions,
  ) {}

  static async start(options: WorldOptions = {}): Promise<ControllerWorld> {
    const plane = await startControlPlane({ progress: () => undefined });
    const users = connect({ kubeconfig: plane.kubeconfig });
    const world = new ControllerWorld(plane, users, mkdtempSync(join(tmpdir(), 'controller-faults-')), options);
    try {
      await applyManifests(plane);
      for (let index = 0; index < (options.replicas ?? 1); index++) await world.#add(index);
      for (const { process } of world.subjects) await process.ready(RECOVERY_MS);
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  /** The only controller, or the first. */
  get first(): Subject {
    const [first] = this.subjects;
    if (first === undefined) throw new Error('there is no controller');
    return first;
  }

  async heal(): Promise<void> {
    for (const { proxy } of this.subjects) await proxy.heal();
  }

  async stop(): Promise<void> {
    for (const { process } of this.subjects) {
      process.signal('SIGCONT');
      await process.kill('SIGTERM');
    }
    this.users.close();
    for (const { proxy } of this.subjects) await proxy.close();
    await this.plane.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A kubeconfig with a token of its own, whose server is the proxy: the audit log tells processes apart by their tokens. */
  async kubeconfig(proxy: FaultProxy): Promise<string> {
    const make = this.options.kubeconfig ?? controllerKubeconfig;
    const config = JSON.parse(readFileSync(await make(this.plane, this.folder), 'utf8')) as {
      readonly clusters: { readonly cluster: Record<string, unknown> }[];
    };
    for (const { cluster } of config.clusters) cluster['server'] = proxy.url;
    const file = join(this.folder, `kubeconfig-${this.#runs++}.json`);
    writeFileSync(file, JSON.stringify(config));
    return file;
  }

  /** The replica that holds the lease now. `other` waits until it is another one than that. */
  async leader(other?: Subject): Promise<Subject> {
    let found: Subject | undefined;
    await eventually(
      other === undefined ? 'a replica leads' : 'another replica leads',
      async () => {
        const lease = await this.#read<{ readonly spec?: { readonly holderIdentity?: string } }>(
          `/apis/coordination.k8s.io/v1/namespaces/${CONTROLLER_NAMESPACE}/leases/${LEASE_NAME}`,
        );
        // <host>-<process>-<random>
        const pid = Number(/-(\d+)-[0-9a-f]+$/.exec(lease?.spec?.holderIdentity ?? '')?.[1]);
        found = this.subjects.find(({ process }) => process.pid === pid);
        return found !== undefined && found !== other;
      },
      RECOVERY_MS,
    );
    if (found === undefined) throw new Error('no leader');
    return found;
  }

  /** One of the controller's own metrics, added up over the series whose labels hold this text. */
  async metric(name: string, labels = '', { process }: Subject = this.first): Promise<number> {
    const text = await (await fetch(`${process.url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return lines.filter((line) => line.includes(labels)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** Pods come and go, the fault strikes as often as it is asked to, everything heals, and the log is judged. */
  async survives({ times, strike, recoveryMs = RECOVERY_MS, ...intended }: Ordeal): Promise<Verdict> {
    const namespace = `faults-${this.#runs++}`;
    await prepareWorkloadNamespace(this.plane, namespace);
    const since = Date.now();
    const random = seeded(this.#runs);
    const churn = new PodChurn({ client: this.users, namespace, slots: SLOTS, random, retry: true });
    churn.start();
    const happened: Span[] = [];
    for (let time = 0; time < times; time++) {
      await pause(2_000);
      const from = Date.now();
      await strike();
      await this.heal();
      const healedAt = Date.now();
      for (const { process } of this.subjects) await process.ready(recoveryMs);
      await eventually(
        'the end of a Pod that was made after the fault is told',
        () => this.#isToldSince(namespace, healedAt),
        recoveryMs,
      );
      happened.push({ from, to: Date.now() + AFTERMATH_MS });
    }
    await pause(3_000);
    await churn.stop();
    await eventually('every Pod is told', () => this.#isTold(namespace), recoveryMs);
    await eventually('nothing waits for another try', async () => (await this.#failing()) === 0, recoveryMs);
    await pause(QUIET_MS);
    const sampler = new AnswerSampler([], namespace);
    for (const { process } of this.subjects) await sampler.ask(process.url);
    const { leaderElect = true } = this.options;
    const verdict = await checkInvariants({
      auditLogPath: this.plane.auditLogPath,
      expectations: {
        pods: SLOTS * 2,
        deletions: SLOTS,
        controllers: intended.processes ?? this.subjects.length,
        leaderChanges: intended.leaderChanges ?? 0,
        leaderElection: leaderElect && intended.arrivesLate !== true,
        namespaces: [namespace],
        since,
        atRest: true,
        faults: { intended: times, happened },
        answers: sampler.answers,
      },
    });
    const { counts } = verdict;
    noteFigures('controller', {
      seconds: happened.reduce((sum, { from, to }) => sum + (to - AFTERMATH_MS - from), 0) / 1000 / times,
      pods: counts.pods,
      writesPerPod: counts.writes / counts.pods,
      mostWrites: Math.max(counts.mostWritesPerPod, counts.mostWritesPerInterruptedPod),
      requestsPerMinute: counts.mostRequestsPerMinute,
      leaderChanges: counts.leaderChanges,
      broken: new Set(verdict.violations.map(({ invariant }) => invariant)).size,
    });
    expect(formatVerdict(verdict).filter((line) => line.startsWith('broke'))).toEqual([]);
    // Each replica answers, and answers all.
    expect(sampler.answers.map(({ synced }) => synced)).toEqual(this.subjects.map(() => true));
    return verdict;
  }

  async #add(index: number): Promise<void> {
    const { hostname: host, port } = new URL(this.plane.server);
    const proxy = await FaultProxy.start({ host, port: Number(port) });
    const process = new ControllerProcess({
      script: CONTROLLER_SCRIPT,
      kubeconfig: await this.kubeconfig(proxy),
      logFile: join(this.folder, `controller-${index}.log`),
      apiPort: await freePort(),
      leaderElect: this.options.leaderElect ?? true,
    });
    this.subjects.push({ process, proxy });
    process.start();
  }

  async #failing(): Promise<number> {
    const counts = await Promise.all(this.subjects.map((subject) => this.metric('operator_failing_keys', '', subject)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Whether each living Pod has a result, and each result whose Pod is gone says how it ended. */
  async #isTold(namespace: string): Promise<boolean> {
    const results = await this.#results(namespace);
    const pods = await this.#read<{ readonly items: readonly { readonly metadata: { readonly uid: string } }[] }>(
      `/api/v1/namespaces/${namespace}/pods`,
    );
    if (results === undefined || pods === undefined) return false;
    const living = new Set(pods.items.map((pod) => pod.metadata.uid));
    const known = new Set(results.map((result) => result.spec.podRef.uid));
    return (
      [...living].every((uid) => known.has(uid)) &&
      results.filter((result) => !living.has(result.spec.podRef.uid)).every((result) => isOver(result.status?.outcome))
    );
  }

  /** Whether a result that was made after this instant says how its Pod ended: then watches and writes work again. */
  async #isToldSince(namespace: string, atMs: number): Promise<boolean> {
    return ((await this.#results(namespace)) ?? []).some(
      ({ metadata, status }) => Date.parse(metadata.creationTimestamp) > atMs && isOver(status?.outcome),
    );
  }

  async #results(namespace: string): Promise<readonly Stored[] | undefined> {
    const path = `/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults`;
    return (await this.#read<{ readonly items: readonly Stored[] }>(path))?.items;
  }

  /** @returns nothing while the API server can't tell, as in its first moments */
  async #read<T>(path: string): Promise<T | undefined> {
    const { status, text } = await this.plane.request('GET', path);
    return status === 200 ? (JSON.parse(text) as T) : undefined;
  }
}

function isOver(outcome: string | undefined): boolean {
  return ['Ready', 'Failed', 'Aborted'].includes(outcome ?? '');
}
