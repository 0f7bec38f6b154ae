/** Small files: read if they are there, written without surprises. */

/** The few file operations that are needed, as the system has them; each throws an error with the system's code in its message. */
export interface FileSystem {
  open(path: string, flags: number, mode: number): number;
  /** @returns bytes read; 0 at the end */
  read(file: number, into: Uint8Array): number;
  /** @returns bytes written */
  write(file: number, bytes: Uint8Array): number;
  truncate(file: number, length: number): void;
  close(file: number): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
}

/** The flags of open(2) on Linux; the last is one of those that differ between processors. */
const O_WRONLY = 0o1;
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const O_NOFOLLOW = process.arch === 'arm64' ? 0o100000 : 0o400000;

const MAX_BYTES = 1024 * 1024;
const BLOCK_BYTES = 8192;

export class Files {
  private loaded: FileSystem | undefined;

  /** @param load called when a file is first needed, which is after the first attempts have begun */
  constructor(private readonly load: () => FileSystem) {}

  /**
   * @param follow whether a symbolic link may stand in its place
   * @returns `undefined` where there is no such file, it can't be read or is longer than 1 MiB
   */
  read(path: string, { follow = true } = {}): string | undefined {
    const { fs } = this;
    let file: number | undefined;
    try {
      file = fs.open(path, O_NONBLOCK | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW), 0);
      const blocks: Uint8Array[] = [];
      for (let length = 0; ;) {
        const block = Buffer.alloc(BLOCK_BYTES);
        const count = fs.read(file, block);
        if (count === 0) return Buffer.concat(blocks).toString('utf8');
        blocks.push(block.subarray(0, count));
        if ((length += count) > MAX_BYTES) return undefined;
      }
    } catch {
      // Absent or forbidden: to the caller both mean that this source says nothing.
      return undefined;
    } finally {
      if (file !== undefined) fs.close(file);
    }
  }

  /**
   * Replaces a file's content in place, the new text first, so that there is no instant at which it is empty.
   *
   * @throws the system's error
   */
  overwrite(path: string, text: string, create: boolean): void {
    const { fs } = this;
    const file = fs.open(path, O_WRONLY | O_CLOEXEC | (create ? O_CREAT : 0), 0o644);
    try {
      const bytes = Buffer.from(text);
      writeAll(fs, file, bytes);
      fs.truncate(file, bytes.length);
    } finally {
      fs.close(file);
    }
  }

  /**
   * Puts a new file in a file's place in one step. A link laid there by another container isn't followed.
   *
   * @throws the system's error
   */
  replace(path: string, text: string): void {
    const { fs } = this;
    const temporary = `${path}.${process.pid}`;
    const file = fs.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600);
    try {
      writeAll(fs, file, Buffer.from(text));
    } finally {
      fs.close(file);
    }
    try {
      fs.rename(temporary, path);
    } catch (error) {
      fs.remove(temporary);
      throw error;
    }
  }

  /** One line on standard error, at once: a process about to end loses none. */
  writeStandardError(line: string): void {
    try {
      writeAll(this.fs, 2, Buffer.from(line));
    } catch {
      // Nobody reads standard error (a full or closed pipe). There is no other place to say so, and the measurement must go on.
    }
  }

  private get fs(): FileSystem {
    this.loaded ??= this.load();
    return this.loaded;
  }
}

function writeAll(fs: FileSystem, file: number, bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) {
    const count = fs.write(file, rest);
    if (count <= 0) throw new Error('nothing more can be written');
    rest = rest.subarray(count);
  }
}

/** @see FileSystem */
export function loadNodeFileSystem(): FileSystem {
  const fs = process.getBuiltinModule('node:fs');
  return {
    open: (path, flags, mode) => fs.openSync(path, flags, mode),
    read: (file, into) => fs.readSync(file, into, 0, into.length, null),
    write: (file, bytes) => fs.writeSync(file, bytes),
    truncate: (file, length) => fs.ftruncateSync(file, length),
    close: (file) => fs.closeSync(file),
    rename: (from, to) => fs.renameSync(from, to),
    remove: (path) => fs.unlinkSync(path),
  };
}
