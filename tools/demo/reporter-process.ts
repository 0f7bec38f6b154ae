/** A real reporter process for one Pod, with a token that is bound to that Pod, as the kubelet would mount it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ReporterOptions {
  readonly folder: string;
  readonly script: string;
  readonly server: URL;
  readonly caData: string;
  readonly token: string;
  readonly namespace: string;
  readonly podName: string;
  readonly target: string;
  readonly timeout: string;
}

export interface ReporterProcess {
  readonly spawnedAtMs: number;
  readonly exited: Promise<number>;
  log(): string;
  kill(): void;
}

export function startReporter(options: ReporterOptions): ReporterProcess {
  const folder = join(options.folder, options.podName);
  const serviceAccount = join(folder, 'serviceaccount');
  const memory = join(folder, 'shm');
  mkdirSync(serviceAccount, { recursive: true });
  mkdirSync(memory, { recursive: true });
  writeFileSync(join(serviceAccount, 'token'), options.token, { mode: 0o600 });
  writeFileSync(join(serviceAccount, 'ca.crt'), options.caData);
  writeFileSync(join(serviceAccount, 'namespace'), options.namespace);
  const logFile = join(folder, 'log');
  const log = openSync(logFile, 'w');
  const spawnedAtMs = Date.now();
  const child: ChildProcess = spawn(process.execPath, [options.script], {
    // Nothing of ours but what a container would have: identity comes from the token's claims.
    env: {
      PATH: process.env['PATH'],
      KUBERNETES_SERVICE_HOST: options.server.hostname,
      KUBERNETES_SERVICE_PORT: options.server.port,
      SERVICE_ACCOUNT_DIR: serviceAccount,
      TERMINATION_LOG: join(folder, 'termination-log'),
      MEMORY_DIR: memory,
      PROBE_TARGET: options.target,
      PROBE_TIMEOUT: options.timeout,
      AFTER_REPORT: 'exit',
    },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const exited = new Promise<number>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('exit', (code) => resolve(code ?? 128));
  });
  return {
    spawnedAtMs,
    exited,
    log: () => readFileSync(logFile, 'utf8'),
    kill: () => void child.kill('SIGKILL'),
  };
}
