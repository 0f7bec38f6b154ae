/**
 * Where a control plane keeps what it needs while it runs, and where others find it: one folder a control plane, below
 * one folder a user.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.js';

/** What is known about a running control plane: `state.json` in its folder, and the answer of `up --json`. */
export interface State {
  readonly name: string;
  readonly folder: string;
  readonly profile: 'control-plane' | 'node';
  readonly kubernetesVersion: string;
  /** URL of the API server. */
  readonly server: string;
  /** URL of etcd's client port: plain HTTP, also its JSON gateway. */
  readonly etcd: string;
  /** The kubeconfig of a member of system:masters. */
  readonly kubeconfig: string;
  readonly kubectl: string;
  readonly logs: string;
  readonly auditLog?: string;
  readonly supervisor: ProcessIdentity;
  readonly startedAt: string;
}

/** The folder of all control planes of this user: short, for Unix sockets stand in it (108 bytes at most). */
export function stateRoot(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return environment['CONTROL_PLANE_HOME'] ?? join(tmpdir(), `pdr-control-plane-${userInfo().uid}`);
}

/** Makes the folder of a new control plane. @throws Error when the name is taken by a running one, or is no name. */
export function createStateFolder(name: string, root = stateRoot()): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) {
    throw new Error(`the name ${JSON.stringify(name)} must be 1 to 40 of a-z, 0-9 and "-", not "-" at the ends`);
  }
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const folder = join(root, name);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const state = readState(folder);
    const running = state !== undefined && isAlive(state.supervisor);
    const processes = recordedProcesses(folder).some(isAlive);
    if (running || processes || (state === undefined && isBeingStarted(folder))) {
      throw new Error(`a control plane named ${JSON.stringify(name)} is already there (${folder}); end it with "down"`);
    }
    // What is left of one that ended without cleaning up, such as by a crash of the machine.
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
  }
  for (const part of ['logs', 'certificates', 'kubeconfigs']) mkdirSync(join(folder, part), { mode: 0o700 });
  writeFileSync(join(folder, 'owner.json'), JSON.stringify(identityOf(process.pid)));
  return folder;
}

/** Whether a process is in the middle of starting a control plane here. */
function isBeingStarted(folder: string): boolean {
  const owner = readJson<ProcessIdentity>(join(folder, 'owner.json'));
  return owner !== undefined && isAlive(owner);
}

/** After a start that failed: the logs stay for whoever looks into it, the name is free again. */
export function disownStateFolder(folder: string): void {
  rmSync(join(folder, 'owner.json'), { force: true });
  rmSync(join(folder, 'etcd'), { recursive: true, force: true });
}

export function writeState(state: State): void {
  const file = join(state.folder, 'state.json');
  writeFileSync(`${file}.draft`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.draft`, file);
}

/** The state of the control plane in a folder, or undefined when there is none or it isn't up yet. */
export function readState(folder: string): State | undefined {
  return readJson<State>(join(folder, 'state.json'));
}

/** The processes that a supervisor last wrote down. */
export function recordedProcesses(folder: string): readonly (ProcessIdentity & { readonly name: string })[] {
  return readJson<(ProcessIdentity & { name: string })[]>(join(folder, 'processes.json')) ?? [];
}

/** All control planes of this user, by name. */
export function listStates(root = stateRoot()): readonly State[] {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names
    .sort()
    .map((name) => readState(join(root, name)))
    .filter((state) => state !== undefined);
}

/** The folder that a name or a path means. */
export function folderOf(nameOrFolder: string, root = stateRoot()): string {
  return nameOrFolder.includes('/') ? resolve(nameOrFolder) : join(root, nameOrFolder);
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
