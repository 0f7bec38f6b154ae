/** A controller that is measured: ours, or the one that `BASELINE` names, started with the flags that both take. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { CONTROLLER_SCRIPT, freePort } from '../../tools/controller/deployment.js';
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
  readonly count?: number;
  readonly totalSuccessful: number;
  readonly p99: number | null;
}

export class Subject {
  #child: ChildProcess | undefined;
  #url = '';

  constructor(private readonly options: SubjectOptions) {}

  get name(): string {
    return this.options.name;
  }

  get url(): string {
    return this.#url;
  }

  async start(): Promise<void> {
    const { program, kubeconfig, logFile } = this.options;
    const [api, metrics, health] = [await freePort(), await freePort(), await freePort()];
    this.#url = `http://127.0.0.1:${api}`;
    const flags = [
      `--kubeconfig=${kubeconfig}`,
      `--api-bind-address=127.0.0.1:${api}`,
      `--metrics-bind-address=127.0.0.1:${metrics}`,
      `--health-probe-bind-address=127.0.0.1:${health}`,
      // The one that is compared records every Pod without a selector; both see the same Pods with it.
      '--label-selector=bench=pods',
      '--max-concurrent-reconciles=100',
    ];
    const log = openSync(logFile, 'a');
    this.#child =
      program === undefined
        ? spawn(process.execPath, [CONTROLLER_SCRIPT, ...flags], { stdio: ['ignore', log, log] })
        : spawn(program, flags, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  usage(): Usage {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return usageOf(pid);
  }

  /** @returns undefined while it doesn't answer */
  async statistic(call: string, query = ''): Promise<Statistic | undefined> {
    const response = await fetch(`${this.#url}/api/v1/${call}${query}`).catch(() => undefined);
    if (response === undefined) return undefined;
    const text = await response.text();
    return response.ok ? (JSON.parse(text) as Statistic) : undefined;
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
  }
}
