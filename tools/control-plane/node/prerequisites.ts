/** What a real node needs of the machine, and how to get it on Debian. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The Debian packages that hold all programs below. */
export const packages = [
  'containerd',
  'runc',
  'containernetworking-plugins',
  'nftables',
  'iptables',
  'conntrack',
  'busybox-static',
  'iproute2',
  'util-linux',
] as const;

/** Where Debian puts the CNI plugins. */
export const cniFolder = '/usr/lib/cni';

const programs: Readonly<Record<string, (typeof packages)[number]>> = {
  containerd: 'containerd',
  'containerd-shim-runc-v2': 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  nft: 'nftables',
  iptables: 'iptables',
  conntrack: 'conntrack',
  busybox: 'busybox-static',
  ip: 'iproute2',
  nsenter: 'util-linux',
  unshare: 'util-linux',
};

/** This machine can't carry a real node. The message says what is missing and what to do. */
export class NodeUnavailable extends Error {
  override readonly name = 'NodeUnavailable';
}

/** What is missing, each in a few words for people; empty when a node can be started. */
export function missing(): readonly string[] {
  if (process.platform !== 'linux') return ['Linux (this is ' + process.platform + ')'];
  const wanted = new Set<string>();
  for (const [program, from] of Object.entries(programs)) if (!onPath(program)) wanted.add(from);
  if (!existsSync(join(cniFolder, 'bridge'))) wanted.add('containernetworking-plugins');
  return [
    ...(process.getuid?.() === 0 ? [] : ['root (user id 0)']),
    ...(wanted.size === 0 ? [] : [`the Debian packages ${[...wanted].join(', ')}`]),
    ...(process.getuid?.() !== 0 || wanted.has('util-linux') || canMakeNamespaces()
      ? []
      : ['the right to make namespaces and bridges (CAP_SYS_ADMIN and CAP_NET_ADMIN)']),
  ];
}

/** @throws NodeUnavailable when something is missing. */
export function demandPrerequisites(): void {
  const lacking = missing();
  if (lacking.length === 0) return;
  const remedy = lacking.some((each) => each.includes('packages'))
    ? ' As root on Debian or Ubuntu, "npx tsx tools/control-plane/main.ts install-packages" installs the packages.'
    : '';
  throw new NodeUnavailable(`a real node can't be started here, for it needs ${lacking.join('; ')}.${remedy}`);
}

/** Installs what is missing by apt-get. @throws NodeUnavailable where that can't be done. */
export function installPackages(): void {
  if (process.getuid?.() !== 0) throw new NodeUnavailable('packages can be installed by root only');
  if (!isDebian() || !onPath('apt-get')) {
    throw new NodeUnavailable(
      `this isn't Debian or a relative of it; install ${packages.join(', ')} by your own means`,
    );
  }
  if (!missing().some((each) => each.includes('packages'))) return;
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (args: readonly string[]): void => {
    // apt-get's own progress is for people, and standard output is for our answer.
    execFileSync('apt-get', args, { env: environment, stdio: ['ignore', 2, 2] });
  };
  run(['update', '-q']);
  run(['install', '-q', '-y', '--no-install-recommends', ...packages]);
}

function isDebian(): boolean {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    // No such file: certainly no Debian.
    return false;
  }
}

/** The path of a program, also where the PATH of a plain user lacks the folders for root. */
export function onPath(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether what the node's own world is made of can be made at all: containers often may not. */
function canMakeNamespaces(): boolean {
  const flags = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  try {
    execFileSync('unshare', [...flags, 'ip', 'link', 'add', 'probe0', 'type', 'bridge'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
