import type { KubeClient } from '../kube/kube-client.js';
import { OperatorStartError } from './operator-errors.js';
import { describeRight, type Right } from './rbac.js';

interface SelfSubjectAccessReview {
  readonly status?: { readonly allowed?: boolean; readonly evaluationError?: string };
}

/** Reviews under way at once: a start asks some dozens of questions. */
const CONCURRENCY = 8;

/**
 * Asks the API server for each right whether this process has it (SelfSubjectAccessReview, which everybody may ask).
 *
 * @returns those it hasn't
 * @throws KubeApiError when the API server can't be asked
 */
export async function missingRights(
  client: KubeClient,
  rights: readonly Right[],
  signal: AbortSignal,
): Promise<Right[]> {
  const missing: Right[] = [];
  const waiting = [...rights];
  const ask = async (): Promise<void> => {
    for (let right = waiting.shift(); right !== undefined; right = waiting.shift()) {
      if (!(await isAllowed(client, right, signal))) missing.push(right);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, ask));
  return rights.filter((right) => missing.includes(right));
}

/** One message that says everything that is missing, and what to do. */
export function missingRightsError(operators: ReadonlyMap<string, readonly Right[]>): OperatorStartError {
  const lines = [...operators].map(([name, rights]) => `"${name}" may not: ${rights.map(describeRight).join(', ')}`);
  return new OperatorStartError(
    `rights are missing: ${lines.join('; ')}. Grant them to this process's service account (its ClusterRole or Role), then restart`,
  );
}

async function isAllowed(client: KubeClient, right: Right, signal: AbortSignal): Promise<boolean> {
  const [resource, subresource] = right.resource.split('/');
  const review = await client.request<SelfSubjectAccessReview>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          group: right.group,
          resource,
          subresource,
          verb: right.verb,
          namespace: right.namespace,
          name: right.name,
        },
      },
    },
    signal,
  });
  return review.status?.allowed === true;
}
