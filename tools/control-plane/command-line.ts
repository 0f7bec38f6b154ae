/**
 * The commands of the launcher.
 *
 * Exit codes: 0 done, 1 wrong use or an error (also: programs are missing and can't be built), 77 what the node profile
 * needs isn't on this machine (so that a caller can skip visibly); `run` and `kubectl` pass on their command's.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { basename } from 'node:path';
import type { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { AssetsUnavailable, type Progress } from './asset-builder.js';
import { assets, type AssetName } from './asset-catalog.js';
import { ensure } from './assets.js';
import { ComponentFailed } from './component-start.js';
import type { ControlPlane } from './control-plane.js';
import {
  attachControlPlane,
  endControlPlane,
  startControlPlane,
  wantedAssets,
  type ControlPlaneOptions,
} from './launcher.js';
import { identityOf, isAlive } from './process-identity.js';
import { installPackages, missing, NodeUnavailable } from './node/prerequisites.js';
import { cleanUpNode, nodeAssets, startNode } from './node/start-node.js';
import { folderOf, listStates, readState, type State } from './state-folder.js';

const help = `A real Kubernetes control plane on this machine, for tests and the demo.

Usage: npx tsx tools/control-plane/main.ts COMMAND [OPTIONS]

  up                  start a control plane; it stays until "down"
  down                end it, and everything that belongs to it
  status              what runs, of this user
  run -- COMMAND…     start one, run the command with KUBECONFIG, CONTROL_PLANE_STATE, CONTROL_PLANE_URL,
                      CONTROL_PLANE_CA and a kubectl on its PATH, end it; passes the exit code on
                      (with --copies the command also has CONTROL_PLANE_COPIES: these variables of each, as JSON)
  kubectl -- ARGS…    run kubectl against it
  build [PROGRAM…]    build what is missing into the cache, without starting anything
  install-packages    install the Debian packages that a real node needs (root; apt-get)
  check-node          say what this machine lacks for a real node; 77 when something is lacking
  help

  --name NAME               which one (default: "default"; for "run" a name of its own)
  --copies N                for "run": so many beside each other, 1 to 16 (default: 1)
  --controller-manager      with kube-controller-manager: garbage collection, default service accounts
  --scheduler               with kube-scheduler
  --kwok                    with simulated nodes
  --profile node            with one real node: kubelet, containerd, Pod network, Services, DNS (root, Linux)
  --image FILE              load an image archive into the node; repeatable
  --api-server-flag FLAG    one more flag of kube-apiserver; repeatable
  --no-audit                without an audit log
  --json                    answer on standard output in JSON

Programs are looked for in KUBEBUILDER_ASSETS, then in the cache (XDG_CACHE_HOME or ~/.cache), then built with Go.
`;

/** The code by which test harnesses (automake, TAP) know a skip. */
const nodeUnavailableCode = 77;

/** Wrong use of the command line; the message says what is allowed. */
class UsageError extends Error {}

interface Arguments {
  readonly command: string;
  readonly options: ControlPlaneOptions;
  readonly profile: State['profile'];
  /** Archives to load into the node. */
  readonly images: readonly string[];
  readonly name: string | undefined;
  readonly json: boolean;
  /** How many control planes `run` starts. */
  readonly copies: number;
  /** What stands after "--", or the words after the command. */
  readonly rest: readonly string[];
}

/** Returns the exit code. Never throws. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(parse(argv));
  } catch (error) {
    if (error instanceof NodeUnavailable) {
      say(error.message);
      return nodeUnavailableCode;
    }
    process.stderr.write(`${explain(error)}\n`);
    return 1;
  }
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `control-plane: ${error.message}\nSee "help".`;
  if (error instanceof AssetsUnavailable || error instanceof ComponentFailed) return `control-plane: ${error.message}`;
  return `control-plane: ${error instanceof Error ? error.message : String(error)}`;
}

function parse(argv: readonly string[]): Arguments {
  const split = argv.indexOf('--');
  const own = split === -1 ? argv : argv.slice(0, split);
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        copies: { type: 'string', default: '1' },
        'controller-manager': { type: 'boolean', default: false },
        scheduler: { type: 'boolean', default: false },
        kwok: { type: 'boolean', default: false },
        profile: { type: 'string', default: 'control-plane' },
        image: { type: 'string', multiple: true, default: [] },
        'api-server-flag': { type: 'string', multiple: true, default: [] },
        'no-audit': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const [command = 'help', ...words] = positionals;
    const { profile } = values;
    if (profile !== 'control-plane' && profile !== 'node') {
      throw new TypeError(`--profile is ${JSON.stringify(profile)}; it may be "control-plane" or "node"`);
    }
    if (!/^([1-9]|1[0-6])$/.test(values.copies)) {
      throw new TypeError(`--copies is ${JSON.stringify(values.copies)}; it may be 1 to 16`);
    }
    if (values.copies !== '1' && (command !== 'run' || values.name !== undefined || profile === 'node')) {
      throw new TypeError('--copies is for "run", without --name and --profile node');
    }
    return {
      command: values.help ? 'help' : command,
      name: values.name,
      copies: Number(values.copies),
      json: values.json,
      profile,
      images: values.image,
      rest: [...words, ...(split === -1 ? [] : argv.slice(split + 1))],
      options: {
        ...(values.name === undefined ? {} : { name: values.name }),
        controllerManager: values['controller-manager'],
        scheduler: values.scheduler,
        kwok: values.kwok,
        apiServerFlags: values['api-server-flag'],
        ...(values['no-audit'] ? { audit: false as const } : {}),
        progress: say,
      },
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

const say: Progress = (message) => void process.stderr.write(`control-plane: ${message}\n`);

function print(args: Arguments, document: unknown, text: string): void {
  process.stdout.write(args.json ? `${JSON.stringify(document, null, 2)}\n` : text);
}

async function dispatch(args: Arguments): Promise<number> {
  switch (args.command) {
    case 'help':
      process.stdout.write(help);
      return 0;
    case 'up':
      return up(args);
    case 'down':
      return down(args);
    case 'status':
      return status(args);
    case 'run':
      return run(args);
    case 'kubectl':
      return kubectl(args);
    case 'build':
      return build(args);
    case 'install-packages':
      installPackages();
      return checkNode(args);
    case 'check-node':
      return checkNode(args);
    case 'clean-node':
      // For the supervisor: what is left of a node once its processes have ended.
      await cleanUpNode(basename(args.rest[0] ?? ''));
      return 0;
    default:
      throw new UsageError(`unknown command ${JSON.stringify(args.command)}`);
  }
}

async function up(args: Arguments): Promise<number> {
  const started = performance.now();
  const controlPlane = await start(args, { name: args.name ?? 'default' });
  await controlPlane.release();
  controlPlane.supervisor.disconnect();
  const { state } = controlPlane;
  say(`Kubernetes ${state.kubernetesVersion} is up after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  print(
    args,
    state,
    `server      ${state.server}\nKUBECONFIG  ${state.kubeconfig}\nkubectl     ${state.kubectl}\nlogs        ${state.logs}\n`,
  );
  return 0;
}

async function start(args: Arguments, more: { readonly name?: string }): Promise<ControlPlane> {
  const options = { ...args.options, ...more };
  if (args.profile === 'control-plane') return startControlPlane(options);
  return (await startNode({ ...options, images: args.images })).controlPlane;
}

function checkNode(args: Arguments): number {
  const lacking = missing();
  print(
    args,
    { missing: lacking },
    lacking.length === 0 ? 'a real node can be started here\n' : `${lacking.join('\n')}\n`,
  );
  return lacking.length === 0 ? 0 : nodeUnavailableCode;
}

async function down(args: Arguments): Promise<number> {
  const name = args.name ?? 'default';
  const ended = await endControlPlane(name);
  print(args, { name, ended }, ended ? `ended ${name}\n` : `there is no control plane named ${name}\n`);
  return 0;
}

function status(args: Arguments): number {
  const state = args.name === undefined ? undefined : readState(folderOf(args.name));
  const states = args.name === undefined ? listStates() : state === undefined ? [] : [state];
  const found = states.map((each) => ({ ...each, running: isAlive(each.supervisor) }));
  const lines = found.map(
    ({ name, running, server, kubeconfig }) => `${name}  ${running ? 'running' : 'ended'}  ${server}  ${kubeconfig}\n`,
  );
  print(args, found, lines.length === 0 ? 'none\n' : lines.join(''));
  return 0;
}

async function build(args: Arguments): Promise<number> {
  const unknown = args.rest.filter((name) => !(name in assets));
  if (unknown.length > 0) {
    throw new UsageError(`unknown program ${unknown.join(', ')}; there are ${Object.keys(assets).join(', ')}`);
  }
  const chosen = args.rest.length > 0 ? (args.rest as readonly AssetName[]) : defaultBuild(args);
  const paths = await ensure(chosen, say);
  print(
    args,
    paths,
    Object.entries(paths)
      .map(([name, path]) => `${name}  ${path}\n`)
      .join(''),
  );
  return 0;
}

function defaultBuild({ profile, options }: Arguments): readonly AssetName[] {
  return profile === 'node' ? nodeAssets : wantedAssets(options);
}

async function kubectl(args: Arguments): Promise<number> {
  const controlPlane = await attachControlPlane(args.name ?? 'default');
  try {
    return await passThrough(controlPlane.state.kubectl, args.rest, [controlPlane]);
  } finally {
    controlPlane.supervisor.disconnect();
  }
}

async function run(args: Arguments): Promise<number> {
  const [command, ...rest] = args.rest;
  if (command === undefined) throw new UsageError('run needs a command: run -- COMMAND…');
  // A signal until here ends us in the ordinary way, and what was started ends with us.
  const started = await Promise.allSettled(Array.from({ length: args.copies }, () => start(args, {})));
  const controlPlanes = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  try {
    const failed = started.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return await passThrough(command, rest, controlPlanes);
  } finally {
    await Promise.all(controlPlanes.map((each) => each.stop()));
  }
}

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Waits for a word on file descriptor 3, then becomes the command; ends when there is none to come. */
const GATE = 'read -r _ <&3 || exit 1; exec 3<&-; exec "$0" "$@"';

/**
 * Runs a command on our terminal and returns its exit code (127 where there is no such command). Signals to us become signals to
 * it. It begins when the supervisor knows it: should we be killed, nobody else could end it.
 */
async function passThrough(
  command: string,
  args: readonly string[],
  controlPlanes: readonly ControlPlane[],
): Promise<number> {
  const child = spawn('sh', ['-c', GATE, command, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: environmentOf(controlPlanes),
  });
  const gate = child.stdio[3] as Writable;
  // It was told to end before it began.
  gate.on('error', () => undefined);
  // Listened for before anything is awaited: a quick command would have ended unheard.
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  ended.catch(() => undefined);
  const forward = (signal: NodeJS.Signals): void => {
    // Ctrl-C on a terminal reaches the command by itself: once more would be a second Ctrl-C.
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    child.kill(signal);
  };
  // Before anything is awaited, too: the command may already be told to end.
  for (const signal of forwarded) process.on(signal, forward);
  try {
    const identity = child.pid === undefined ? undefined : identityOf(child.pid);
    if (identity !== undefined) await controlPlanes[0]?.supervisor.adopt(identity);
    gate.end('\n');
    return codeOf(...(await ended));
  } finally {
    for (const signal of forwarded) process.removeListener(signal, forward);
  }
}

/** The variables of the first one, and, where there are more, those of each. */
function environmentOf(controlPlanes: readonly ControlPlane[]): NodeJS.ProcessEnv {
  const [first, ...more] = controlPlanes;
  if (first === undefined || more.length === 0) return { ...first?.environment() };
  const copies = controlPlanes.map((each) => each.environment({}));
  return { ...first.environment(), CONTROL_PLANE_COPIES: JSON.stringify(copies) };
}

/** The shell's convention: 128 and the signal's number. */
function codeOf(code: number | null, signal: NodeJS.Signals | null): number {
  if (signal !== null) return 128 + constants.signals[signal];
  return code ?? 1;
}
