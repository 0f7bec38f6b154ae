/** Pods of the real API server for reporter processes: each with its bound token in a folder such as a container has it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';

const SERVICE_ACCOUNT = 'reporter';

export interface PodHandle {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface StoredPod {
  readonly metadata: { readonly uid: string; readonly annotations?: Readonly<Record<string, string>> };
}

/** A namespace with a service account that may patch Pods and nothing else. */
export async function createReporterNamespace(controlPlane: ControlPlane, namespace: string): Promise<void> {
  await controlPlane.kubectlOk(['create', 'namespace', namespace]);
  await controlPlane.kubectlOk(['-n', namespace, 'create', 'serviceaccount', SERVICE_ACCOUNT]);
  await controlPlane.kubectlOk(['-n', namespace, 'create', 'role', SERVICE_ACCOUNT, '--verb=patch', '--resource=pods']);
  await grant(controlPlane, namespace);
}

export async function grant(controlPlane: ControlPlane, namespace: string): Promise<void> {
  const binding = ['create', 'rolebinding', SERVICE_ACCOUNT, `--role=${SERVICE_ACCOUNT}`];
  await controlPlane.kubectlOk(['-n', namespace, ...binding, `--serviceaccount=${namespace}:${SERVICE_ACCOUNT}`]);
}

export async function createPod(
  controlPlane: ControlPlane,
  namespace: string,
  name: string,
  spec: Readonly<Record<string, unknown>> = { containers: [{ name: 'datapath-reporter', image: 'reporter' }] },
): Promise<PodHandle> {
  const answer = await controlPlane.request('POST', `/api/v1/namespaces/${namespace}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { serviceAccountName: SERVICE_ACCOUNT, automountServiceAccountToken: false, nodeName: 'node1', ...spec },
  });
  if (answer.status !== 201) throw new Error(`the Pod was not created: ${answer.text}`);
  return { namespace, name, uid: (JSON.parse(answer.text) as StoredPod).metadata.uid };
}

export async function readPod(controlPlane: ControlPlane, pod: PodHandle): Promise<StoredPod> {
  const answer = await controlPlane.request('GET', `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`);
  if (answer.status !== 200) throw new Error(`the Pod was not read: ${answer.text}`);
  return JSON.parse(answer.text) as StoredPod;
}

/** Lays the files of a service account into `folder` and returns the environment by which a reporter finds them. */
export async function mountServiceAccount(
  controlPlane: ControlPlane,
  pod: PodHandle,
  folder: string,
): Promise<Readonly<Record<string, string>>> {
  const dir = join(folder, 'service-account');
  mkdirSync(dir, { recursive: true });
  const token = await controlPlane.token({ namespace: pod.namespace, name: SERVICE_ACCOUNT, pod });
  writeFileSync(join(dir, 'token'), token);
  writeFileSync(join(dir, 'ca.crt'), controlPlane.caData);
  writeFileSync(join(dir, 'namespace'), pod.namespace);
  const url = new URL(controlPlane.server);
  return { SERVICE_ACCOUNT_DIR: dir, KUBERNETES_SERVICE_HOST: url.hostname, KUBERNETES_SERVICE_PORT: url.port };
}
