/** Runs the built reporter as a process of its own, with an environment of its own, and tells how it ended. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeReport, type Report } from '../../src/datapath/report.js';

const ROOT = new URL('../..', import.meta.url).pathname;

/** A build of the reporter: how to start it. */
export interface ReporterBuild {
  readonly name: string;
  /** Whether it becomes another program to idle. */
  readonly becomesIdle: boolean;
  readonly command: readonly string[];
}

/** Where the builds lie; `REPORTER_DIST` names another folder than `dist/`. */
const DIST = process.env['REPORTER_DIST'] ?? join(ROOT, 'dist');

/** The builds that lie in `dist/`. That for Node is made where it is missing; that of Bun is tested where it was made. */
export function reporterBuilds(): readonly ReporterBuild[] {
  const bundle = join(DIST, 'reporter.cjs');
  const executable = join(DIST, 'datapath-reporter');
  if (!existsSync(bundle)) execFileSync('npm', ['run', '--silent', 'build:reporter'], { cwd: ROOT, stdio: 'ignore' });
  const node = { name: 'node', becomesIdle: false, command: [process.execPath, bundle] };
  return existsSync(executable) ? [node, { name: 'bun', becomesIdle: true, command: [executable] }] : [node];
}

export interface ReporterEnding {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly log: string;
  /** The termination message, decoded. */
  readonly report: Report;
}

/** The place of one reporter's files, as a Pod's sandbox gives it; several runs in the same are restarts. */
export class Sandbox {
  readonly folder = mkdtempSync(join(tmpdir(), 'reporter-'));
  readonly terminationLog = join(this.folder, 'termination-log');
  readonly #running = new Set<RunningReporter>();

  /** Starts a reporter with these settings and nothing else in its environment. */
  start(build: ReporterBuild, env: Readonly<Record<string, string>>): RunningReporter {
    const reporter = new RunningReporter(this, build, env);
    this.#running.add(reporter);
    const forget = (): void => void this.#running.delete(reporter);
    reporter.ended.then(forget, forget);
    return reporter;
  }

  /** What the termination message says; `undefined` while there is none, or nothing in it yet. */
  report(): Report | undefined {
    if (!existsSync(this.terminationLog)) return undefined;
    const text = readFileSync(this.terminationLog, 'utf8');
    if (text === '') return undefined;
    const decoded = decodeReport(text);
    if ('problem' in decoded) throw new Error(`the termination message ${decoded.problem}: ${text}`);
    return decoded.report;
  }

  remove(): void {
    for (const reporter of this.#running) reporter.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class RunningReporter {
  readonly startedAfterMs = Date.now();
  readonly ended: Promise<ReporterEnding>;
  log = '';
  readonly #build: ReporterBuild;
  readonly #child: ChildProcess;

  constructor(sandbox: Sandbox, build: ReporterBuild, env: Readonly<Record<string, string>>) {
    const [program = '', ...args] = build.command;
    this.#build = build;
    this.#child = spawn(program, args, {
      env: {
        TERMINATION_LOG: sandbox.terminationLog,
        MEMORY_DIR: sandbox.folder,
        SERVICE_ACCOUNT_DIR: join(sandbox.folder, 'service-account'),
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString('utf8');
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        const report = sandbox.report();
        if (report === undefined) reject(new Error(`the reporter left no termination message: ${this.log}`));
        else resolve({ code, signal, log: this.log, report });
      });
    });
    // A test that fails earlier doesn't wait for it.
    this.ended.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until it has reported and costs nothing any more. */
  async idle(): Promise<void> {
    await this.logged(/idling until SIGTERM/);
    if (!this.#build.becomesIdle) return;
    const program = `/proc/${this.pid}/exe`;
    await eventually(() => readlinkSync(program).endsWith('datapath-idle'), 'the process to become another program');
  }

  /** Waits until a line of the log matches. */
  async logged(pattern: RegExp, timeoutMs = 10_000): Promise<void> {
    await eventually(() => pattern.test(this.log), `${String(pattern)} in the reporter's log`, timeoutMs);
  }
}

/** Waits for a condition, at most so long. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
