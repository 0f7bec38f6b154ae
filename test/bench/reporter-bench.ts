/**
 * `make bench-reporter`: what the reporter costs and how exact it is, for each build that lies in `dist/`. It reports; it never fails a
 * test run. RUNS is the number of runs of each (31); BASELINE=<program> is another reporter that reads PROBE_TARGET as host:port.
 * With CONTROL_PLANE_STATE (under `tools/control-plane/main.ts run --`) the report goes to a real API server as well.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileExecutable } from '../../tools/reporter/compile.js';
import { attachControlPlane } from '../../tools/control-plane/launcher.js';
import { closedPort, tcpTarget } from '../support/probe-targets.js';
import { createPod, createReporterNamespace, mountServiceAccount } from '../support/reporter-pod.js';
import { reporterBuilds, Sandbox } from '../support/reporter-process.js';
import type { ReporterBuild } from '../support/reporter-process.js';

const RUNS = Number(process.env['RUNS'] ?? 31);
const LIFTS_MS = [0, 50, 130, 777, 2500];
const LIFTS_EACH = 4;
const folder = mkdtempSync(join(tmpdir(), 'reporter-bench-'));
const rows: string[][] = [];

interface Figures {
  readonly connectMs: number;
  readonly exitMs: number;
  readonly cpuMs: number;
  readonly peakMb: number;
  readonly probePeakMb: number;
  readonly probePrivateMb: number;
}

async function main(): Promise<void> {
  const runner = join(folder, 'runner');
  const source = new URL('./reporter-runner.c', import.meta.url).pathname;
  execFileSync(process.env['CC'] ?? 'cc', ['-O2', '-o', runner, source], { stdio: ['ignore', 'ignore', 'inherit'] });
  const baseline = process.env['BASELINE'];
  const builds = reporterBuilds();
  const subjects = [
    ...builds,
    { name: 'an empty program by Bun', becomesIdle: false, command: [compileFloor()] },
    ...(baseline === undefined ? [] : [{ name: 'baseline', becomesIdle: false, command: [baseline] }]),
  ];
  const api = await apiEnvironment();
  for (const { name, command } of subjects) {
    row(name, measure(runner, command, {}));
    if (api !== undefined && builds.some((build) => build.name === name))
      row(`${name}, with an API call`, measure(runner, command, api));
  }
  heading(['', 'first probe', 'end', 'CPU', 'memory at the probe', 'of it private', 'peak memory', 'file']);
  print();
  for (const build of builds) await idle(build);
  for (const build of builds) {
    await exactness(build, 'refused', (port) => tcpTarget(undefined, port));
  }
  print();
}

/** What the runtime costs by itself, with one connection: no reporter on it can cost less. */
function compileFloor(): string {
  const floor = join(folder, 'floor');
  compileExecutable(new URL('./reporter-floor.ts', import.meta.url).pathname, floor);
  return floor;
}

function row(name: string, figures: Figures): void {
  const { connectMs, exitMs, cpuMs, probePeakMb, probePrivateMb, peakMb } = figures;
  rows.push([
    name,
    ms(connectMs),
    ms(exitMs),
    ms(cpuMs),
    mb(probePeakMb),
    mb(probePrivateMb),
    mb(peakMb),
    sizeOf(name),
  ]);
}

/** Medians of RUNS runs. */
function measure(runner: string, command: readonly string[], env: Readonly<Record<string, string>>): Figures {
  const output = execFileSync(runner, [String(RUNS), ...command], {
    env: { TERMINATION_LOG: join(folder, 'log'), MEMORY_DIR: '/nonexistent', AFTER_REPORT: 'exit', ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
  const runs = output
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const median = (index: number): number =>
    runs.map((run) => run[index] ?? 0).sort((a, b) => a - b)[runs.length >> 1] ?? 0;
  return {
    connectMs: median(0) / 1000,
    exitMs: median(1) / 1000,
    cpuMs: median(2) / 1000,
    peakMb: median(3) / 1024,
    probePeakMb: median(4) / 1024,
    probePrivateMb: median(5) / 1024,
  };
}

/** A Pod of a real API server, whose annotations are written again and again. */
async function apiEnvironment(): Promise<Readonly<Record<string, string>> | undefined> {
  const state = process.env['CONTROL_PLANE_STATE'];
  if (state === undefined) return undefined;
  const controlPlane = await attachControlPlane(state);
  const namespace = `bench-${process.pid}`;
  await createReporterNamespace(controlPlane, namespace);
  return mountServiceAccount(controlPlane, await createPod(controlPlane, namespace, 'pod'), folder);
}

/** Memory of the process that has reported and waits. */
async function idle(build: ReporterBuild): Promise<void> {
  const target = await tcpTarget();
  const sandbox = new Sandbox();
  const reporter = sandbox.start(build, { PROBE_TARGET: `127.0.0.1:${target.port}`, AFTER_REPORT: 'idle' });
  await reporter.idle();
  const status = readFileSync(`/proc/${reporter.pid}/status`, 'utf8');
  const kb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  console.log(`${build.name}: ${mb(kb / 1024)} while it idles`);
  sandbox.remove();
  await target.close();
}

/** Readiness as reported minus the instant at which the target really came, which is known here. */
async function exactness(
  build: ReporterBuild,
  name: string,
  open: (port: number) => ReturnType<typeof tcpTarget>,
): Promise<void> {
  const errors: number[] = [];
  for (const liftMs of LIFTS_MS) {
    for (let turn = 0; turn < LIFTS_EACH; turn += 1) {
      const port = await closedPort();
      const sandbox = new Sandbox();
      const reporter = sandbox.start(build, { PROBE_TARGET: `127.0.0.1:${port}` });
      await new Promise((resolve) => setTimeout(resolve, liftMs + Math.random() * 100));
      const target = await open(port);
      const openedAt = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
      const { report } = await reporter.ended;
      // A target that was there before the reporter had started tells nothing.
      if ((report.errors?.refused ?? 0) > 0) errors.push(Number((report.readyAt ?? 0n) - openedAt) / 1e6);
      sandbox.remove();
      await target.close();
    }
  }
  errors.sort((a, b) => a - b);
  const at = (q: number): string => ms(errors[Math.max(0, Math.ceil(errors.length * q) - 1)] ?? 0);
  console.log(
    `${build.name}: ready minus the truth, ${name}, ${errors.length} runs: min ${at(0)}, p50 ${at(0.5)}, max ${at(1)}`,
  );
}

function sizeOf(name: string): string {
  const build = reporterBuilds().find((each) => each.name === name);
  const file = build?.command.at(-1);
  return file === undefined ? '' : mb(statSync(file).size / 1e6);
}

function heading(cells: string[]): void {
  rows.unshift(cells);
}

function print(): void {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0))) ?? [];
  for (const cells of rows.splice(0)) {
    console.log(
      cells
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    );
  }
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function mb(value: number): string {
  return `${value.toFixed(1)} MB`;
}

main()
  .finally(() => rmSync(folder, { recursive: true, force: true }))
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
