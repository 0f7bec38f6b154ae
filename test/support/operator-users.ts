import { mkdtemp, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { KubeObject, ResourceType } from '../../src/modules/kube/resource.js';
import type { PolicyRule } from '../../src/modules/operator/index.js';

const rbac = (plural: string, kind: string): ResourceType => ({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural,
  kind,
  namespaced: true,
});
const ROLES = rbac('roles', 'Role');
const ROLE_BINDINGS = rbac('rolebindings', 'RoleBinding');
const SERVICE_ACCOUNTS: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
};

const NAME = 'tester';

/** A service account with exactly these rules in one namespace, and a kubeconfig that acts as it. */
export interface TestUser {
  readonly kubeconfig: string;
  /** Replaces its rules. */
  grant(rules: readonly PolicyRule[]): Promise<void>;
}

export async function userWithRules(
  client: KubeClient,
  namespace: string,
  rules: readonly PolicyRule[],
): Promise<TestUser> {
  const metadata = { namespace, name: NAME };
  await client.create(SERVICE_ACCOUNTS, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  const role: KubeObject & { rules: readonly PolicyRule[] } = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata,
    rules,
  };
  await client.create(ROLES, role);
  const binding: KubeObject & Record<string, unknown> = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: NAME },
    subjects: [{ kind: 'ServiceAccount', name: NAME, namespace }],
  };
  await client.create(ROLE_BINDINGS, binding);
  const { status } = await client.request<{ status: { token: string } }>({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${NAME}/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  });
  return {
    kubeconfig: await writeKubeconfig(status.token),
    grant: async (next) => {
      await client.patch(ROLES, metadata, { rules: next }, { kind: 'merge' });
    },
  };
}

async function writeKubeconfig(token: string): Promise<string> {
  const config = loadYaml<{ users: { user: unknown }[] }>(readFileSync(process.env['KUBECONFIG'] ?? '', 'utf8'));
  for (const entry of config.users) entry.user = { token };
  const file = join(await mkdtemp(join(tmpdir(), 'user-')), 'kubeconfig');
  await writeFile(file, JSON.stringify(config));
  return file;
}
