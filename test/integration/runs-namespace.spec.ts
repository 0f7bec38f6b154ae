/** Namespaces that are deleted with their Pods and results: they end, the run keeps the numbers; also where no controller is left. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ROOT } from '../../tools/controller/deployment.js';
import { eventually, resultsOf } from '../support/controller.js';
import { makeNamespace } from '../support/kube-fixtures.js';
import { keptOf, readRun, reportingPods, runThat } from '../support/runs.js';
import type { Fate } from '../support/runs.js';
import { runsWorld } from '../support/runs-world.js';

const world = runsWorld({ controllerManager: true });

/** A namespace in which Pods are admitted: the controller manager has made its service account. */
async function newNamespace(purpose: string): Promise<string> {
  const name = await makeNamespace(world.client, purpose);
  const account = `/api/v1/namespaces/${name}/serviceaccounts/default`;
  await eventually('the service account', async () => (await world.plane.request('GET', account)).status === 200);
  return name;
}

async function namespaceIsGone(name: string): Promise<boolean> {
  return (await world.plane.request('GET', `/api/v1/namespaces/${name}`)).status === 404;
}

describe('a namespace that is deleted', () => {
  it('ends with its living Pods and their results, and its run keeps the figures', async () => {
    const namespace = await newNamespace('ends');
    const fates: Fate[] = [...Array.from({ length: 100 }, (_, i) => ({ delayMs: 10 + i * 3 })), 'failed', 'pending'];
    await reportingPods(world.client, namespace, fates);
    const before = await runThat(
      world.plane,
      namespace,
      'has all Pods',
      (run) => (run.status?.ready ?? 0) + (run.status?.failed ?? 0) === 101,
    );
    await world.plane.kubectlOk(['delete', 'namespace', namespace, '--wait=false']);
    await eventually('the namespace is gone', () => namespaceIsGone(namespace));
    const after = await runThat(world.plane, namespace, 'waits for none', (run) => {
      const { archive } = run.status ?? {};
      return archive?.results === 102 && archive.releasing === undefined;
    });
    expect(keptOf(after)).toEqual({
      ...keptOf(before),
      aborted: 1,
      failureClasses: expect.arrayContaining([...(before.status?.failureClasses ?? [])]),
    });
    expect(after.status).toMatchObject({ pods: 102, pending: 0, started: 0 });
  });

  it('ends without a world.controller, by the command of the documentation', async () => {
    const namespace = await newNamespace('orphan');
    await reportingPods(
      world.client,
      namespace,
      Array.from({ length: 5 }, () => ({ delayMs: 10 })),
    );
    await eventually('five results', async () => (await resultsOf(world.plane, namespace)).length === 5);
    await world.controller.kill('SIGKILL');
    await world.plane.kubectlOk(['delete', 'namespace', namespace, '--wait=false']);
    await eventually('all results are being deleted', async () => {
      const deleted = await world.plane.kubectlOk([
        'get',
        'dpr',
        '-n',
        namespace,
        '-o',
        'jsonpath={.items[*].metadata.deletionTimestamp}',
      ]);
      return deleted.split(' ').length === 5;
    });
    const { status, stderr } = spawnSync('bash', [resolve(ROOT, 'tools/release-results.sh'), '-n', namespace], {
      env: world.plane.environment(),
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, `releasing 5 results in ${namespace}\n`]);
    await eventually('the namespace is gone', () => namespaceIsGone(namespace));
    world.controller.start();
    await world.controller.ready(30_000);
  });

  it('ends when everything is taken away by make undeploy, and so do the definitions', async () => {
    const namespace = await newNamespace('undeploy');
    await reportingPods(world.client, namespace, [{ delayMs: 10 }]);
    await eventually('a result', async () => (await resultsOf(world.plane, namespace)).length === 1);
    await world.controller.kill('SIGKILL');
    const undeploy = spawnSync('make', ['undeploy'], { cwd: ROOT, env: world.plane.environment(), encoding: 'utf8' });
    expect([undeploy.status, undeploy.stderr]).toEqual([0, expect.stringContaining('releasing')]);
    for (const name of ['datapathresults', 'datapathruns']) {
      const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}.datapath.observer`;
      await eventually(`${name} are gone`, async () => (await world.plane.request('GET', path)).status === 404);
    }
    await world.plane.kubectlOk(['delete', 'namespace', namespace, '--wait=false']);
    await eventually('the namespace is gone', () => namespaceIsGone(namespace));
    expect(await readRun(world.plane, namespace)).toBeUndefined();
  });
});
