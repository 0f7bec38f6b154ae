/** What both the demo and the tests do before a controller can run: the manifests, and the rights of a workload's namespace. */
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import type { ControlPlane } from '../control-plane/launcher.js';

/** The root of this repository, where kustomization.yaml stands. */
export const ROOT = resolve(import.meta.dirname, '../..');
export const CONTROLLER_SCRIPT = resolve(ROOT, 'dist/datapath-controller.js');
export const REPORTER_SCRIPT = resolve(ROOT, 'dist/reporter.cjs');
export const CONTROLLER_NAMESPACE = 'datapath-observer';
export const CONTROLLER_SERVICE_ACCOUNT = 'datapath-controller';

/** Applies the manifests, as `make deploy` does. */
export async function applyManifests(plane: ControlPlane): Promise<void> {
  await plane.kubectlOk(['apply', '--server-side', '-f', '-'], { input: await plane.kubectlOk(['kustomize', ROOT]) });
}

/** A kubeconfig that acts as the controller's service account. */
export function controllerKubeconfig(plane: ControlPlane): Promise<string> {
  return plane.kubeconfigFor({
    serviceAccount: { namespace: CONTROLLER_NAMESPACE, name: CONTROLLER_SERVICE_ACCOUNT, expirationSeconds: 86_400 },
  });
}

/** Makes a namespace in which Pods may report: its default service account may patch Pods, as the samples have it. */
export async function prepareWorkloadNamespace(plane: ControlPlane, namespace: string): Promise<void> {
  await make(plane, '/api/v1/namespaces', { metadata: { name: namespace } });
  await make(plane, `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: 'default' } });
  await make(plane, `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`, {
    metadata: { name: 'datapath-reporter' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'datapath-reporter' },
    subjects: [{ kind: 'ServiceAccount', name: 'default', namespace }],
  });
}

/** Creates an object unless it exists. */
async function make(plane: ControlPlane, path: string, body: object): Promise<void> {
  const answer = await plane.request('POST', path, body);
  if (answer.status !== 201 && answer.status !== 409) {
    throw new Error(`POST ${path}: ${answer.status} ${answer.text.slice(0, 300)}`);
  }
}

export interface PodOptions {
  readonly name: string;
  readonly nodeName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Creates a Pod with a reporter as native sidecar, bound to a node without a scheduler. @returns its uid */
export async function createPod(plane: ControlPlane, namespace: string, options: PodOptions): Promise<string> {
  const answer = await plane.request('POST', `/api/v1/namespaces/${namespace}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: options.name, labels: options.labels ?? {}, annotations: options.annotations ?? {} },
    spec: {
      nodeName: options.nodeName ?? 'node-1',
      serviceAccountName: 'default',
      containers: [{ name: 'app', image: 'local.test/app:1' }],
      initContainers: [{ name: 'datapath-reporter', image: 'local.test/reporter:1', restartPolicy: 'Always' }],
    },
  });
  const pod = JSON.parse(answer.text) as { metadata?: { uid?: string }; message?: string };
  const uid = pod.metadata?.uid;
  if (answer.status !== 201 || uid === undefined) {
    throw new Error(`Pod ${namespace}/${options.name}: ${answer.status} ${pod.message ?? ''}`);
  }
  return uid;
}

/** A port on loopback that is free at this moment. */
export function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
