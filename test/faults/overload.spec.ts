import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import { isNotFound } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { CONFIG_MAPS, configMap, eventually, makeNamespace } from '../support/kube-fixtures.js';
import { FaultWorld, WATCHER } from '../support/fault-world.js';

const FLOW = '/apis/flowcontrol.apiserver.k8s.io/v1';
const NAME = 'starved';
const SITTER = 'fault-sitter';

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const LEVEL = {
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'PriorityLevelConfiguration',
  metadata: { name: NAME },
  spec: {
    type: 'Limited',
    limited: {
      nominalConcurrencyShares: 0,
      lendablePercent: 0,
      borrowingLimitPercent: 0,
      limitResponse: { type: 'Reject' },
    },
  },
};

const SCHEMA = {
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'FlowSchema',
  metadata: { name: NAME },
  spec: {
    priorityLevelConfiguration: { name: NAME },
    matchingPrecedence: 100,
    rules: [
      {
        subjects: [WATCHER, SITTER].map((name) => ({ kind: 'User', user: { name } })),
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
      },
    ],
  },
};

/** A webhook that takes connections and never says a word. */
class SilentWebhook {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  });

  get waiting(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Lets go of whoever waits. */
  release(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.release();
    this.#server.close();
  }
}

/** Keeps one write waiting for the webhook at any time. */
class Sitter {
  #running: Promise<unknown> | undefined;
  #sitting = false;
  #round = 0;

  constructor(
    readonly client: KubeClient,
    readonly namespace: string,
    readonly webhook: SilentWebhook,
  ) {}

  start(): void {
    this.#sitting = true;
    this.#running = Promise.all([this.#sit(), this.#sit()]);
  }

  async stop(): Promise<void> {
    this.#sitting = false;
    this.webhook.release();
    await this.#running;
  }

  async #sit(): Promise<void> {
    while (this.#sitting) {
      const write = this.client.create(CONFIG_MAPS, configMap(this.namespace, `seat-${this.#round++}`, 'taken'));
      // 429 for the second, who tries again so that the seat isn't free for long; seldom, since the API server raises its
      // Retry-After with the number of those it refuses.
      await write.catch(() => pause(500));
    }
  }
}

describe('a reflector under flow control', () => {
  let world: FaultWorld;
  let hog: Sitter;
  const webhook = new SilentWebhook();

  beforeAll(async () => {
    world = await FaultWorld.start();
    const namespace = await makeNamespace(world.direct, 'seats');
    const port = await webhook.listen();
    await world.direct.request({
      method: 'POST',
      path: '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
      body: {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name: NAME },
        webhooks: [
          {
            name: 'silent.example.org',
            clientConfig: {
              url: `https://127.0.0.1:${port}/`,
              caBundle: Buffer.from(world.controlPlane.caData).toString('base64'),
            },
            rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }],
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            failurePolicy: 'Fail',
            timeoutSeconds: 30,
          },
        ],
      },
    });
    await world.allowEverything(SITTER);
    const client = connect({ kubeconfig: await world.controlPlane.kubeconfigFor({ user: SITTER }) });
    hog = new Sitter(client, namespace, webhook);
  });

  afterEach(async () => {
    await feed();
    await world.rest();
  });

  afterAll(async () => {
    hog.client.close();
    webhook.close();
    await world.stop();
  });

  /**
   * Leaves the watching user one seat, and has another user sit on it: with writes that a webhook never answers. So each request of the watching user is
   * answered with 429, by the API server's own flow control.
   */
  async function starve(): Promise<void> {
    await world.direct.request({ method: 'POST', path: `${FLOW}/prioritylevelconfigurations`, body: LEVEL });
    await world.direct.request({ method: 'POST', path: `${FLOW}/flowschemas`, body: SCHEMA });
    hog.start();
    await eventually('the seat is taken', () => webhook.waiting > 0, 40_000);
  }

  async function feed(): Promise<void> {
    await hog.stop();
    for (const path of ['flowschemas', 'prioritylevelconfigurations']) {
      await world.direct.request({ method: 'DELETE', path: `${FLOW}/${path}/${NAME}` }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
  }

  it('waits as long as it is told when it is answered with 429, and loses nothing', async () => {
    const follower = await world.follow();
    await starve();
    await eventually('requests are refused', () => (follower.counter.codes()['429'] ?? 0) > 0, 40_000);
    await world.proxy.refuse();
    await world.proxy.heal();
    await eventually(
      'the watch is refused',
      () => (follower.reflector.status().restarts['throttled'] ?? 0) >= 3,
      40_000,
    );
    const told = follower.warnings.filter((warning) => warning['reason'] === 'throttled');
    // The API server says "Retry-After: 1" with each 429.
    for (const warning of told) expect(warning['retryInMs']).toBeGreaterThanOrEqual(1_000);
    await feed();
    await follower.judge();
  });

  it('fills its store although its first lists are refused', async () => {
    await starve();
    const follower = await world.follow({ wait: false });
    await eventually('lists are refused', () => (follower.counter.codes()['429'] ?? 0) >= 3, 40_000);
    expect(follower.reflector.synced).toBe(false);
    await feed();
    await follower.judge();
  });
});
