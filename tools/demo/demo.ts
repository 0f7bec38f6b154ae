/**
 * The main job from end to end on an embedded control plane: the manifests are applied, the controller runs as its own service
 * account, a real reporter process probes for each Pod, and what the API says at the end is held against what was caused.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlPlane } from '../control-plane/launcher.js';
import type { ControlPlane } from '../control-plane/launcher.js';
import { AnswerSampler } from '../controller/answer-sampler.js';
import { ControllerProcess } from '../controller/controller-process.js';
import {
  applyManifests,
  CONTROLLER_SCRIPT,
  controllerKubeconfig,
  createPod,
  freePort,
  prepareWorkloadNamespace,
  REPORTER_SCRIPT,
} from '../controller/deployment.js';
import { checkInvariants } from '../invariants/check-invariants.js';
import { formatVerdict } from '../invariants/check.js';
import { awaitRun, makeRun, RUN_LABELS, verdictLines } from './demo-run.js';
import type { DemoOptions } from './options.js';
import { Progress } from './progress.js';
import { killWriter } from './kill-writer.js';
import { failedTable, palette, statisticsTable, worstTable } from './report.js';
import { startReporter } from './reporter-process.js';
import type { ReporterProcess } from './reporter-process.js';
import { openTarget, planTargets } from './targets.js';
import { isReachable, verify } from './verify.js';
import type { Caused, StatisticAnswer, StoredResult } from './verify.js';

const NAMESPACE = 'datapath-demo';
/** Long enough for every late target on a busy machine, short enough to wait for the dead ones. */
const PROBE_TIMEOUT = '10s';
/** Pods that are created, and reporters that are started, at the same time. */
const CONCURRENCY = 8;
/** After the last result is stored: what is written now is written in vain, and the invariants shall see it. */
const QUIET_MS = 3_000;

export async function runDemo(options: DemoOptions): Promise<number> {
  const progress = new Progress(process.stderr);
  const cleanups: (() => Promise<void> | void)[] = [];
  const cleanUp = async (): Promise<void> => {
    for (const undo of cleanups.splice(0).reverse()) await undo();
  };
  const interrupted = new AbortController();
  // The first signal ends in order. It may arrive twice, from the terminal and from the shell that waits: what follows is ignored.
  const onSignal = (): void => interrupted.abort(new Error('interrupted; everything was stopped'));
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await run(options, progress, cleanups, interrupted.signal);
  } finally {
    progress.done();
    await cleanUp();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

async function run(
  options: DemoOptions,
  progress: Progress,
  cleanups: (() => Promise<void> | void)[],
  signal: AbortSignal,
): Promise<number> {
  const paint = palette(options.colour);
  const folder = mkdtempSync(join(tmpdir(), 'datapath-demo-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));

  progress.step('starting the control plane');
  const plane = await startControlPlane({ progress: (message) => progress.note(message) });
  cleanups.push(() => plane.stop());
  progress.step('applying the manifests');
  await applyManifests(plane);
  await prepareWorkloadNamespace(plane, NAMESPACE);

  progress.step('starting the controller as its service account');
  const controllers: ControllerProcess[] = [];
  for (let i = 0; i < options.replicas; i++) {
    const controller = new ControllerProcess({
      script: CONTROLLER_SCRIPT,
      kubeconfig: await controllerKubeconfig(plane),
      logFile: join(folder, `controller-${i}.log`),
      apiPort: await freePort(),
      leaderElect: options.replicas > 1,
    });
    controllers.push(controller);
    controller.start();
    cleanups.push(async () => void (await controller.kill('SIGTERM')));
  }
  for (const controller of controllers) await controller.ready(60_000);
  const [first] = controllers;
  if (first === undefined) throw new Error('no controller was started');
  await makeRun(plane, options.pods);
  const sampler = new AnswerSampler(controllers, NAMESPACE);
  sampler.start();
  cleanups.push(() => sampler.stop());

  const caused: Caused[] = [];
  const reporters: ReporterProcess[] = [];
  cleanups.push(() => {
    for (const reporter of reporters) reporter.kill();
    for (const one of caused) one.target.close();
  });
  const plans = planTargets(options.pods);
  let killsLeft = options.kills;
  let killing: Promise<void> = Promise.resolve();
  let next = 0;
  const creating = `creating ${options.pods} Pods, a reporter process for each`;
  progress.step(creating);
  const worker = async (stop: AbortSignal): Promise<void> => {
    for (let i = next++; i < plans.length; i = next++) {
      // While a kill waits for the next leader, so does the rest of the run: a kill shall come in its middle.
      await killing;
      stop.throwIfAborted();
      const plan = plans[i];
      if (plan === undefined) return;
      const podName = `web-${String(i + 1).padStart(String(options.pods).length, '0')}`;
      const uid = await createPod(plane, NAMESPACE, {
        name: podName,
        nodeName: `demo-node-${(i % 3) + 1}`,
        labels: { app: 'web', ...RUN_LABELS },
      });
      const token = await plane.token({ namespace: NAMESPACE, name: 'default', pod: { name: podName, uid } });
      const target = await openTarget(plan);
      const reporter = startReporter({
        folder: join(folder, 'pods'),
        script: REPORTER_SCRIPT,
        server: new URL(plane.server),
        caData: plane.caData,
        token,
        namespace: NAMESPACE,
        podName,
        target: target.url,
        timeout: PROBE_TIMEOUT,
      });
      target.arm();
      reporters.push(reporter);
      caused.push({ podName, uid, target, spawnedAtMs: reporter.spawnedAtMs });
      progress.note(`${caused.length}/${options.pods} Pods`);
      // Kills are spread over the run: when 1/(n+1), 2/(n+1) … of the Pods are there.
      if (killsLeft > 0 && caused.length >= (options.pods * (options.kills - killsLeft + 1)) / (options.kills + 1)) {
        killsLeft--;
        killing = killing.then(() => killWriter(plane, controllers, progress, signal));
        await killing;
        progress.step(creating);
      }
    }
  };
  mkdirSync(join(folder, 'pods'), { recursive: true });
  // All have ended before an error is passed on: none may start anything behind the cleanup.
  const failed = new AbortController();
  const stopAll = AbortSignal.any([signal, failed.signal]);
  const ends = await Promise.allSettled(
    Array.from({ length: CONCURRENCY }, () =>
      worker(stopAll).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    ),
  );
  for (const end of ends) if (end.status === 'rejected') throw failed.signal.reason ?? end.reason;

  progress.step(`waiting for the measurements to end (dead targets are given up after ${PROBE_TIMEOUT})`);
  const deadline = Date.now() + 120_000;
  let open = options.pods;
  while (open > 0 && Date.now() < deadline) {
    signal.throwIfAborted();
    const results = await storedResults(plane);
    open = options.pods - results.filter((one) => isOver(one.status?.outcome)).length;
    progress.note(`${options.pods - open}/${options.pods} are over`);
    if (open > 0) await new Promise((done) => setTimeout(done, 250));
  }
  for (const controller of controllers) await controller.ready(60_000);

  const query = `namespace=${NAMESPACE}&topN=1000`;
  const start = await getJson<StatisticAnswer>(`${first.url}/api/v1/time-to-start?${query}`);
  const ready = await getJson<StatisticAnswer>(`${first.url}/api/v1/time-to-datapath-ready?${query}`);
  const results = await storedResults(plane);
  progress.step('waiting for the verdict of the run');
  const outcome = await awaitRun(plane, options.pods, caused.filter((one) => isReachable(one.target)).length);
  const findings = [...verify(caused, results, start, ready), ...outcome.findings];

  progress.step('checking the invariants over the audit log');
  await new Promise((done) => setTimeout(done, QUIET_MS));
  await sampler.stop();
  const verdict = await checkInvariants({
    auditLogPath: plane.auditLogPath,
    expectations: {
      pods: options.pods,
      controllers: options.replicas + options.kills,
      leaderElection: options.replicas > 1,
      leaderChanges: options.replicas > 1 ? options.kills : 0,
      namespaces: [NAMESPACE],
      atRest: true,
      answers: sampler.answers,
    },
  });
  progress.done();
  const ok = findings.length === 0 && verdict.violations.length === 0;

  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ ok, findings, timeToStart: start, timeToDatapathReady: ready, invariants: verdict, run: outcome.run?.status })}\n`,
    );
  } else {
    const shown = await plane.kubectlOk(['get', 'dpr', '-n', NAMESPACE, '--sort-by=.spec.podRef.name']);
    const lines = shown.trimEnd().split('\n');
    const out = [
      '',
      paint.bold(`${options.pods} Pods, from the API (${first.url}/api/v1)`),
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
      paint.bold('$ kubectl get dprun'),
      ...outcome.line.split('\n'),
      '',
      ...verdictLines(outcome),
      '',
      findings.length === 0
        ? paint.green(`What was printed is what was caused: ${options.pods} Pods checked one by one.`)
        : paint.red(
            `What was printed is NOT what was caused:\n${findings
              .slice(0, 20)
              .map((text) => `  - ${text}`)
              .join('\n')}`,
          ),
      ...formatVerdict(verdict).map(verdict.violations.length === 0 ? paint.green : paint.red),
    ];
    process.stdout.write(`${out.join('\n')}\n`);
  }
  if (!ok) process.stderr.write(`the end of the controller's log:\n${first.logTail()}\n`);
  if (options.keep) await keepRunning(plane, first, signal);
  return ok ? 0 : 1;
}

async function storedResults(plane: ControlPlane): Promise<readonly StoredResult[]> {
  const answer = await plane.request('GET', `/apis/datapath.observer/v1/namespaces/${NAMESPACE}/datapathresults`);
  if (answer.status !== 200)
    throw new Error(`the results can't be listed: ${answer.status} ${answer.text.slice(0, 200)}`);
  return (JSON.parse(answer.text) as { items: StoredResult[] }).items;
}

function isOver(outcome: string | undefined): boolean {
  return outcome === 'Ready' || outcome === 'Failed' || outcome === 'Aborted';
}

async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text) as T;
}

async function keepRunning(plane: ControlPlane, controller: ControllerProcess, signal: AbortSignal): Promise<void> {
  process.stdout.write(
    [
      '',
      `Left running until Ctrl-C. The API: ${controller.url}/api/v1, its documentation: ${controller.url}/docs`,
      `  curl -s '${controller.url}/api/v1/time-to-datapath-ready?namespace=${NAMESPACE}' | jq .`,
      `  KUBECONFIG=${plane.kubeconfig} ${plane.state.kubectl} get dpr -A`,
      '',
    ].join('\n'),
  );
  if (signal.aborted) return;
  await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
}
