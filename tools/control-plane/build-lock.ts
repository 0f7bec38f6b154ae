/**
 * One builder at a time in one cache folder, also across processes and checkouts.
 *
 * Guarantees: a lock is never held by two living processes; the lock of a dead process is taken over.
 * Assumption: holders share one process table (the cache folder isn't shared between machines).
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.js';

export interface BuildLock {
  release(): void;
}

/** Takes the lock, waiting for a living holder. @param onWait told once per holder that is waited for. */
export async function takeBuildLock(
  file: string,
  onWait: (holder: ProcessIdentity) => void = () => undefined,
): Promise<BuildLock> {
  mkdirSync(dirname(file), { recursive: true });
  const self = identityOf(process.pid);
  if (self === undefined) throw new Error(`can't read the start time of this process (${process.pid})`);
  const own = JSON.stringify(self);
  let announced: number | undefined;
  for (;;) {
    if (create(file, own)) return { release: () => releaseOwn(file, own) };
    const text = read(file);
    if (text === undefined) continue;
    const holder = parse(text);
    if (holder === undefined || !isAlive(holder)) {
      removeStale(file, text);
      continue;
    }
    if (announced !== holder.pid) {
      announced = holder.pid;
      onWait(holder);
    }
    await delay(250);
  }
}

/** Creates the file with its content at once: a reader never sees a lock without its holder. */
function create(file: string, content: string): boolean {
  const draft = `${file}.${process.pid}.${performance.now()}`;
  writeFileSync(draft, content);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Two waiters may both have seen the same stale lock; the slower one would then remove the lock that the faster one
 * has meanwhile taken. So it is moved aside, looked at again, and put back if it isn't the stale one.
 */
function removeStale(file: string, stale: string): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    if (read(aside) !== stale) linkSync(aside, file);
  } finally {
    rmSync(aside, { force: true });
  }
}

function releaseOwn(file: string, own: string): void {
  if (read(file) === own) rmSync(file, { force: true });
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parse(text: string): ProcessIdentity | undefined {
  try {
    const value = JSON.parse(text) as Partial<ProcessIdentity>;
    return typeof value.pid === 'number' && typeof value.startTime === 'string'
      ? { pid: value.pid, startTime: value.startTime }
      : undefined;
  } catch {
    // Not JSON: a lock that nobody holds, as after a full disk.
    return undefined;
  }
}
