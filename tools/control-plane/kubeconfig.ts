/** Kubeconfig files: JSON, which is YAML too. */
import { chmodSync, writeFileSync } from 'node:fs';
import type { KeyPair } from './certificates.js';

/** By what a client is known: a client certificate or a bearer token. */
export type Credential = { readonly keyPair: KeyPair } | { readonly token: string };

export interface Cluster {
  readonly server: string;
  /** The certificate authority, PEM. */
  readonly authority: string;
}

/** The text of a kubeconfig with one context. `namespace` is what the context defaults to. */
export function renderKubeconfig(cluster: Cluster, credential: Credential, namespace = 'default'): string {
  const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
  const user =
    'token' in credential
      ? { token: credential.token }
      : {
          'client-certificate-data': base64(credential.keyPair.certificate),
          'client-key-data': base64(credential.keyPair.key),
        };
  const document = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'control-plane',
        cluster: { server: cluster.server, 'certificate-authority-data': base64(cluster.authority) },
      },
    ],
    users: [{ name: 'user', user }],
    contexts: [{ name: 'control-plane', context: { cluster: 'control-plane', user: 'user', namespace } }],
    'current-context': 'control-plane',
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Writes a kubeconfig that only its owner may read, for it holds a key. */
export function writeKubeconfig(file: string, cluster: Cluster, credential: Credential, namespace?: string): string {
  writeFileSync(file, renderKubeconfig(cluster, credential, namespace), { mode: 0o600 });
  chmodSync(file, 0o600);
  return file;
}
