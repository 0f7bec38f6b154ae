/** A real controller over Pods in every state, in two namespaces, with two runs: what the contract is held against. */
import { randomBytes } from 'node:crypto';
import { connect } from '../../src/modules/kube/connect.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { createPod } from '../../tools/controller/deployment.js';
import { DatapathClient } from '../support/api-client.js';
import { annotate, controlPlane, eventually, newWorkloadNamespace, startController } from '../support/controller.js';
import { createRun, reportingPods, runIsKnown } from '../support/runs.js';
import type { Fate } from '../support/runs.js';

const FATES: readonly Fate[] = [
  { delayMs: 20 },
  { delayMs: 900 },
  { delayMs: 4000 },
  { delayMs: 4000 },
  'failed',
  'failed',
  'pending',
  'pending',
];

export interface World {
  readonly plane: ControlPlane;
  readonly controller: ControllerProcess;
  readonly client: DatapathClient;
  /** Two namespaces with Pods. */
  readonly namespaces: readonly [string, string];
  /** A run for the Pods of each namespace. */
  readonly runs: readonly [string, string];
  /** The uid of a Pod of the first namespace. */
  readonly uid: string;
}

/** @param args further flags of the controller */
export async function createWorld(args: readonly string[] = []): Promise<World> {
  const plane = await controlPlane();
  const controller = await startController(plane, { args });
  const kube = connect({ kubeconfig: plane.kubeconfig });
  try {
    const suffix = randomBytes(3).toString('hex');
    const namespaces = [
      await newWorkloadNamespace(plane, 'contract'),
      await newWorkloadNamespace(plane, 'neighbour'),
    ] as const;
    const runs = [`contract-${suffix}`, `neighbour-${suffix}`] as const;
    let uid = '';
    for (const [i, namespace] of namespaces.entries()) {
      const run = runs[i] as string;
      const objectives = [{ metric: 'timeToDatapathReady', statistic: 'p99', thresholdMs: 5000 }] as const;
      await createRun(plane, run, { expectedPods: FATES.length, objectives: [...objectives] });
      await runIsKnown(plane, run);
      const labels = { 'datapath.observer/run': run, app: i === 0 ? 'a' : 'b', tier: 'web', 'pod-index': '2' };
      const [first = ''] = await reportingPods(kube, namespace, FATES, { labels });
      if (i === 0) uid = first;
    }
    // What Pods say of themselves is hostile.
    await createPod(plane, namespaces[0], { name: 'broken', labels: { app: '' } });
    await annotate(plane, namespaces[0], 'broken', {
      'datapath.observer/started-at': '=cmd|"/c calc"!A1\n<script>alert(1)</script>\u001b[31m',
      'datapath.observer/report': '{"state":"__proto__"',
    });
    const client = new DatapathClient({ baseUrl: controller.url });
    const expected = 2 * FATES.length + 1;
    await eventually('every result', async () => {
      const { total, items } = await client.listResults({ namespace: [...namespaces], limit: 1000 });
      return total === expected && items.filter(({ outcome }) => outcome === 'Pending').length <= 5;
    });
    return { plane, controller, client, namespaces, runs, uid };
  } catch (error) {
    await controller.kill('SIGTERM');
    throw error;
  } finally {
    kube.close();
  }
}
