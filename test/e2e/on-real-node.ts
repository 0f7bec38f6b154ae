/** What every end-to-end spec begins with: a real node, or a visible skip that says why there is none. */
import { attachControlPlane } from '../../tools/control-plane/launcher.js';
import { nodeOf, type RealNode } from '../../tools/control-plane/node/node.js';
import { missing } from '../../tools/control-plane/node/prerequisites.js';
import { startNode, type NodeOptions } from '../../tools/control-plane/node/start-node.js';

const lacking = missing();

/** `describe` where a node can be started, else `describe.skip` with the reason in its name. */
export function describeOnRealNode(name: string, suite: () => void): void {
  if (lacking.length === 0) {
    describe(name, suite);
    return;
  }
  const reason = `skipped: this machine lacks ${lacking.join('; ')}`;
  // The runner names skipped tests only when it is told to be verbose.
  process.stderr.write(`${name} is ${reason}\n`);
  describe.skip(`${name} (${reason})`, suite);
}

/**
 * The node of a surrounding `run --profile node`, or one of its own. `end` stops what was started here and leaves
 * alone what was there before.
 */
export async function realNode(
  options: NodeOptions = {},
): Promise<{ readonly node: RealNode; readonly end: () => Promise<void> }> {
  const folder = process.env['CONTROL_PLANE_STATE'];
  if (folder !== undefined && folder !== '') {
    const controlPlane = await attachControlPlane(folder);
    if (controlPlane.state.profile === 'node') {
      return {
        node: nodeOf(controlPlane),
        end: () => Promise.resolve(controlPlane.supervisor.disconnect()),
      };
    }
    controlPlane.supervisor.disconnect();
  }
  const node = await startNode(options);
  return { node, end: () => node.stop() };
}
