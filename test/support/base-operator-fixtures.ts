import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { systemClock } from '../../src/modules/kube/clock.js';
import { EventLoopBudget } from '../../src/modules/kube/event-loop-budget.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { LogDigest } from '../../src/modules/kube/log-digest.js';
import { silentLogger } from '../../src/modules/kube/logger.js';
import { Reflector } from '../../src/modules/kube/reflector.js';
import type { ObjectKey } from '../../src/modules/kube/resource.js';
import { BaseOperator, type ResourceEvent, type ResourceMeta } from '../../src/modules/operator/base-operator.js';
import { OperatorMetrics } from '../../src/modules/operator/operator-metrics.js';
import { WorkerPool } from '../../src/modules/operator/worker-pool.js';
import { FakeClock } from './fake-clock.js';

/** The library's protected methods, as a subclass calls them. */
export interface Exposed {
  start(): Promise<void>;
  stop(): Promise<void> | void;
  getCustomResourceApiUri(group: string, version: string, plural: string, namespace?: string): string;
  registerCustomResourceDefinition(file: string): Promise<{ group: string; plural: string }>;
  watchResource(
    group: string,
    version: string,
    plural: string,
    onEvent: (event: ResourceEvent) => Promise<void>,
    namespace?: string,
  ): Promise<void>;
  setResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null>;
  patchResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null>;
  handleResourceFinalizer(
    event: ResourceEvent,
    finalizer: string,
    action: (event: ResourceEvent) => Promise<void>,
  ): Promise<boolean>;
}

interface Outcome {
  readonly value?: unknown;
  readonly error?: string;
}

/** What came of the library's own calls. */
export interface LibraryReport {
  readonly code: number;
  readonly uri?: string;
  readonly register?: Outcome;
  readonly finalizer?: Outcome;
  readonly patchStatus?: Outcome;
  readonly setStatus?: Outcome;
  readonly survived?: boolean;
}

const PROBE = fileURLToPath(new URL('./k8s-operator-probe.mjs', import.meta.url));

/** Runs the library's own class in a process of its own, since it ends it. */
export function askLibrary(mode: 'calls' | 'stop' | 'quiet', ...args: string[]): Promise<LibraryReport> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--no-warnings', PROBE, mode, ...args], { timeout: 50_000 }, (error, stdout) => {
      const code = error === null ? 0 : error.code;
      if (typeof code !== 'number') reject(error ?? new Error('the probe gave no exit code'));
      else {
        const lines = stdout.split('\n').filter((line) => line !== '');
        resolve({ ...(Object.assign({}, ...lines.map((line) => JSON.parse(line) as object)) as object), code });
      }
    });
  });
}

export class Ours extends BaseOperator {
  /** The versions that writes of finalizers made; undefined where the object is gone. */
  readonly finalizerVersions: (string | undefined)[] = [];

  constructor(client: KubeClient) {
    const metrics = new OperatorMetrics(new Registry(), systemClock).controller('base', 1);
    super({
      client,
      logger: silentLogger,
      reflectors: (scope) => new Reflector({ ...scope, client, type: scope.resource }),
      workers: (name, reconcile) =>
        new WorkerPool({
          name,
          reconcile,
          maxConcurrentReconciles: 4,
          reconcileTimeoutMs: 60_000,
          queue: { backoff: { initialMs: 20, factor: 2, maxMs: 100, jitter: 0 } },
          clock: systemClock,
          random: () => 0,
          budget: new EventLoopBudget(systemClock),
          digest: new LogDigest(silentLogger, new FakeClock()),
          metrics,
        }),
    });
  }

  protected init(): Promise<void> {
    return Promise.resolve();
  }

  protected override finalizersChanged(_key: ObjectKey, resourceVersion: string | undefined): void {
    this.finalizerVersions.push(resourceVersion);
  }
}
