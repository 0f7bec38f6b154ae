/** Deleted results on a real API server: their numbers are kept once, whenever the controller is killed. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { controlPlane, eventually, startController } from '../support/controller.js';
import { deleteAllResults, endedRun, keptOf, readRun, resultCount, runThat } from '../support/runs.js';
import type { Fate } from '../support/runs.js';

let plane: ControlPlane;
let client: KubeClient;
let controller: ControllerProcess;

beforeAll(async () => {
  plane = await controlPlane();
  client = connect({ kubeconfig: plane.kubeconfig });
  controller = await startController(plane);
}, 90_000);

afterAll(async () => {
  await controller?.kill('SIGTERM');
  client?.close();
});

interface Step {
  readonly what: string;
  readonly reached: (name: string, namespace: string) => Promise<boolean>;
}

const STEPS: readonly Step[] = [
  { what: 'before anything is kept', reached: () => Promise.resolve(true) },
  {
    what: 'when they are kept and still there',
    reached: async (name) => ((await readRun(plane, name))?.status?.archive?.releasing ?? []).length > 0,
  },
  { what: 'when some are gone', reached: async (_, namespace) => (await resultCount(plane, namespace)) < 40 },
  {
    what: 'when all are gone and their uids are still remembered',
    reached: async (_, namespace) => (await resultCount(plane, namespace)) === 0,
  },
];

it('the numbers of deleted results are kept once, though the controller is killed at each step of it', async () => {
  const fates: Fate[] = [...Array.from({ length: 38 }, (_, i) => ({ delayMs: 10 + i })), 'failed', 'pending'];
  const runs = await Promise.all(STEPS.map(() => endedRun(plane, client, fates)));
  for (const [i, { what, reached }] of STEPS.entries()) {
    const { name, namespace, before } = runs[i]!;
    await deleteAllResults(plane, namespace);
    await eventually(`the step ${what}`, () => reached(name, namespace));
    await controller.kill('SIGKILL');
    controller.start();
    await controller.ready(30_000);
    const after = await runThat(plane, name, `keeps all, killed ${what}`, (run) => {
      const { archive } = run.status ?? {};
      return archive?.results === 40 && archive.releasing === undefined;
    });
    expect([what, await resultCount(plane, namespace)]).toEqual([what, 0]);
    expect([what, keptOf(after)]).toEqual([what, keptOf(before)]);
  }
}, 120_000);
