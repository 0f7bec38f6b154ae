/**
 * A node's own world: network, mounts and process numbers of its own, made by `unshare` and held by one process.
 *
 * Guarantee: when the holder ends, the kernel ends every process in the world (they live in its pid namespace), and
 * with the last of them go all mounts and the whole network. Only control groups and files are left to remove.
 *
 * Inside are: the loopback; a bridge `node0` that carries the node's address, with a default route over it, for without
 * one neither the API server nor Service addresses work (a bridge, since not every kernel has dummy devices); and
 * empty file systems over the places of the machine that kubelet and containerd can't be told to leave alone.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { Supervisor } from '../supervisor.js';
import { waitUntil } from '../wait.js';
import { NodeUnavailable } from './prerequisites.js';

/** The addresses of a node: the same in every world, since worlds don't see each other. */
export const addresses = {
  node: '10.245.0.1',
  nodeNetwork: '10.245.0.1/24',
  pods: '10.244.0.0/24',
  dnsService: '10.0.0.10',
} as const;

/** Hidden from the machine by an empty file system each. */
const covered = ['/run', '/var/lib', '/var/log'] as const;

export const holderName = 'node-holder';

export interface World {
  /** The world's first process, by the machine's numbers. */
  readonly pid: number;
  /** Stands before a command that is to run in the world. */
  readonly commandPrefix: readonly string[];
}

/** The prefix by which a command enters the world of this process. */
export function prefixOf(pid: number): readonly string[] {
  return ['nsenter', `--target=${pid}`, '--mount', '--net', '--pid', '--'];
}

/** Makes the world. @throws Error when its setup fails, with what it said. */
export async function makeWorld(folder: string, supervisor: Supervisor, needed: readonly string[]): Promise<World> {
  for (const path of [folder, ...needed]) {
    const under = covered.find((each) => path.startsWith(each + sep));
    if (under !== undefined) {
      throw new NodeUnavailable(
        `${path} lies below ${under}, which a node hides: set CONTROL_PLANE_HOME (and XDG_CACHE_HOME) to other places`,
      );
    }
  }
  const ready = join(folder, 'world-ready');
  const script = join(folder, 'world.sh');
  writeFileSync(script, setup(ready), { mode: 0o700 });
  const log = join(folder, 'logs', `${holderName}.log`);
  const { pid } = await supervisor.startProcess({
    name: holderName,
    command: 'unshare',
    args: [
      '--mount',
      '--net',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      '--propagation=private',
      'sh',
      script,
    ],
    log,
  });
  let ended = false;
  const onExit = ({ name }: { name: string }): void => {
    ended ||= name === holderName;
  };
  supervisor.on('exited', onExit);
  try {
    await waitUntil(
      "the node's namespaces aren't set up",
      () => existsSync(ready),
      20_000,
      () => {
        if (ended) throw new Error(`the node's namespaces can't be set up: ${readFileSync(log, 'utf8')}`);
      },
    );
  } finally {
    supervisor.off('exited', onExit);
  }
  const first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  return { pid: first, commandPrefix: prefixOf(first) };
}

function setup(ready: string): string {
  return `set -e
PATH=$PATH:/usr/sbin:/sbin
mount --make-rshared /
for covered in ${covered.join(' ')}; do mount -t tmpfs -o mode=0755 tmpfs "$covered"; done
mkdir -p /run/lock /run/netns /var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers
ip link set lo up
ip link add node0 type bridge
ip address add ${addresses.nodeNetwork} dev node0
ip link set node0 up
ip route add default dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward
set +e
touch '${ready}'
# The first process of a pid namespace inherits its orphans: the shell reaps them while it waits.
while :; do sleep 3600 & wait; done
`;
}
