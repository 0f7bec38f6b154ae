import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { KubeObject } from '../../src/modules/kube/resource.js';
import { eventually } from '../support/kube-fixtures.js';
import { FaultWorld } from '../support/fault-world.js';

const SECRETS = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true };
const ACCOUNTS = { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true };

interface Kubeconfig {
  users: { user: Record<string, unknown> }[];
}

describe('a reflector whose credentials change', () => {
  let world: FaultWorld;
  let tokens = 0;

  beforeAll(async () => {
    world = await FaultWorld.start();
    await world.direct.create(ACCOUNTS, { metadata: { name: 'watcher', namespace: 'default' } });
  });

  afterEach(async () => {
    await world.rest();
  });

  afterAll(async () => {
    await world.stop();
  });

  /** A token that ends when `revoke` is called: it is bound to a Secret that is deleted then. */
  async function makeToken(): Promise<{ readonly token: string; readonly revoke: () => Promise<void> }> {
    const name = `token-${tokens++}`;
    const secret = await world.direct.create<KubeObject>(SECRETS, { metadata: { name, namespace: 'default' } });
    const answer = await world.direct.request<{ readonly status: { readonly token: string } }>({
      method: 'POST',
      path: '/api/v1/namespaces/default/serviceaccounts/watcher/token',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          expirationSeconds: 3_600,
          boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name, uid: secret.metadata.uid },
        },
      },
    });
    return {
      token: answer.status.token,
      revoke: () => world.direct.delete(SECRETS, { namespace: 'default', name }),
    };
  }

  /** As the kubelet rotates a projected token: the file is replaced in one step. */
  function writeToken(file: string, token: string): void {
    writeFileSync(`${file}.new`, token);
    renameSync(`${file}.new`, file);
  }

  async function tokenKubeconfig(token: string): Promise<{ readonly kubeconfig: string; readonly file: string }> {
    const file = join(world.controlPlane.state.folder, `token-${tokens}`);
    writeToken(file, token);
    const kubeconfig = world.redirect(await world.controlPlane.kubeconfigFor({ token }));
    const config = JSON.parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
    for (const entry of config.users) entry.user = { tokenFile: file };
    writeFileSync(kubeconfig, JSON.stringify(config));
    return { kubeconfig, file };
  }

  it('goes on with the new token when the old one was rotated and refused, without any delay', async () => {
    const [old, next] = [await makeToken(), await makeToken()];
    const { kubeconfig, file } = await tokenKubeconfig(old.token);
    const follower = await world.follow({ kubeconfig });
    writeToken(file, next.token);
    await old.revoke();
    await untilRefused(old.token);
    await world.proxy.refuse();
    await world.proxy.heal();
    await follower.judge();
    expect(follower.counter.codes()['401']).toBe(1);
    expect(follower.reflector.status().restarts['refused']).toBeUndefined();
  });

  it('waits patiently with an expired token, and goes on when a new one is there', async () => {
    const [old, next] = [await makeToken(), await makeToken()];
    const { kubeconfig, file } = await tokenKubeconfig(old.token);
    const follower = await world.follow({ kubeconfig });
    await old.revoke();
    await untilRefused(old.token);
    await world.proxy.refuse();
    await world.proxy.heal();
    await eventually('the token is refused', () => (follower.reflector.status().restarts['refused'] ?? 0) >= 3, 30_000);
    writeToken(file, next.token);
    await follower.judge();
  });

  it('goes on when its kubeconfig gets another client certificate and authority', async () => {
    const kubeconfig = await world.kubeconfig();
    const follower = await world.follow({ kubeconfig });
    const healthy = readFileSync(kubeconfig, 'utf8');
    const config = JSON.parse(healthy) as { clusters: { cluster: Record<string, unknown> }[] };
    for (const { cluster } of config.clusters) cluster['certificate-authority-data'] = undefined;
    writeFileSync(kubeconfig, JSON.stringify(config));
    await world.proxy.refuse();
    await eventually('a connection is refused', () =>
      follower.warnings.some(({ detail }) => String(detail).includes('REFUSED')),
    );
    await world.proxy.heal();
    await eventually(
      'the authority is not trusted',
      () => follower.warnings.some(({ detail }) => String(detail).includes('certificate')),
      60_000,
    );
    writeFileSync(kubeconfig, healthy);
    await follower.judge();
  });

  it('lives through a reconnect while its kubeconfig cannot be read', async () => {
    const kubeconfig = await world.kubeconfig();
    const follower = await world.follow({ kubeconfig });
    renameSync(kubeconfig, `${kubeconfig}.gone`);
    await world.proxy.refuse();
    const unreadable = (): boolean => follower.warnings.some(({ detail }) => String(detail).includes('ENOENT'));
    await eventually('the credentials cannot be read', unreadable, 30_000);
    await world.proxy.heal();
    renameSync(`${kubeconfig}.gone`, kubeconfig);
    await follower.judge();
  });

  it('lives through a name that does not resolve for a while', async () => {
    const kubeconfig = await world.kubeconfig();
    const follower = await world.follow({ kubeconfig });
    const healthy = readFileSync(kubeconfig, 'utf8');
    const config = JSON.parse(healthy) as { clusters: { cluster: Record<string, unknown> }[] };
    for (const { cluster } of config.clusters) cluster['server'] = 'https://no-such-name.invalid';
    await world.proxy.refuse();
    writeFileSync(kubeconfig, JSON.stringify(config));
    await eventually(
      'the name does not resolve',
      () => follower.warnings.some(({ detail }) => String(detail).includes('no-such-name')),
      60_000,
    );
    writeFileSync(kubeconfig, healthy);
    await world.proxy.heal();
    await follower.recovered(60_000);
    await follower.judge();
  });

  /** The API server remembers a token for some seconds after it was revoked. */
  async function untilRefused(token: string): Promise<void> {
    const review = async (): Promise<boolean> => {
      const answer = await world.direct.request<{ readonly status: { readonly authenticated?: boolean } }>({
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/tokenreviews',
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
      });
      return answer.status.authenticated !== true;
    };
    await eventually('the API server refuses the token', review, 40_000);
  }
});
