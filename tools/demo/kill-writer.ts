/** Kills the controller that writes, as a crash would, and starts it again. */
import type { ControlPlane } from '../control-plane/launcher.js';
import type { ControllerProcess } from '../controller/controller-process.js';
import { CONTROLLER_NAMESPACE, controllerKubeconfig } from '../controller/deployment.js';
import { LEASE_NAME } from '../invariants/check.js';
import type { Progress } from './progress.js';

/** The lease of a dead leader lasts 15 s; a slow machine may take a while longer to notice. */
const TAKEOVER_MS = 60_000;

/**
 * Without a lease there is a single controller. With one its holder is the writer; while that is one that was killed before, the
 * next leader is waited for, so that each kill meets a leader.
 *
 * @throws Error when nobody takes the lease over
 */
export async function killWriter(
  plane: ControlPlane,
  controllers: readonly ControllerProcess[],
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const victim = controllers.length > 1 ? await leader(plane, controllers, progress, signal) : controllers[0];
  if (victim === undefined) return;
  progress.step(`kill -9 of the ${controllers.length > 1 ? 'leader' : 'controller'} (process ${victim.pid})`);
  const kubeconfig = await controllerKubeconfig(plane);
  await victim.kill('SIGKILL');
  victim.start(kubeconfig);
}

async function leader(
  plane: ControlPlane,
  controllers: readonly ControllerProcess[],
  progress: Progress,
  signal: AbortSignal,
): Promise<ControllerProcess> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${CONTROLLER_NAMESPACE}/leases/${LEASE_NAME}`;
  const end = Date.now() + TAKEOVER_MS;
  for (;;) {
    signal.throwIfAborted();
    const answer = await plane.request('GET', path);
    const lease = JSON.parse(answer.text) as { readonly spec?: { readonly holderIdentity?: string } };
    // <host>-<process>-<random>
    const pid = /-(\d+)-[0-9a-f]+$/.exec(lease.spec?.holderIdentity ?? '')?.[1];
    const holder = controllers.find((controller) => String(controller.pid) === pid);
    if (holder !== undefined) return holder;
    if (Date.now() > end) throw new Error(`nobody took the lease over within ${TAKEOVER_MS / 1000} s: ${answer.text}`);
    progress.note('waiting for the next leader');
    await new Promise((done) => setTimeout(done, 250));
  }
}
