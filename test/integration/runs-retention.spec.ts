/** Retention on a real API server: the store stays bounded while Pods come and go, and the numbers stay in the runs. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { eventually, newWorkloadNamespace, startController } from '../support/controller.js';
import { deleteAllPods, reportingPods, resultCount, runThat } from '../support/runs.js';

let plane: ControlPlane;
let client: KubeClient;
let controller: ControllerProcess | undefined;

beforeAll(async () => {
  // Of its own: the results of other tests would count.
  plane = await startControlPlane({ audit: false });
  client = connect({ kubeconfig: plane.kubeconfig });
}, 120_000);

afterEach(async () => {
  await controller?.kill('SIGTERM');
});

afterAll(async () => {
  client?.close();
  await plane?.stop();
});

describe('results', () => {
  it('are at most as many as --max-results under churn, and none of their numbers is lost', async () => {
    controller = await startController(plane, { args: ['--max-results=30'] });
    const namespace = await newWorkloadNamespace(plane, 'churn');
    for (let round = 1; round <= 4; round++) {
      const fates = Array.from({ length: 40 }, () => ({ delayMs: 10 * round }));
      await reportingPods(client, namespace, fates, { prefix: `round-${round}` });
      await runThat(plane, namespace, `has ${40 * round} ready`, ({ status }) => status?.ready === 40 * round);
      await deleteAllPods(plane, namespace);
    }
    await eventually('30 results are left', async () => (await resultCount(plane, namespace)) === 30);
    const run = await runThat(plane, namespace, 'keeps the others', ({ status }) => status?.archive?.results === 130);
    expect(run.status).toMatchObject({ pods: 160, ready: 160 });
    // Oldest first: what is left is of the last round.
    const names = await plane.kubectlOk(['get', 'dpr', '-n', namespace, '-o', 'jsonpath={.items[*].spec.podRef.name}']);
    expect(names.split(' ').every((name) => name.startsWith('round-4'))).toBe(true);
    expect(run.status?.metrics?.datapathDelay.sumMs).toBe(40 * (10 + 20 + 30 + 40));
  }, 60_000);

  it('go at the age of --result-ttl, but not while their Pod is there', async () => {
    controller = await startController(plane, { args: ['--result-ttl=3s'] });
    const namespace = await newWorkloadNamespace(plane, 'old');
    await reportingPods(client, namespace, [{ delayMs: 10 }, { delayMs: 20 }], { prefix: 'gone' });
    await deleteAllPods(plane, namespace);
    await reportingPods(client, namespace, [{ delayMs: 30 }], { prefix: 'there' });
    await eventually('one result is left', async () => (await resultCount(plane, namespace)) === 1);
    const run = await runThat(plane, namespace, 'keeps two', ({ status }) => status?.archive?.results === 2);
    expect(run.status?.ready).toBe(3);
    const left = await plane.kubectlOk(['get', 'dpr', '-n', namespace, '-o', 'jsonpath={.items[*].spec.podRef.name}']);
    expect(left).toBe('there-0000');
  }, 60_000);
});
