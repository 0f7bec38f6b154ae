/** The control groups of one node: made before the kubelet, which refuses a root that isn't there, and removed after it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const mountPoint = '/sys/fs/cgroup';

/** The name of a node's root group, below each hierarchy's root. */
export const cgroupRootOf = (nodeName: string): string => `pdr-${nodeName}`;

/** Whether the machine has the unified hierarchy only. */
function isUnified(): boolean {
  return existsSync(join(mountPoint, 'cgroup.controllers'));
}

/** The node's root group in each hierarchy. */
function rootFolders(name: string): readonly string[] {
  if (isUnified()) return [join(mountPoint, name)];
  const folders = readdirSync(mountPoint, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(mountPoint, entry.name));
  return folders.map((folder) => join(folder, name));
}

/** Makes the root group in every hierarchy that takes it. */
export function makeCgroups(name: string): void {
  for (const folder of rootFolders(name)) {
    mkdirSync(folder, { recursive: true });
    // A group of cpusets is unusable until it says which, and a new one says none.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (!isUnified() && existsSync(join(folder, file))) {
        writeFileSync(join(folder, file), readFileSync(join(folder, '..', file), 'utf8').trim());
      }
    }
  }
  if (isUnified()) {
    const controllers = readFileSync(join(mountPoint, 'cgroup.controllers'), 'utf8').trim().split(/\s+/);
    const enable = controllers.map((controller) => `+${controller}`).join(' ');
    for (const folder of [mountPoint, join(mountPoint, name)])
      writeFileSync(join(folder, 'cgroup.subtree_control'), enable);
  }
}

/** The ids of all processes in a group and below it, as this process numbers them. */
export function processesIn(folder: string): readonly number[] {
  let own: number[] = [];
  try {
    own = readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    // The group has gone: nobody is in it.
    return [];
  }
  return [...own, ...subgroups(folder).flatMap((sub) => processesIn(sub))];
}

/** The groups of a Pod, one a container and one for the sandbox, in one hierarchy. */
export function podFolder(name: string, podUid: string): string | undefined {
  const hierarchy = isUnified() ? join(mountPoint, name) : join(mountPoint, 'pids', name);
  const kubepods = join(hierarchy, 'kubepods');
  return ['', 'burstable', 'besteffort']
    .map((quality) => join(kubepods, quality, `pod${podUid}`))
    .find((folder) => existsSync(folder));
}

/**
 * Kills what is still in the node's groups and removes them. @throws Error naming what couldn't be removed within
 * ten seconds.
 */
export async function removeCgroups(name: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const left = rootFolders(name).filter((folder) => existsSync(folder));
    if (left.length === 0) return;
    for (const pid of left.flatMap(processesIn)) kill(pid);
    const stubborn = left.filter((folder) => !removeTree(folder));
    if (stubborn.length === 0) return;
    if (performance.now() > deadline) throw new Error(`control groups can't be removed: ${stubborn.join(', ')}`);
    await delay(50);
  }
}

function subgroups(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(folder, entry.name));
  } catch {
    return [];
  }
}

function removeTree(folder: string): boolean {
  for (const sub of subgroups(folder)) removeTree(sub);
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    // A process in it hasn't quite gone yet.
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
