/** The demo's options: flags first, then the environment that `make demo PODS=200 KEEP=1` sets. */
import { parseArgs } from 'node:util';

export interface DemoOptions {
  readonly pods: number;
  /** `control-plane`: reporters are processes of this machine; `node`: real Pods on a real node. */
  readonly profile: 'control-plane' | 'node';
  readonly keep: boolean;
  readonly replicas: number;
  /** How often the writing controller is killed with SIGKILL in the middle. */
  readonly kills: number;
  readonly json: boolean;
  readonly colour: boolean;
}

export const HELP = `Runs the main job on an embedded control plane: reporters, Pods, controller, results, API.

Usage: make demo [PODS=20] [KEEP=1] [REPLICAS=1] [KILLS=0] [PROFILE=node]
   or: npx tsx tools/demo/main.ts [--pods N] [--profile NAME] [--keep] [--replicas N] [--kills N] [--json] [--no-color]

  --pods N      Pods to create, 1 to 1000 (default 20)
  --profile P   control-plane (default): a reporter process for each Pod; node: real Pods on a real node (Linux, root,
                containerd; at most 200 Pods, one controller), or control-plane where there can be none
  --keep        leave everything running and print the URL; Ctrl-C ends it
  --replicas N  controllers, with leader election when more than one, 1 to 5 (default 1)
  --kills N     kill the writing controller with SIGKILL N times in the middle (default 0)
  --json        print the outcome as JSON on standard output
  --no-color    no colours (also NO_COLOR, or no terminal)

Exit status: 0 what was printed is what was caused; 1 it is not, or something could not run; 2 wrong use.
`;

export class UsageError extends Error {}

export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): DemoOptions | 'help' {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        pods: { type: 'string' },
        profile: { type: 'string' },
        replicas: { type: 'string' },
        kills: { type: 'string' },
        keep: { type: 'boolean' },
        json: { type: 'boolean' },
        'no-color': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (values.help === true) return 'help';
  const number = (name: string, text: string | undefined, fallback: number, min: number, max: number): number => {
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new UsageError(`${name} is ${JSON.stringify(text)}; it must be a whole number from ${min} to ${max}`);
    }
    return value;
  };
  const profile = values.profile ?? (env['PROFILE'] || 'control-plane');
  if (profile !== 'control-plane' && profile !== 'node') {
    throw new UsageError(`profile is ${JSON.stringify(profile)}; it must be control-plane or node`);
  }
  const replicas = number('replicas', values.replicas ?? env['REPLICAS'], 1, 1, 5);
  return {
    profile,
    pods: number('pods', values.pods ?? env['PODS'], 20, 1, 1000),
    keep: values.keep ?? isOn(env['KEEP']),
    replicas,
    kills: number('kills', values.kills ?? env['KILLS'], 0, 0, 10),
    json: values.json ?? false,
    colour: values['no-color'] !== true && (env['NO_COLOR'] ?? '') === '' && process.stdout.isTTY,
  };
}

function isOn(text: string | undefined): boolean {
  return text !== undefined && text !== '' && text !== '0' && text !== 'false';
}
