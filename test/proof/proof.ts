/**
 * Four runs in four namespaces, all namespaces deleted at the end, the controller killed at random throughout: what each run said when
 * it was complete, what it says when nothing else is left, and the invariants over the whole of it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { DatapathRun } from '../../src/modules/runs/datapath-run.schema.js';
import { quantile } from '../../src/statistics/quantile.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { ControllerProcess } from '../../tools/controller/controller-process.js';
import {
  applyManifests,
  CONTROLLER_SCRIPT,
  controllerKubeconfig,
  freePort,
} from '../../tools/controller/deployment.js';
import { checkInvariants } from '../../tools/invariants/check-invariants.js';
import type { Verdict } from '../../tools/invariants/expectations.js';
import { inParallel } from '../bench/load.js';
import { seeded } from '../support/pod-churn.js';
import { boundPod, createRun, isComplete, keptOf, readRun, reportFor } from '../support/runs.js';
import { planRuns } from './experiment.js';
import type { PlannedRun } from './experiment.js';
import { RandomKills } from './random-kills.js';

/** Pods that are made at the same time. */
const WIDTH = 32;
const POLL_MS = 250;
/** The longest that a step may take, and what a Pod adds to it, milliseconds. */
const PATIENCE_MS = 180_000;
const PATIENCE_PER_POD_MS = 40;
/** Longer than what a run's status may be behind. */
const QUIET_MS = 9_000;
/** What percentiles may be off by once results are archived. */
const RELATIVE_ERROR = 0.01;
const METRICS = ['timeToStart', 'timeToDatapathReady', 'datapathDelay'] as const;
const PERCENTILES = [
  ['p50Ms', 0.5],
  ['p90Ms', 0.9],
  ['p99Ms', 0.99],
] as const;

export interface ProofOptions {
  readonly pods: number;
  readonly kills: number;
  readonly seed: number;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface ProvenRun {
  readonly planned: PlannedRun;
  /** When it was complete. */
  readonly before: DatapathRun;
  /** When its Pods, its results and its namespace were gone. */
  readonly after: DatapathRun;
}

export interface Proof {
  readonly runs: readonly ProvenRun[];
  readonly verdict: Verdict;
  /** What isn't as it must be, a sentence each. */
  readonly findings: readonly string[];
  readonly kills: number;
  readonly seconds: number;
}

/** @throws Error when a step takes too long */
export async function proveRuns(options: ProofOptions): Promise<Proof> {
  const folder = mkdtempSync(join(tmpdir(), 'datapath-proof-'));
  // Namespaces end and have accounts; nobody looks after nodes, of which there are none.
  const plane = await startControlPlane({
    controllerManager: true,
    controllerManagerFlags: ['--controllers=namespace-controller,serviceaccount-controller'],
    progress: options.tell,
  });
  const client = connect({ kubeconfig: plane.kubeconfig, userAgent: 'proof-users' });
  let controller: ControllerProcess | undefined;
  try {
    await applyManifests(plane);
    controller = new ControllerProcess({
      script: CONTROLLER_SCRIPT,
      kubeconfig: await controllerKubeconfig(plane),
      logFile: join(folder, 'controller.log'),
      apiPort: await freePort(),
      leaderElect: false,
    });
    controller.start();
    await controller.ready(60_000);
    return await new Experiment(plane, client, controller, options).prove();
  } catch (error) {
    throw new Error(`${String(error)}\nthe end of the controller's log:\n${controller?.logTail() ?? ''}`, {
      cause: error,
    });
  } finally {
    await controller?.kill('SIGKILL');
    client.close();
    await plane.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Experiment {
  readonly #patienceMs: number;
  readonly #runs: readonly PlannedRun[];
  readonly #kills: RandomKills;

  constructor(
    private readonly plane: ControlPlane,
    private readonly client: KubeClient,
    controller: ControllerProcess,
    private readonly options: ProofOptions,
  ) {
    const random = seeded(options.seed);
    this.#patienceMs = PATIENCE_MS + options.pods * PATIENCE_PER_POD_MS;
    this.#runs = planRuns(options.pods, random);
    this.#kills = new RandomKills({ plane, controller, random, signal: options.signal, tell: options.tell });
  }

  async prove(): Promise<Proof> {
    const startedAt = Date.now();
    const { kills, pods, tell } = this.options;
    for (const { name, spec } of this.#runs) {
      await createRun(this.plane, name, spec);
      await this.#makeNamespace(name);
    }
    const killsOnTheWay = Math.ceil(kills / 2);
    let reported = 0;
    tell(`making ${pods} Pods in ${this.#runs.length} namespaces`);
    await Promise.all([
      this.#rollOut(() => {
        reported++;
        if (reported % 1_000 === 0) tell(`${reported} of ${pods} Pods have reported`);
      }),
      this.#kills.along(killsOnTheWay, () => reported / pods),
    ]);
    tell('waiting for the verdicts');
    const before = await this.#runsThat('are complete', isComplete);

    tell('deleting the namespaces');
    for (const { name } of this.#runs) await this.plane.kubectlOk(['delete', 'namespace', name, '--wait=false']);
    let over = false;
    const deletion = this.#everythingIsGone().finally(() => (over = true));
    const [after] = await Promise.all([deletion, this.#kills.during(kills - killsOnTheWay, () => over)]);

    tell('waiting for quiet, and judging the audit log');
    await this.#pause(QUIET_MS);
    const verdict = await checkInvariants({
      auditLogPath: this.plane.auditLogPath,
      expectations: {
        pods,
        controllers: 1 + kills,
        deletions: pods,
        namespaces: this.#runs.map(({ name }) => name),
        atRest: true,
      },
    });
    const runs = this.#runs.map((planned, i) => ({
      planned,
      before: before[i] as DatapathRun,
      after: after[i] as DatapathRun,
    }));
    const findings = runs.flatMap((run) => findingsOf(run).map((finding) => `run ${run.planned.name}: ${finding}`));
    return { runs, verdict, findings, kills: this.#kills.done, seconds: (Date.now() - startedAt) / 1000 };
  }

  /** A namespace whose Pods belong to its run, once Pods are admitted. */
  async #makeNamespace(name: string): Promise<void> {
    const metadata = { name, labels: { 'datapath.observer/run': name } };
    const { status, text } = await this.plane.request('POST', '/api/v1/namespaces', { metadata });
    if (status !== 201) throw new Error(`namespace ${name}: ${status} ${text.slice(0, 200)}`);
    const account = `/api/v1/namespaces/${name}/serviceaccounts/default`;
    await this.#until(`the account of ${name}`, async () => (await this.plane.request('GET', account)).status === 200);
  }

  /** Pods of all runs in turn, each of which reports as its reporter would. */
  async #rollOut(onReport: () => void): Promise<void> {
    const longest = Math.max(...this.#runs.map(({ fates }) => fates.length));
    const work = Array.from({ length: longest }, (_, i) => i).flatMap((i) =>
      this.#runs.flatMap(({ name: namespace, fates }) => {
        const fate = fates[i];
        return fate === undefined || fate === 'pending' ? [] : [{ namespace, name: `web-${i}`, fate }];
      }),
    );
    await inParallel(work, WIDTH, async ({ namespace, name, fate }, i) => {
      this.options.signal.throwIfAborted();
      await boundPod(this.client, { namespace, name, node: `node-${i % 100}` });
      await reportFor(this.client, namespace, name, fate);
      onReport();
    });
  }

  /** Each run, once no result waits for it and its namespace is gone. */
  async #everythingIsGone(): Promise<readonly DatapathRun[]> {
    for (const { name } of this.#runs) {
      const path = `/api/v1/namespaces/${name}`;
      await this.#until(`the end of ${name}`, async () => (await this.plane.request('GET', path)).status === 404);
      this.options.tell(`namespace ${name} is gone`);
    }
    return this.#runsThat('wait for none', ({ status }) => {
      const { results, releasing } = status?.archive ?? {};
      return results === status?.pods && releasing === undefined;
    });
  }

  async #runsThat(what: string, holds: (run: DatapathRun) => boolean): Promise<readonly DatapathRun[]> {
    const found: DatapathRun[] = [];
    for (const { name } of this.#runs) {
      let last: DatapathRun | undefined;
      const attempt = async (): Promise<DatapathRun | false> => {
        last = await readRun(this.plane, name);
        return last !== undefined && holds(last) && last;
      };
      found.push(
        await this.#until(`runs that ${what}`, attempt).catch((error: unknown) => {
          throw new Error(`${String(error)}; ${name} says ${JSON.stringify(last?.status)?.slice(0, 1_000)}`, {
            cause: error,
          });
        }),
      );
    }
    return found;
  }

  async #until<T>(what: string, attempt: () => Promise<T | false>): Promise<T> {
    const end = Date.now() + this.#patienceMs;
    for (;;) {
      const found = await attempt();
      if (found !== false) return found;
      if (Date.now() > end) throw new Error(`waited ${this.#patienceMs / 1000} s for ${what}`);
      await this.#pause(POLL_MS);
    }
  }

  async #pause(ms: number): Promise<void> {
    this.options.signal.throwIfAborted();
    await new Promise((done) => setTimeout(done, ms));
  }
}

/** What a run says, before and after, against what was caused. */
function findingsOf({ planned, before, after }: ProvenRun): string[] {
  const findings: string[] = [];
  const check = (what: string, said: unknown, due: unknown): void => {
    const [a, b] = [JSON.stringify(said), JSON.stringify(due)];
    if (a !== b) findings.push(`${what} is ${a}, must be ${b}`);
  };
  const failed = planned.fates.filter((fate) => fate === 'failed').length;
  for (const [when, { status }] of [
    ['complete', before],
    ['archived', after],
  ] as const) {
    const { pods, ready, failed: saidFailed, aborted, verdict, reason, metrics } = status ?? {};
    check(
      `when ${when}, what it counts`,
      { pods, ready, failed: saidFailed, aborted },
      { pods: planned.fates.length, ready: planned.delays.length, failed, aborted: 0 },
    );
    check(`when ${when}, its verdict`, [verdict, reason], [planned.verdict, planned.reason]);
    check(`when ${when}, the sum of its delays`, metrics?.datapathDelay.sumMs, sum(planned.delays));
    const error = metrics?.datapathDelay.estimated === true ? RELATIVE_ERROR : 0;
    for (const [field, q] of PERCENTILES) {
      const [said, exact] = [metrics?.datapathDelay[field], quantile(planned.delays, q)];
      if (!isWithin(said, exact, error)) findings.push(`when ${when}, ${field} is ${said}, exact is ${exact}`);
    }
  }
  check('what it keeps', keptOf(after), keptOf(before));
  check('the instant of its completion', after.status?.completedAt, before.status?.completedAt);
  check('its failed Pods', after.status?.failedPods, before.status?.failedPods);
  for (const metric of METRICS) {
    const [was, is] = [before.status?.metrics?.[metric], after.status?.metrics?.[metric]];
    check(`the slowest Pods by ${metric}`, is?.worst, was?.worst);
    for (const [field] of PERCENTILES) {
      if (isWithin(is?.[field], was?.[field], RELATIVE_ERROR)) continue;
      findings.push(`${metric} ${field} was ${was?.[field]}, is ${is?.[field]}`);
    }
  }
  return findings;
}

function isWithin(said: number | undefined, exact: number | null | undefined, error: number): boolean {
  return typeof said === 'number' && typeof exact === 'number' && Math.abs(said - exact) <= error * Math.abs(exact);
}

function sum(values: Float64Array): number {
  return values.reduce((a, b) => a + b, 0);
}
