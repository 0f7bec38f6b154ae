/** Small files: read if they are there, written without surprises. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';

const MAX_BYTES = 1024 * 1024;

/**
 * @param flags added to `O_RDONLY`
 * @returns `undefined` where there is no such regular file, it can't be read or is longer than 1 MiB
 */
export function readSmallFile(path: string, flags = 0): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
    const { size } = fstatSync(file);
    // Files of /proc and some mounts say 0: read as much as there is, up to the bound.
    const buffer = Buffer.alloc(Math.min(MAX_BYTES + 1, Math.max(size + 1, 4096)));
    let length = 0;
    for (;;) {
      const count = readSync(file, buffer, length, buffer.length - length, null);
      length += count;
      if (count === 0 || length === buffer.length) break;
    }
    return length > MAX_BYTES ? undefined : buffer.toString('utf8', 0, length);
  } catch {
    // Absent or forbidden: to the caller both mean that this source says nothing.
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * Replaces a file's content in place, the new text first, so that there is no instant at which it is empty.
 *
 * @throws the system's error
 */
export function overwriteFile(path: string, text: string, create: boolean): void {
  const file = openSync(path, constants.O_WRONLY | (create ? constants.O_CREAT : 0), 0o644);
  try {
    ftruncateSync(file, writeSync(file, text, 0));
  } finally {
    closeSync(file);
  }
}

/**
 * Puts a new file in a file's place in one step. A link laid there by another container isn't followed.
 *
 * @throws the system's error
 */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const file = openSync(temporary, flags, 0o600);
  try {
    writeSync(file, text, 0);
  } finally {
    closeSync(file);
  }
  try {
    renameSync(temporary, path);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
