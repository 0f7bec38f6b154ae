import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect } from '../../src/modules/kube/connect.js';
import { isNotFound } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { CONFIG_MAPS, configMap, eventually, makeNamespace } from './kube-fixtures.js';

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

/** Whom a FlowSchema is about, as the API has it. */
export type FlowSubject =
  | { readonly kind: 'User'; readonly user: { readonly name: string } }
  | { readonly kind: 'ServiceAccount'; readonly serviceAccount: { readonly namespace: string; readonly name: string } };

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

/**
 * Leaves somebody one seat in the API server's flow control, and has another user sit on it: with writes that a webhook never answers. So each request is
 * answered with 429, by the API server itself.
 */
export class Starvation {
  private constructor(
    readonly direct: KubeClient,
    readonly victim: FlowSubject,
    readonly webhook: SilentWebhook,
    readonly hog: Sitter,
  ) {}

  /** @param direct acts as the administrator */
  static async prepare(plane: ControlPlane, direct: KubeClient, victim: FlowSubject): Promise<Starvation> {
    const namespace = await makeNamespace(direct, 'seats');
    const webhook = new SilentWebhook();
    const port = await webhook.listen();
    await direct.request({
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
              caBundle: Buffer.from(plane.caData).toString('base64'),
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
    await direct.request({
      method: 'POST',
      path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
      body: {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: { name: SITTER },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: SITTER }],
      },
    });
    const client = connect({ kubeconfig: await plane.kubeconfigFor({ user: SITTER }) });
    return new Starvation(direct, victim, webhook, new Sitter(client, namespace, webhook));
  }

  /** Resolves when the seat is taken. */
  async begin(): Promise<void> {
    await this.direct.request({ method: 'POST', path: `${FLOW}/prioritylevelconfigurations`, body: LEVEL });
    await this.direct.request({ method: 'POST', path: `${FLOW}/flowschemas`, body: this.#schema() });
    this.hog.start();
    await eventually('the seat is taken', () => this.webhook.waiting > 0, 40_000);
  }

  /** Ends it, if it had begun. */
  async end(): Promise<void> {
    await this.hog.stop();
    for (const path of ['flowschemas', 'prioritylevelconfigurations']) {
      await this.direct.request({ method: 'DELETE', path: `${FLOW}/${path}/${NAME}` }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
  }

  close(): void {
    this.hog.client.close();
    this.webhook.close();
  }

  #schema(): object {
    return {
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
      kind: 'FlowSchema',
      metadata: { name: NAME },
      spec: {
        priorityLevelConfiguration: { name: NAME },
        matchingPrecedence: 100,
        rules: [
          {
            subjects: [this.victim, { kind: 'User', user: { name: SITTER } }],
            resourceRules: [
              { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true },
            ],
          },
        ],
      },
    };
  }
}
