/** Pods that come and go without end, as users make them: annotated, relabelled, deleted early or late, made again by the same name. */
import { setMaxListeners } from 'node:events';
import { isNotFound } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { KubeObject, ObjectKey } from '../../src/modules/kube/resource.js';
import { PODS } from '../../src/modules/pods/pod.resource.js';
import { DATAPATH_RESULTS } from '../../src/modules/results/result-conversion.js';

interface Result extends KubeObject {
  readonly spec: { readonly podRef: { readonly uid: string } };
  readonly status?: { readonly outcome?: string };
}

export interface ChurnOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Pods that live at the same time. */
  readonly slots: number;
  /** 0 to 1, as `Math.random`. */
  readonly random: () => number;
  /** Whether failures are expected, since the API server goes away: then they are only counted. Default false. */
  readonly retry?: boolean;
  /** Whether users delete the result of a Pod that is gone. Default: of each. */
  readonly sweeps?: (podUid: string) => boolean;
}

/** How often results of Pods that are gone are looked for, milliseconds. */
const SWEEP_EVERY_MS = 5_000;
/** How long a result outlives its Pod, milliseconds: without an end the index would grow by right, and hide a leak. */
const KEEP_MS = 15_000;

export class PodChurn {
  readonly counts = { created: 0, started: 0, ready: 0, relabelled: 0, deleted: 0, resultsDeleted: 0, failures: 0 };
  readonly #options: ChurnOptions;
  readonly #living = new Set<string>();
  readonly #goneAt = new Map<string, number>();
  readonly #stop = new AbortController();
  #running: Promise<unknown> | undefined;

  constructor(options: ChurnOptions) {
    this.#options = options;
    // Each slot listens.
    setMaxListeners(0, this.#stop.signal);
  }

  start(): void {
    const slots = Array.from({ length: this.#options.slots }, (_, slot) => this.#slot(`web-${slot}`));
    this.#running ??= Promise.all([...slots, this.#sweep()]);
  }

  /** Lets each Pod finish the step it is at; the last ones stay. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #slot(name: string): Promise<void> {
    const { client, namespace, random } = this.#options;
    const key = { namespace, name };
    while (!this.#stop.signal.aborted) {
      try {
        await this.#live(key);
      } catch (error) {
        this.#failed(`${name}: ${String(error)}`);
        await this.#pause(500 * (1 + random()));
        await client.delete(PODS, key, { gracePeriodSeconds: 0 }).catch((failure: unknown) => {
          if (!isNotFound(failure)) this.#failed(`${name} stays: ${String(failure)}`);
        });
      }
    }
  }

  async #live(key: ObjectKey): Promise<void> {
    const { client, namespace, random } = this.#options;
    const pod = await client.create<KubeObject>(PODS, podOf(namespace, key.name));
    const uid = pod.metadata.uid ?? '';
    this.#living.add(uid);
    this.counts.created++;
    await this.#pause(1_000 * random());
    // One in five is deleted while it is pending, some of them at once.
    if (random() >= 0.2) {
      await this.#patch(key, { annotations: { 'datapath.observer/started-at': new Date().toISOString() } });
      this.counts.started++;
      await this.#pause(1_500 * random());
      if (random() < 0.2) {
        await this.#patch(key, { labels: { tier: `t${Math.floor(random() * 9)}` } });
        this.counts.relabelled++;
      }
      if (random() < 0.85) {
        await this.#patch(key, { annotations: { 'datapath.observer/ready-at': new Date().toISOString() } });
        this.counts.ready++;
        await this.#pause(1_000 + 3_000 * random());
      }
    }
    await client.delete(PODS, key, { uid, gracePeriodSeconds: 0 });
    this.#living.delete(uid);
    if (this.#options.sweeps?.(uid) !== false) this.#goneAt.set(uid, Date.now());
    this.counts.deleted++;
  }

  async #patch(key: ObjectKey, metadata: object): Promise<void> {
    if (this.#stop.signal.aborted) return;
    await this.#options.client.patch(PODS, key, { metadata }, { kind: 'merge' });
  }

  /** A user's failure: told in the end, or the run has shown nothing. */
  #failed(what: string): void {
    this.counts.failures++;
    if (this.#options.retry !== true) process.stderr.write(`churn: ${what}\n`);
  }

  async #sweep(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#pause(SWEEP_EVERY_MS);
      await this.#sweepOnce().catch((error: unknown) => {
        this.#failed(`the sweep: ${String(error)}`);
      });
    }
  }

  async #sweepOnce(): Promise<void> {
    const { client, namespace } = this.#options;
    const { items } = await client.list<Result>(DATAPATH_RESULTS, { namespace });
    for (const result of items) {
      const uid = result.spec.podRef.uid;
      const goneAt = this.#goneAt.get(uid);
      if (goneAt === undefined || Date.now() - goneAt < KEEP_MS || result.status?.outcome === undefined) continue;
      try {
        await client.delete(DATAPATH_RESULTS, { namespace, name: result.metadata.name });
        this.counts.resultsDeleted++;
      } catch (error) {
        // Retention was faster.
        if (!isNotFound(error)) throw error;
      }
      this.#goneAt.delete(uid);
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    await new Promise<void>((done) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        done();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}

function podOf(namespace: string, name: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app: 'web' } },
    spec: {
      nodeName: 'soak-node',
      containers: [{ name: 'app', image: 'local.test/app:1' }],
      initContainers: [{ name: 'datapath-reporter', image: 'local.test/reporter:1', restartPolicy: 'Always' }],
    },
  } as KubeObject;
}

/** A small generator with a seed (mulberry32), so that a run can be repeated. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
