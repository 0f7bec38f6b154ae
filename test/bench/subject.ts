/** A controller that is measured: ours as its image runs it, or the one that `BASELINE` names. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { CONTROLLER_SCRIPT, freePort } from '../../tools/controller/deployment.js';
import { CONTROLLER_ENVIRONMENT, CONTROLLER_NODE_FLAGS } from '../../tools/images/image-contents.js';
import { nodeBinary } from '../../tools/images/node-binary.js';
import { ask, fetchText } from './ask.js';
import { usageOf } from './process-usage.js';
import type { Usage } from './process-usage.js';

export interface SubjectOptions {
  readonly name: string;
  /** Undefined for ours. */
  readonly program: string | undefined;
  readonly kubeconfig: string;
  readonly logFile: string;
}

export interface Statistic {
  readonly totalSuccessful: number;
  readonly p99: number | null;
}

/** What one more interval of prom-client's event-loop monitor takes when nothing blocks, milliseconds: its resolution. */
const MONITOR_INTERVAL_MS = 10;

export class Subject {
  #child: ChildProcess | undefined;
  #url = '';
  #metricsUrl = '';

  constructor(private readonly options: SubjectOptions) {}

  get name(): string {
    return this.options.name;
  }

  get ours(): boolean {
    return this.options.program === undefined;
  }

  get url(): string {
    return this.#url;
  }

  /** @returns when it was started, on the clock of `performance.now()` */
  async start(): Promise<number> {
    const { program, kubeconfig, logFile } = this.options;
    const [api, metrics, health] = [await freePort(), await freePort(), await freePort()];
    this.#url = `http://127.0.0.1:${api}`;
    this.#metricsUrl = `http://127.0.0.1:${metrics}/metrics`;
    const flags = [
      `--kubeconfig=${kubeconfig}`,
      `--api-bind-address=127.0.0.1:${api}`,
      `--metrics-bind-address=127.0.0.1:${metrics}`,
      `--health-probe-bind-address=127.0.0.1:${health}`,
    ];
    const log = openSync(logFile, 'a');
    const stdio = ['ignore', log, log] as const;
    const startedAt = performance.now();
    this.#child =
      program === undefined
        ? spawn(
            nodeBinary((message) => process.stderr.write(`bench: ${message}\n`)),
            [...CONTROLLER_NODE_FLAGS, CONTROLLER_SCRIPT, ...flags, '--leader-elect'],
            { stdio: [...stdio], env: { ...process.env, ...CONTROLLER_ENVIRONMENT } },
          )
        : // It may record every Pod without a selector; with this one both see the same Pods.
          spawn(program, [...flags, '--label-selector=bench=pods', '--max-concurrent-reconciles=100'], {
            stdio: [...stdio],
          });
    closeSync(log);
    return startedAt;
  }

  usage(): Usage {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#child?.exitCode !== null) throw new Error(`${this.name} does not run`);
    return usageOf(pid);
  }

  /** @returns undefined while it doesn't answer */
  async statistic(query = ''): Promise<Statistic | undefined> {
    try {
      return JSON.parse(await fetchText(undefined, `${this.#url}/api/v1/time-to-datapath-ready${query}`)) as Statistic;
    } catch {
      // Not listening or not synced yet: whoever waits for it has a limit of its own.
      return undefined;
    }
  }

  /** Waits until so many Pods are shown as ready. @throws Error after the limit */
  async shows(expected: number, limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const answer = await this.statistic();
      if (answer?.totalSuccessful === expected) return;
      if (performance.now() > deadline) {
        throw new Error(`${this.name} shows ${answer?.totalSuccessful} of ${expected}; see ${this.options.logFile}`);
      }
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** `questions` questions, one after the other. @returns milliseconds each */
  ask(path: string, questions: number): Promise<number[]> {
    return ask({ url: this.#url, paths: [path], clients: 1, everyMs: 0, questions });
  }

  /**
   * The longest time in which the event loop of the process did nothing else, milliseconds, since it was asked last. Includes what the
   * machine gave to other programs. `undefined` for a program that doesn't measure it.
   */
  async longestBlockMs(): Promise<number | undefined> {
    const text = await fetchText(undefined, this.#metricsUrl).catch(() => '');
    const seconds = /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1];
    return seconds === undefined ? undefined : Math.max(0, Number(seconds) * 1000 - MONITOR_INTERVAL_MS);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const patience = setTimeout(() => child.kill('SIGKILL'), 40_000);
    await exited;
    clearTimeout(patience);
  }
}
