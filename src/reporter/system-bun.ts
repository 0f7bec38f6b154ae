/**
 * The C library through Bun's foreign function interface. For files, since Bun's `node:fs` costs 2 ms and 2 MB more, a quarter of
 * the whole run; to ask why a connection failed; and to become another program.
 */
import type { FileSystem } from './files.js';
import type { SystemCalls } from './refusal-check.js';

type Pointer = number;
type NativeFunction = (...args: readonly unknown[]) => number | bigint;

interface Ffi {
  dlopen(
    library: string,
    symbols: Readonly<Record<string, { readonly args: readonly string[]; readonly returns: string }>>,
  ): { readonly symbols: Readonly<Record<string, NativeFunction>> };
  ptr(memory: ArrayBufferView): Pointer;
  read: { i32(pointer: Pointer, offset?: number): number };
}

const FILE_SYMBOLS = {
  open: { args: ['ptr', 'i32', 'i32'], returns: 'i32' },
  read: { args: ['i32', 'ptr', 'u64'], returns: 'i64' },
  write: { args: ['i32', 'ptr', 'u64'], returns: 'i64' },
  ftruncate: { args: ['i32', 'i64'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
  rename: { args: ['ptr', 'ptr'], returns: 'i32' },
  unlink: { args: ['ptr'], returns: 'i32' },
  __errno_location: { args: [], returns: 'ptr' },
};

const SOCKET_SYMBOLS = {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
  poll: { args: ['ptr', 'u64', 'i32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
  __errno_location: { args: [], returns: 'ptr' },
};

const SOCK_STREAM_NONBLOCK_CLOEXEC = 0o2004001;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const POLLOUT = 4;

const ERROR_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  5: 'EIO',
  8: 'ENOEXEC',
  11: 'EAGAIN',
  13: 'EACCES',
  20: 'ENOTDIR',
  21: 'EISDIR',
  28: 'ENOSPC',
  30: 'EROFS',
  40: 'ELOOP',
};

function errorText(errno: number, name: string, subject: string): string {
  return `${ERROR_NAMES[errno] ?? `error ${errno}`}: ${name} ${subject}`;
}

/** The C library's functions, called by name, and the number of the last error. */
class Library {
  private readonly symbols: Readonly<Record<string, NativeFunction>>;
  private readonly ffi: Ffi;
  private errnoAt: Pointer | undefined;

  /** @throws where the C library can't be loaded */
  constructor(symbols: Parameters<Ffi['dlopen']>[1]) {
    // Not an import: no other runtime has it.
    this.ffi = (process as unknown as { getBuiltinModule(id: string): Ffi }).getBuiltinModule('bun:ffi');
    this.symbols = this.ffi.dlopen('libc.so.6', symbols).symbols;
  }

  call(name: string, ...args: readonly unknown[]): number {
    return Number(this.symbols[name]?.(...args) ?? -1);
  }

  errno(): number {
    this.errnoAt ??= this.call('__errno_location');
    return this.ffi.read.i32(this.errnoAt);
  }

  /** Only valid while `memory` is; an empty one has no address. */
  pointer(memory: ArrayBufferView): Pointer {
    return this.ffi.ptr(memory);
  }

  path(text: string): Pointer {
    return this.pointer(Buffer.from(`${text}\0`));
  }
}

/** @see FileSystem; throws where the C library can't be loaded */
export function loadBunFileSystem(): FileSystem {
  const libc = new Library(FILE_SYMBOLS);
  const checked = (name: string, subject: string, ...args: readonly unknown[]): number => {
    const result = libc.call(name, ...args);
    if (result >= 0) return result;
    throw new Error(errorText(libc.errno(), name, subject));
  };
  return {
    open: (path, flags, mode) => checked('open', `'${path}'`, libc.path(path), flags, mode),
    read: (file, into) => checked('read', '', file, libc.pointer(into), into.length),
    write: (file, bytes) => checked('write', '', file, libc.pointer(bytes), bytes.length),
    truncate: (file, length) => void checked('ftruncate', '', file, length),
    close: (file) => void checked('close', '', file),
    rename: (from, to) => void checked('rename', `'${from}' '${to}'`, libc.path(from), libc.path(to)),
    remove: (path) => void checked('unlink', `'${path}'`, libc.path(path)),
  };
}

/** @throws where the C library can't be loaded */
export function loadSystemCalls(): SystemCalls {
  const libc = new Library(SOCKET_SYMBOLS);
  return {
    socket: (ipv6) => libc.call('socket', ipv6 ? 10 : 2, SOCK_STREAM_NONBLOCK_CLOEXEC, 0),
    connect: (socket, address) =>
      libc.call('connect', socket, libc.pointer(address), address.byteLength) === 0 ? 0 : libc.errno(),
    pendingError: (socket) => {
      const value = new Int32Array(1);
      const length = new Uint32Array([4]);
      const failed = libc.call('getsockopt', socket, SOL_SOCKET, SO_ERROR, libc.pointer(value), libc.pointer(length));
      return failed === 0 ? (value[0] ?? 0) : 0;
    },
    isSettled: (socket) => {
      const request = new Int32Array([socket, POLLOUT]);
      return libc.call('poll', libc.pointer(request), 1, 0) !== 0;
    },
    close: (socket) => void libc.call('close', socket),
  };
}

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const SIGINT = 2;
const SIGTERM = 15;

/**
 * Makes ready to become another program in the same process: same id, same container, none of the memory.
 *
 * @returns does it; returns only where that failed, with the reason. SIGTERM and SIGINT are held back meanwhile: the program, which must let them through,
 * finds one that came in between
 */
export function prepareProgram(path: string, args: readonly string[]): () => string {
  const libc = new Library({
    execv: { args: ['ptr', 'ptr'], returns: 'i32' },
    sigprocmask: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
    __errno_location: { args: [], returns: 'ptr' },
  });
  const texts = [path, ...args].map((text) => Buffer.from(`${text}\0`));
  const vector = new BigUint64Array(texts.length + 1);
  for (const [index, text] of texts.entries()) vector[index] = BigInt(libc.pointer(text));
  const signals = new Uint8Array(128);
  for (const signal of [SIGINT, SIGTERM]) {
    const byte = (signal - 1) >> 3;
    signals[byte] = (signals[byte] ?? 0) | (1 << ((signal - 1) & 7));
  }
  return () => {
    libc.call('sigprocmask', SIG_BLOCK, libc.pointer(signals), null);
    libc.call('execv', libc.path(path), libc.pointer(vector));
    const reason = errorText(libc.errno(), 'execv', `'${path}'`);
    libc.call('sigprocmask', SIG_UNBLOCK, libc.pointer(signals), null);
    return reason;
  };
}
