/** Tokens of service accounts, from the TokenRequest API. */
import type { Answer } from './http.js';

/** Which token is wanted. */
export interface ServiceAccountToken {
  readonly namespace: string;
  readonly name: string;
  /** Whom the token is for. Default: the API server itself. */
  readonly audiences?: readonly string[];
  /** At least 600. Default 3,600. */
  readonly expirationSeconds?: number;
  /** The Pod with which the token ends, and which its claims name. */
  readonly pod?: { readonly name: string; readonly uid: string };
}

/** @throws Error with the API server's words when it refuses. */
export async function requestToken(
  request: ServiceAccountToken,
  post: (path: string, body: unknown) => Promise<Answer>,
): Promise<string> {
  const path = `/api/v1/namespaces/${encodeURIComponent(request.namespace)}/serviceaccounts/${encodeURIComponent(request.name)}/token`;
  const answer = await post(path, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {
      ...(request.audiences === undefined ? {} : { audiences: request.audiences }),
      expirationSeconds: request.expirationSeconds ?? 3_600,
      ...(request.pod === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', ...request.pod } }),
    },
  });
  const document = JSON.parse(answer.text) as { message?: string; status?: { token?: string } };
  const token = document.status?.token;
  if (answer.status !== 201 || token === undefined) {
    throw new Error(`no token for ${request.namespace}/${request.name}: ${answer.status} ${document.message ?? ''}`);
  }
  return token;
}
