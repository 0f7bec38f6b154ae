/**
 * Which Pod this is: from the environment, else from the claims of the bound service-account token, else from the hostname. The
 * claims are read, not verified: they only say where to write, and the API server verifies who may.
 */
import type { Files } from './files.js';
import { isRecord } from './json.js';

export interface Identity {
  readonly name: string;
  readonly namespace: string;
  /** Absent with a token that isn't bound to a Pod and no `POD_UID`: then the patch has no precondition. */
  readonly uid: string | undefined;
  readonly node: string | undefined;
}

export interface IdentitySources {
  readonly podName: string | undefined;
  readonly podNamespace: string | undefined;
  readonly podUid: string | undefined;
  readonly token: string | undefined;
  /** Content of the mounted namespace file. */
  readonly namespaceFile: string | undefined;
  readonly hostname: string;
}

interface PodClaims {
  readonly namespace: string | undefined;
  readonly podName: string | undefined;
  readonly podUid: string | undefined;
  readonly node: string | undefined;
}

/** @returns `undefined` where no namespace can be found */
export function findIdentity(sources: IdentitySources): Identity | undefined {
  const claims = sources.token === undefined ? undefined : podClaims(sources.token);
  const name = sources.podName ?? claims?.podName ?? sources.hostname;
  const namespace = sources.podNamespace ?? claims?.namespace ?? sources.namespaceFile?.trim();
  if (namespace === undefined || namespace === '' || name === '') return undefined;
  const isClaimed = claims?.podName === name && claims.namespace === namespace;
  return {
    name,
    namespace,
    uid: sources.podUid ?? (isClaimed ? claims.podUid : undefined),
    node: isClaimed ? claims.node : undefined,
  };
}

/** What a bound token says of its Pod (KEP-1205, KEP-4193). */
export function podClaims(token: string): PodClaims | undefined {
  const payload = token.split('.')[1];
  if (payload === undefined) return undefined;
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    // An opaque token says nothing; the caller has other sources.
    return undefined;
  }
  const kubernetes = isRecord(claims) ? claims['kubernetes.io'] : undefined;
  if (!isRecord(kubernetes)) return undefined;
  const pod = isRecord(kubernetes['pod']) ? kubernetes['pod'] : {};
  const node = isRecord(kubernetes['node']) ? kubernetes['node'] : {};
  return {
    namespace: textOf(kubernetes['namespace']),
    podName: textOf(pod['name']),
    podUid: textOf(pod['uid']),
    node: textOf(node['name']),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The files that a service account is mounted as. Read anew for each call: the kubelet rotates the token. */
export interface ServiceAccount {
  readonly token: string | undefined;
  readonly ca: string | undefined;
  readonly namespace: string | undefined;
}

export function readServiceAccount(files: Files, dir: string): ServiceAccount {
  return {
    token: files.read(`${dir}/token`)?.trim(),
    ca: files.read(`${dir}/ca.crt`),
    namespace: files.read(`${dir}/namespace`)?.trim(),
  };
}
