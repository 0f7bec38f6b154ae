/**
 * The reporter's one clock. The start is the runtime's time origin; every later instant is that origin plus what the monotonic
 * clock counted since, so that no step of the wall clock can make a delay wrong.
 *
 * Why the runtime's origin and not field 22 of `/proc/self/stat`: the kernel dates a process by its fork, in ticks of 10 ms. A
 * container's first process is forked by the container runtime and waits there until it may exec the image's program, so
 * that date lies before the start, by however long the runtime took. The origin is taken in the first milliseconds after exec, in
 * microseconds (docs/reporter.md has the measured distance).
 */
import type { Instant } from '../datapath/instant.js';

export interface Clock {
  /** Wall time by the monotonic clock, anchored once at the start. */
  now(): Instant;
  /** Nanoseconds of the monotonic clock, from an arbitrary instant that only this process knows. */
  monotonic(): bigint;
  /** The wall time of a reading of {@link monotonic}. */
  at(monotonic: bigint): Instant;
  /** The start of this process. */
  readonly start: Instant;
  /** The same on the monotonic clock. */
  readonly monotonicStart: bigint;
}

export interface TimeSource {
  /** Milliseconds since the epoch at which the runtime started, with a fraction. */
  readonly timeOrigin: number;
  /** Milliseconds since {@link timeOrigin}, with a fraction. */
  now(): number;
}

/**
 * @param offsetMs added to each wall-clock instant: the seam by which a test has a node whose clock is off (`CLOCK_OFFSET`)
 */
export function createClock(source: TimeSource, hrtime: () => bigint, offsetMs = 0): Clock {
  const monotonicStart = hrtime() - BigInt(Math.round(source.now() * 1e6));
  // Whole microseconds of our century fit a double exactly; nanoseconds would not.
  const start = BigInt(Math.round(source.timeOrigin * 1000)) * 1000n + BigInt(offsetMs) * 1_000_000n;
  const at = (monotonic: bigint): Instant => start + (monotonic - monotonicStart);
  return { start, monotonicStart, at, now: () => at(hrtime()), monotonic: hrtime };
}

/** Timers, injected so that schedules can be tested without waiting. */
export interface Timers {
  /** Calls `action` once after `ms`; the returned function cancels it. */
  after(ms: number, action: () => void): () => void;
}

export const systemTimers: Timers = {
  after: (ms, action) => {
    const timer = setTimeout(action, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};

/**
 * How long the machine has been up: the clock that all processes of one boot share, by which a restarted reporter measures from the
 * first one's start.
 *
 * @param uptime content of `/proc/uptime`
 * @returns milliseconds, in steps of 10; 0 where it can't be read
 */
export function uptimeMs(uptime: string | undefined): number {
  const seconds = Number(uptime?.split(' ')[0]);
  return Number.isFinite(seconds) ? Math.round(seconds * 1000) : 0;
}
