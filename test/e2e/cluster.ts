/** The product on a real node: both images loaded, the controller as a Pod, its API through `kubectl port-forward`. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { busyboxImage } from '../../tools/control-plane/node/busybox-image.js';
import { containerdSocket } from '../../tools/control-plane/node/configuration.js';
import type { RealNode } from '../../tools/control-plane/node/node.js';
import { CONTROLLER_NAMESPACE, ROOT } from '../../tools/controller/deployment.js';
import type { StoredResult } from '../support/controller.js';
import { realNode } from './on-real-node.js';

/** What `make images` made, by the names that the manifests use. */
export const IMAGES = ['datapath-controller', 'datapath-reporter'].map((name) =>
  join(ROOT, `dist/images/${name}-0.1.0.tar`),
);

/** How long anything that a busy machine does to a Pod may take, milliseconds. */
export const PATIENCE_MS = 90_000;

export interface PodStatus {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string }[];
  };
  readonly spec: { readonly containers: readonly { readonly name: string }[] };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state: {
    readonly running?: { readonly startedAt: string };
    readonly waiting?: { readonly reason?: string };
    readonly terminated?: { readonly exitCode: number; readonly reason?: string };
  };
}

interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly template: {
      readonly metadata: { annotations?: Readonly<Record<string, string>> };
      readonly spec: { readonly containers: readonly { readonly args: string[] }[] };
    };
  };
}

export interface ClusterOptions {
  /** Flags for the controller after those of the manifests, such as `--deadline=20s`. */
  readonly args?: readonly string[];
  /** The folder that kustomize builds; by default that of the README. */
  readonly manifests?: string;
}

export class Cluster {
  #forward: { readonly child: ChildProcess; readonly url: string } | undefined;

  constructor(
    readonly node: RealNode,
    private readonly endNode: () => Promise<void>,
  ) {}

  get plane(): RealNode['controlPlane'] {
    return this.node.controlPlane;
  }

  kubectl(args: readonly string[], input?: string | object): Promise<string> {
    const text = typeof input === 'object' ? JSON.stringify(input) : input;
    return this.plane.kubectlOk(args, { timeoutMs: PATIENCE_MS, ...(text === undefined ? {} : { input: text }) });
  }

  /** Creates objects; a list is one call. */
  async create(...objects: readonly object[]): Promise<void> {
    await this.kubectl(['create', '-f=-'], { apiVersion: 'v1', kind: 'List', items: objects });
  }

  async get<T>(path: string): Promise<T> {
    const answer = await this.plane.request('GET', path);
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text.slice(0, 300)}`);
    return JSON.parse(answer.text) as T;
  }

  async pods(namespace: string): Promise<readonly PodStatus[]> {
    return (await this.get<{ items: PodStatus[] }>(`/api/v1/namespaces/${namespace}/pods`)).items;
  }

  pod(namespace: string, name: string): Promise<PodStatus> {
    return this.get<PodStatus>(`/api/v1/namespaces/${namespace}/pods/${name}`);
  }

  async results(namespace: string): Promise<ReadonlyMap<string, Result>> {
    const { items } = await this.get<{ items: Result[] }>(
      `/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults`,
    );
    return new Map(items.map((result) => [result.spec.podRef.name, result]));
  }

  /** Waits until a Pod's result is as wanted. @throws Error that shows the last one */
  async result(namespace: string, pod: string, wanted: (result: Result) => boolean): Promise<Result> {
    return until(`the result of ${namespace}/${pod}`, async () => {
      const result = (await this.results(namespace)).get(pod);
      if (result !== undefined && wanted(result)) return result;
      throw new Error(`is ${JSON.stringify(result?.status ?? 'missing')}`);
    });
  }

  /** What the controller's API answers, asked through `kubectl port-forward`. */
  async api<T>(path: string): Promise<T> {
    return until(`the API's ${path}`, async () => {
      const { url } = await this.#portForward();
      const response = await fetch(`${url}/api/v1/${path}`).catch((error: unknown) => {
        this.#endForward();
        throw error;
      });
      if (!response.ok) throw new Error(`${response.status} ${(await response.text()).slice(0, 300)}`);
      return (await response.json()) as T;
    });
  }

  /** Applies the manifests, with these flags added to the controller's, and waits until it runs so. */
  async deploy(args: readonly string[], image: string, manifests = ROOT): Promise<void> {
    const documents = parseAllDocuments(await this.kubectl(['kustomize', manifests])).map(
      (each) => each.toJS() as Manifest,
    );
    for (const { kind, spec } of documents) {
      if (kind !== 'Deployment') continue;
      const { template } = spec;
      template.spec.containers[0]?.args.push(...args);
      // The tag stays when the image is made anew; the container must not.
      template.metadata.annotations = { ...template.metadata.annotations, 'e2e/image': image };
    }
    const list = { apiVersion: 'v1', kind: 'List', items: documents };
    await this.kubectl(['apply', '--server-side', '--force-conflicts', '-f=-'], list);
    await this.rolledOut();
  }

  /** 0 ends the controller, 1 starts it. Waits for either. */
  async scaleController(replicas: number): Promise<void> {
    await this.#controller('scale', [`--replicas=${replicas}`]);
    if (replicas > 0) {
      await this.rolledOut();
      return;
    }
    await until('the controller is gone', async () => (await this.pods(CONTROLLER_NAMESPACE)).length === 0);
  }

  async rolledOut(): Promise<void> {
    const target = ['rollout', 'status', 'deployment/datapath-controller', `--namespace=${CONTROLLER_NAMESPACE}`];
    await this.kubectl([...target, `--timeout=${PATIENCE_MS / 1000}s`]);
  }

  #controller(verb: string, args: readonly string[]): Promise<string> {
    return this.kubectl([verb, 'deployment/datapath-controller', `--namespace=${CONTROLLER_NAMESPACE}`, ...args]);
  }

  /** Deletes namespaces and waits for their end: no finalizer of ours may keep them. */
  async dropNamespaces(...names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    await this.kubectl(['delete', 'namespace', ...names, '--ignore-not-found', '--wait=false']);
    for (const name of names) {
      await until(`the namespace ${name} is gone`, async () => {
        return (await this.plane.request('GET', `/api/v1/namespaces/${name}`)).status === 404;
      });
    }
  }

  async end(): Promise<void> {
    this.#endForward();
    await this.endNode();
  }

  async #portForward(): Promise<{ readonly url: string }> {
    if (this.#forward !== undefined && this.#forward.child.exitCode === null) return this.#forward;
    const target = ['port-forward', `--namespace=${CONTROLLER_NAMESPACE}`, 'service/datapath-controller', ':8080'];
    const child = spawn(this.plane.state.kubectl, target, {
      env: this.plane.environment(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [line] = (await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      once(child, 'exit').then(() => ['']),
    ])) as [string];
    const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port === undefined) {
      child.kill();
      throw new Error(`kubectl port-forward said ${JSON.stringify(line)}`);
    }
    this.#forward = { child, url: `http://127.0.0.1:${port}` };
    return this.#forward;
  }

  #endForward(): void {
    this.#forward?.child.kill();
    this.#forward = undefined;
  }
}

/** A stored DatapathResult with what these tests look at beyond the common part. */
export type Result = StoredResult & {
  readonly status?: NonNullable<StoredResult['status']> & {
    readonly nodeName?: string;
    readonly restarts?: number;
    readonly clockSkew?: { readonly behindMs?: number; readonly aheadMs?: number };
    readonly probe?: {
      readonly target?: string;
      readonly attempts?: number;
      readonly lastError?: { readonly kind: string; readonly message: string };
    };
    readonly milestones?: readonly { readonly name: string; readonly at: string; readonly source: string }[];
  };
};

/**
 * A node with the product on it: that of a surrounding `run --profile node`, or one of its own.
 *
 * @throws Error when the images aren't made (`make images`)
 */
export async function deployedCluster({ args = [], manifests }: ClusterOptions = {}): Promise<Cluster> {
  for (const image of IMAGES) if (!existsSync(image)) throw new Error(`${image} is missing: run "make images"`);
  const { node, end } = await realNode();
  const cluster = new Cluster(node, end);
  await node.loadImage(busyboxImage());
  const loaded = await imagesOf(node);
  for (const image of IMAGES) if (!loaded.includes(digestOf(image))) await node.loadImage(image);
  await cluster.deploy(args, digestOf(IMAGES[0] ?? ''), manifests);
  return cluster;
}

/** Polls until `probe` gives something, and returns it. @throws Error that says what was waited for and what was seen last */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  patienceMs = PATIENCE_MS,
  everyMs = 200,
): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    let last: unknown = 'not yet';
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      const seen = last instanceof Error ? last.message : String(last);
      throw new Error(`waited ${patienceMs / 1000} s for ${what}; last: ${seen}`, { cause: last });
    }
    await delay(everyMs);
  }
}

async function imagesOf(node: RealNode): Promise<string> {
  const socket = containerdSocket(node.controlPlane.state.folder);
  return node.runOk(['ctr', '--address', socket, '--namespace', 'k8s.io', 'images', 'ls']);
}

function digestOf(archive: string): string {
  const index = execFileSync('tar', ['-xOf', archive, 'index.json'], { encoding: 'utf8' });
  return (JSON.parse(index) as { manifests: { digest: string }[] }).manifests[0]?.digest ?? 'none';
}
