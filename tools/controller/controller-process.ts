/** The controller as a process of its own, as the demo and the tests run it: under the service account that config/rbac gives it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface ControllerOptions {
  readonly script: string;
  readonly kubeconfig: string;
  readonly logFile: string;
  readonly apiPort: number;
  readonly leaderElect: boolean;
  readonly args?: readonly string[];
}

export class ControllerProcess {
  readonly url: string;
  #child: ChildProcess | undefined;

  constructor(private readonly options: ControllerOptions) {
    this.url = `http://127.0.0.1:${options.apiPort}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * @param kubeconfig by default the one of the options. A new one for a new process: the audit log tells processes apart by their
   *   tokens
   * @throws Error while the last process still runs
   */
  start(kubeconfig = this.options.kubeconfig): void {
    if (this.#running() !== undefined) throw new Error(`the controller (process ${this.pid}) still runs`);
    const { script, logFile, apiPort, leaderElect, args = [] } = this.options;
    const log = openSync(logFile, 'a');
    this.#child = spawn(
      process.execPath,
      [
        script,
        `--kubeconfig=${kubeconfig}`,
        `--api-bind-address=127.0.0.1:${apiPort}`,
        '--metrics-bind-address=0',
        '--health-probe-bind-address=0',
        `--leader-elect=${leaderElect}`,
        ...args,
      ],
      { stdio: ['ignore', log, log], env: { PATH: process.env['PATH'] } },
    );
    closeSync(log);
  }

  /** Resolves when `/readyz` says ok. @throws Error with the end of its log when it ends or takes longer. */
  async ready(timeoutMs: number): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      if (this.#running() === undefined) break;
      const response = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (response?.ok === true) return;
      if (Date.now() > end) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the controller did not become ready; the end of its log:\n${this.logTail()}`);
  }

  /** Ends the process and waits for its end. @returns its exit status, `undefined` when a signal ended it or none ran */
  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | undefined> {
    const child = this.#running();
    if (child === undefined) return undefined;
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return (await exited) ?? undefined;
  }

  /** Sends a signal that it lives through: SIGSTOP freezes it, SIGCONT wakes it. Nothing where none runs. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#running()?.kill(signal);
  }

  #running(): ChildProcess | undefined {
    const child = this.#child;
    return child === undefined || child.exitCode !== null || child.signalCode !== null ? undefined : child;
  }

  logTail(lines = 30): string {
    return readFileSync(this.options.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}
