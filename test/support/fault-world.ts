import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type ControlPlane, startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlaneOptions } from '../../tools/control-plane/launcher.js';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { Reflector } from '../../src/modules/kube/reflector.js';
import type { ReflectorSettings } from '../../src/modules/kube/reflector-settings.js';
import type { StructuredLogger } from '../../src/modules/kube/logger.js';
import { Churn } from './churn.js';
import { noteFigures } from './fault-figures.js';
import { FaultProxy } from './fault-proxy.js';
import {
  CONFIG_MAPS,
  type ConfigMapView,
  deleteConfigMap,
  describeList,
  describeStore,
  EventLedger,
  eventually,
  makeNamespace,
  projectConfigMap,
  putConfigMap,
} from './kube-fixtures.js';
import { RequestCounter } from './request-counter.js';

/** The settings of a reflector in a hurry: what takes minutes in production takes seconds here, in the same proportions. */
export const HASTY: Partial<ReflectorSettings> = {
  watchTimeoutMs: [20_000, 24_000],
  silenceMs: 3_000,
  listSilenceMs: 2_000,
  pageTimeoutMs: 4_000,
  backoff: { initialMs: 100, factor: 2, maxMs: 1_600, jitter: 0.5 },
  healthyAfterMs: 8_000,
  verifyEveryMs: [1_500, 2_500],
  verifyCatchUpMs: 10_000,
};

/** Most requests that a hasty reflector may make in 10 s, whatever happens: its backoff's sum, relists of a few pages, and verifications. */
export const HASTY_REQUESTS_PER_10_S = 40;

/** Who the reflector is, in the API server's eyes: a user with the rights to read, subject to flow control. */
export const WATCHER = 'fault-watcher';

/** A kubeconfig in JSON, as far as it is changed here. */
interface Kubeconfig {
  readonly clusters: { readonly cluster: Record<string, unknown> }[];
}

/** A real control plane, a proxy with faults before it, and clients on both sides. */
export class FaultWorld {
  readonly #followers: Follower[] = [];

  private constructor(
    readonly controlPlane: ControlPlane,
    readonly proxy: FaultProxy,
    readonly plainProxy: FaultProxy,
    /** Goes straight to the API server, as its administrator. */
    readonly direct: KubeClient,
  ) {}

  static async start(options: ControlPlaneOptions = {}): Promise<FaultWorld> {
    const controlPlane = await startControlPlane({ audit: false, progress: () => undefined, ...options });
    const { hostname: host, port } = new URL(controlPlane.server);
    const direct = connect({ kubeconfig: controlPlane.kubeconfig });
    await allowReading(direct);
    const { key, cert } = await clientCertificate(controlPlane);
    const tls = { ca: controlPlane.caData, key, cert, ALPNProtocols: ['http/1.1'] };
    const proxy = await FaultProxy.start({ host, port: Number(port) });
    const plainProxy = await FaultProxy.start({ host, port: Number(port), tls });
    return new FaultWorld(controlPlane, proxy, plainProxy, direct);
  }

  async stop(): Promise<void> {
    await this.rest();
    this.direct.close();
    await this.proxy.close();
    await this.plainProxy.close();
    await this.controlPlane.stop();
  }

  /** Ends what a test started, and heals. */
  async rest(): Promise<void> {
    for (const follower of this.#followers.splice(0)) await follower.stop();
    await this.proxy.heal();
    await this.plainProxy.heal();
  }

  async deleteDirectly(namespace: string, name: string): Promise<void> {
    await deleteConfigMap(this.direct, namespace, name);
  }

  /** A kubeconfig whose server is the proxy. */
  async kubeconfig(proxy: FaultProxy = this.proxy): Promise<string> {
    const path = await this.controlPlane.kubeconfigFor({ user: WATCHER });
    return this.redirect(path, proxy);
  }

  /** Points a kubeconfig at a proxy. */
  redirect(path: string, proxy: FaultProxy = this.proxy): string {
    const config = JSON.parse(readFileSync(path, 'utf8')) as Kubeconfig;
    for (const { cluster } of config.clusters) {
      cluster['server'] = proxy.url;
      if (!proxy.url.startsWith('http:')) continue;
      delete cluster['certificate-authority-data'];
      cluster['insecure-skip-tls-verify'] = true;
    }
    const redirected = join(
      this.controlPlane.state.folder,
      'kubeconfigs',
      `through-${proxy.url.split(':').pop()}-${this.#followers.length}-${Date.now()}.json`,
    );
    writeFileSync(redirected, JSON.stringify(config));
    return redirected;
  }

  /** Starts a reflector behind a proxy on a namespace of its own that never rests. */
  async follow(options: FollowOptions = {}): Promise<Follower> {
    const namespace = await makeNamespace(this.direct, 'fault');
    for (let index = 0; index < (options.objects ?? 60); index++) {
      await putConfigMap(this.direct, namespace, `old-${index}`, 'x'.repeat(options.bytes ?? 200));
    }
    const kubeconfig =
      options.kubeconfig ?? (await this.kubeconfig(options.plain === true ? this.plainProxy : this.proxy));
    const follower = new Follower(this.direct, namespace, kubeconfig, options);
    this.#followers.push(follower);
    if (options.wait !== false) await eventually('the reflector is synced', () => follower.reflector.synced);
    follower.churn.start();
    return follower;
  }
}

export interface FollowOptions {
  readonly settings?: Partial<ReflectorSettings>;
  readonly kubeconfig?: string;
  /** Through the proxy that sees the content. */
  readonly plain?: boolean;
  readonly objects?: number;
  /** Characters in each object. */
  readonly bytes?: number;
  /** Whether to wait until the reflector is synced. Default true. */
  readonly wait?: boolean;
}

/** A reflector with everything that judges it. */
export class Follower {
  readonly ledger = new EventLedger();
  readonly counter = new RequestCounter();
  readonly warnings: Record<string, unknown>[] = [];
  readonly reflector: Reflector<ConfigMapView>;
  readonly churn: Churn;
  readonly client: KubeClient;
  readonly #direct: KubeClient;

  constructor(
    direct: KubeClient,
    readonly namespace: string,
    kubeconfig: string,
    options: FollowOptions,
  ) {
    const note = (message: string, fields: object = {}): void => void this.warnings.push({ message, ...fields });
    const logger: StructuredLogger = { debug: () => undefined, log: () => undefined, warn: note, error: note };
    this.#direct = direct;
    this.client = connect({ kubeconfig, metrics: this.counter });
    this.reflector = new Reflector({
      client: this.client,
      type: CONFIG_MAPS,
      project: projectConfigMap,
      namespace,
      logger,
      metrics: this.counter,
      settings: { ...HASTY, ...options.settings },
    });
    this.churn = new Churn(direct, namespace);
    this.reflector.listen(this.ledger.take);
    this.reflector.start();
  }

  async stop(): Promise<void> {
    await this.churn.stop();
    await this.reflector.stop();
    this.client.close();
  }

  /** Waits until the watch is delivering again after a fault. */
  async recovered(timeoutMs = 30_000): Promise<void> {
    const name = `after-${this.churn.changes}`;
    await eventually(
      'the API server takes a write',
      async () => {
        try {
          await putConfigMap(this.#direct, this.namespace, name, 'here');
          return true;
        } catch {
          return false;
        }
      },
      timeoutMs,
    );
    await eventually(
      'a change made after the fault arrives',
      () => this.reflector.get(`${this.namespace}/${name}`) !== undefined,
      timeoutMs,
    );
  }

  /**
   * Lets the users rest and shows that nothing was lost: store, delivered events and a fresh list are equal, two whole verifications
   * found nothing, and requests stayed bounded throughout.
   */
  async judge({ requestsPer10s = HASTY_REQUESTS_PER_10_S, missedEvents = 0 } = {}): Promise<void> {
    await this.recovered();
    const verified = this.counter.verifications;
    await eventually('verifications pass under load', () => this.counter.verifications >= verified + 2, 40_000);
    await this.churn.stop();
    const expected = await describeList(this.#direct, this.namespace);
    await eventually(
      'the store equals a fresh list',
      () => same(describeStore(this.reflector), expected),
      10_000,
    ).catch(() => undefined);
    expect(describeStore(this.reflector)).toEqual(expected);
    expect(this.ledger.describe()).toEqual(expected);
    expect(this.ledger.contradictions).toEqual([]);
    expect(this.churn.changes).toBeGreaterThan(50);
    expect(this.reflector.status()).toMatchObject({
      missedEvents,
      projectionErrors: 0,
      listenerErrors: 0,
      stuck: false,
    });
    expect(this.counter.busiest(10_000)).toBeLessThanOrEqual(requestsPer10s);
    report(this);
  }
}

function same(a: Record<string, string>, b: Record<string, string>): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The figures of one fault. */
function report({ reflector, churn, ledger, counter }: Follower): void {
  const { restarts, relistsByReason, missedEvents } = reflector.status();
  noteFigures('reflector', {
    changes: churn.changes,
    events: ledger.events.length,
    restarts: counted(restarts),
    relists: counted(relistsByReason),
    missed: missedEvents,
    requestsIn10s: counter.busiest(10_000),
    connections: counter.connections,
  });
}

/** `3 transport, 1 silence`. */
function counted(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([reason, count]) => `${count} ${reason}`);
  return parts.length === 0 ? '0' : parts.join(', ');
}

async function allowReading(direct: KubeClient): Promise<void> {
  const metadata = { name: 'fault-watcher' };
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list', 'watch'] }];
  await direct.request({
    method: 'POST',
    path: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    body: { apiVersion, kind: 'ClusterRole', metadata, rules },
  });
  await direct.request({
    method: 'POST',
    path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
    body: {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: metadata.name },
      subjects: [
        { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: WATCHER },
        { kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'system:serviceaccounts' },
      ],
    },
  });
}

async function clientCertificate(controlPlane: ControlPlane): Promise<{ readonly key: Buffer; readonly cert: Buffer }> {
  const path = await controlPlane.kubeconfigFor({ user: WATCHER });
  const config = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly users: readonly { readonly user: Readonly<Record<string, string>> }[];
  };
  const user = config.users[0]?.user ?? {};
  const decode = (name: string): Buffer => Buffer.from(user[name] ?? '', 'base64');
  return { key: decode('client-key-data'), cert: decode('client-certificate-data') };
}
