/**
 * Why a connection failed, asked of the system itself (Bun only). Bun reports "no route to host" and "network unreachable" as a refusal;
 * for users these are different worlds: a refusal means that the packets got through. So a second connection is tried by plain
 * system calls, whose error number is the truth. Only after a refusal, and at most once a second for an address.
 */
import type { Timers } from './clock.js';
import { isIpv6 } from './ip-address.js';

/** Calls back with the error's code, or `undefined` where the system said nothing else. */
export type RefusalCheck = (address: string, port: number, done: (code: string | undefined) => void) => void;

/** The few system calls; error numbers are positive, 0 is success. */
export interface SystemCalls {
  /** A non-blocking TCP socket, negative on failure. */
  socket(ipv6: boolean): number;
  connect(socket: number, address: Uint8Array): number;
  /** The socket's pending error (`SO_ERROR`). */
  pendingError(socket: number): number;
  /** Whether the connection attempt has ended. */
  isSettled(socket: number): boolean;
  close(socket: number): void;
}

const NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  13: 'EACCES',
  22: 'EINVAL',
  99: 'EADDRNOTAVAIL',
  100: 'ENETDOWN',
  101: 'ENETUNREACH',
  104: 'ECONNRESET',
  110: 'ETIMEDOUT',
  111: 'ECONNREFUSED',
  112: 'EHOSTDOWN',
  113: 'EHOSTUNREACH',
};
const EINPROGRESS = 115;
const POLL_MS = 5;
const POLLS = 20;
const REMEMBER_NS = 1_000_000_000n;

/** @param load loads the system calls when first needed; throws where they can't be had */
export function createRefusalCheck(load: () => SystemCalls, timers: Timers, monotonic: () => bigint): RefusalCheck {
  let system: SystemCalls | undefined;
  let usable = true;
  const known = new Map<string, { readonly at: bigint; readonly code: string | undefined }>();
  return (address, port, done) => {
    const key = `${address} ${port}`;
    const before = known.get(key);
    if (!usable || (before !== undefined && monotonic() - before.at < REMEMBER_NS)) {
      done(before?.code);
      return;
    }
    try {
      system ??= load();
    } catch {
      // Without them a refusal is all that is known; the measurement itself isn't touched.
      usable = false;
      done(undefined);
      return;
    }
    ask(system, timers, address, port, (code) => {
      known.set(key, { at: monotonic(), code });
      done(code);
    });
  };
}

function ask(
  system: SystemCalls,
  timers: Timers,
  address: string,
  port: number,
  done: (code: string | undefined) => void,
): void {
  const socket = system.socket(isIpv6(address));
  if (socket < 0) {
    done(undefined);
    return;
  }
  const finish = (errno: number): void => {
    system.close(socket);
    done(NAMES[errno]);
  };
  const at = system.connect(socket, encodeSocketAddress(address, port));
  if (at !== EINPROGRESS) {
    finish(at);
    return;
  }
  const poll = (left: number): void => {
    if (system.isSettled(socket) || left === 0) finish(system.pendingError(socket));
    else timers.after(POLL_MS, () => poll(left - 1));
  };
  poll(POLLS);
}

/** `struct sockaddr_in` or `sockaddr_in6` of Linux on a little-endian machine. */
export function encodeSocketAddress(address: string, port: number): Uint8Array {
  const ipv6 = isIpv6(address);
  const bytes = Buffer.alloc(ipv6 ? 28 : 16);
  bytes.writeUInt16LE(ipv6 ? 10 : 2, 0);
  bytes.writeUInt16BE(port, 2);
  if (ipv6) Buffer.from(ipv6Bytes(address)).copy(bytes, 8);
  else for (const [index, part] of address.split('.').entries()) bytes[4 + index] = Number(part);
  return bytes;
}

function ipv6Bytes(address: string): readonly number[] {
  let text = address.replace(/%.*$/, '');
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number);
    text = `${dotted[1]}${(((a ?? 0) << 8) | (b ?? 0)).toString(16)}:${(((c ?? 0) << 8) | (d ?? 0)).toString(16)}`;
  }
  const [head = '', tail] = text.split('::');
  const groupsOf = (half: string | undefined): string[] => (half === undefined || half === '' ? [] : half.split(':'));
  const front = groupsOf(head);
  const back = groupsOf(tail);
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0');
  return [...front, ...zeros, ...back].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
