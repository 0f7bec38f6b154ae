import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { CONTROLLER_NAMESPACE, CONTROLLER_SERVICE_ACCOUNT } from '../../tools/controller/deployment.js';
import { ControllerWorld, pause } from '../support/controller-world.js';
import { eventually } from '../support/kube-fixtures.js';
import { Starvation } from '../support/starvation.js';

describe('The invariants hold for a controller', () => {
  let world: ControllerWorld;

  beforeAll(async () => {
    world = await ControllerWorld.start();
  });

  afterEach(async () => {
    await world.heal();
  });

  afterAll(async () => {
    await world.stop();
  });

  it('whose API server is killed and started again', async () => {
    await world.survives({
      times: 1,
      strike: async () => {
        await world.plane.killApiServer();
        await pause(2_000);
        await world.plane.startApiServer();
      },
    });
  });

  it('whose etcd is killed and started again', async () => {
    await world.survives({
      times: 1,
      strike: async () => {
        await world.plane.killEtcd();
        await pause(3_000);
        await world.plane.startEtcd();
      },
    });
  });

  it('whose versions were compacted away while it was cut off', async () => {
    const relists = await world.metric('operator_relist_total', 'resource="pods"');
    await world.survives({
      times: 1,
      strike: async () => {
        await world.first.proxy.refuse();
        // Pods come and go meanwhile.
        await pause(3_000);
        await world.plane.end('kube-apiserver');
        await world.plane.compact();
        await world.plane.startApiServer();
      },
    });
    expect(await world.metric('operator_relist_total', 'resource="pods"')).toBeGreaterThan(relists);
  });

  it('that is refused by flow control (429) for longer than a lease lasts', async () => {
    const starvation = await Starvation.prepare(world.plane, world.users, {
      kind: 'ServiceAccount',
      serviceAccount: { namespace: CONTROLLER_NAMESPACE, name: CONTROLLER_SERVICE_ACCOUNT },
    });
    try {
      await world.survives({
        times: 1,
        strike: async () => {
          await starvation.begin();
          const refused = (): Promise<number> => world.metric('rest_client_requests_total', 'code="429"');
          await eventually('it is refused', async () => (await refused()) > 0, 40_000);
          await pause(17_000);
          await starvation.end();
        },
      });
    } finally {
      await starvation.end();
      starvation.close();
    }
  }, 240_000);

  it('that is killed itself and started again', async () => {
    const { process, proxy } = world.first;
    await world.survives({
      times: 2,
      strike: async () => {
        const kubeconfig = await world.kubeconfig(proxy);
        await process.kill('SIGKILL');
        process.start(kubeconfig);
      },
      processes: 3,
    });
  });
});

describe('The invariants hold for a controller whose token', () => {
  let world: ControllerWorld;
  let tokenFile: string;
  let holder = '';

  /** A token that is worth something as long as a Secret exists. */
  async function nextToken(plane: ControlPlane): Promise<string> {
    const namespace = `/api/v1/namespaces/${CONTROLLER_NAMESPACE}`;
    const name = `token-${Date.now()}`;
    const secret = await plane.request('POST', `${namespace}/secrets`, { metadata: { name } });
    const { metadata } = JSON.parse(secret.text) as { readonly metadata: { readonly uid: string } };
    const answer = await plane.request('POST', `${namespace}/serviceaccounts/${CONTROLLER_SERVICE_ACCOUNT}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        expirationSeconds: 86_400,
        boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name, uid: metadata.uid },
      },
    });
    holder = `${namespace}/secrets/${name}`;
    return (JSON.parse(answer.text) as { readonly status: { readonly token: string } }).status.token;
  }

  /** As the kubelet rotates a projected token: the file is replaced in one step. */
  function writeToken(token: string): void {
    writeFileSync(`${tokenFile}.new`, token);
    renameSync(`${tokenFile}.new`, tokenFile);
  }

  beforeAll(async () => {
    world = await ControllerWorld.start({
      // The audit log knows a process by its token: with another one it can't be told who holds the lease.
      leaderElect: false,
      kubeconfig: async (plane, folder) => {
        tokenFile = join(folder, 'token');
        const token = await nextToken(plane);
        writeToken(token);
        const file = await plane.kubeconfigFor({ token });
        const config = JSON.parse(readFileSync(file, 'utf8')) as { users: { user: object }[] };
        for (const entry of config.users) entry.user = { tokenFile };
        writeFileSync(file, JSON.stringify(config));
        return file;
      },
    });
  });

  afterAll(async () => {
    await world.stop();
  });

  it('ended, until there is a new one', async () => {
    await world.survives({
      times: 1,
      strike: async () => {
        await world.plane.request('DELETE', holder);
        const refused = (): Promise<number> => world.metric('rest_client_requests_total', 'code="401"');
        await eventually('it is refused', async () => (await refused()) > 0, 60_000);
        await pause(5_000);
        writeToken(await nextToken(world.plane));
      },
    });
  }, 240_000);
});
