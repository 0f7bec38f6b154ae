/** What the tests about runs of one file share. */
import { afterAll, beforeAll } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { controlPlane, startController } from './controller.js';

export interface RunsWorld {
  readonly plane: ControlPlane;
  readonly client: KubeClient;
  readonly controller: ControllerProcess;
}

/**
 * A controller in front of the control plane of this test run, started before the first test of a file and ended after the last.
 *
 * @param options with `controllerManager`, in front of a control plane of its own, in which namespaces end
 */
export function runsWorld(options: { readonly controllerManager?: boolean } = {}): RunsWorld {
  const world: { -readonly [K in keyof RunsWorld]?: RunsWorld[K] } = {};
  const ownPlane = options.controllerManager === true;
  beforeAll(async () => {
    world.plane = ownPlane ? await startControlPlane({ controllerManager: true, audit: false }) : await controlPlane();
    world.client = connect({ kubeconfig: world.plane.kubeconfig });
    world.controller = await startController(world.plane);
  }, 120_000);
  afterAll(async () => {
    await world.controller?.kill('SIGTERM');
    world.client?.close();
    if (ownPlane) await world.plane?.stop();
  });
  // No test runs before all of it is there.
  return world as RunsWorld;
}
