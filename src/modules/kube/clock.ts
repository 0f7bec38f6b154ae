/**
 * Time and chance as this code sees them. Both are injected, so that a test decides them; nothing else in the engine reads a
 * clock, starts a timer or draws a number.
 */

/** A timer that was set and can be taken back. */
export interface Timer {
  /** Takes the timer back; does nothing when it has fired. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch, as the system's clock has them: may jump. For timestamps that others read. */
  epochMs(): number;
  /** Nanoseconds since the Unix epoch. May jump. */
  epochNs(): bigint;
  /** Milliseconds since an arbitrary instant, with fraction, never going back. For every duration and deadline. */
  monotonicMs(): number;
  /** Calls back once, `delayMs` milliseconds from now. */
  setTimer(callback: () => void, delayMs: number): Timer;
}

/** Draws a number from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number;

/** Node takes a longer delay for one millisecond. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

class NodeTimer implements Timer {
  #handle: NodeJS.Timeout;

  constructor(callback: () => void, delayMs: number) {
    this.#handle = this.#arm(callback, delayMs);
  }

  #arm(callback: () => void, delayMs: number): NodeJS.Timeout {
    if (delayMs <= LONGEST_DELAY_MS) return setTimeout(callback, delayMs);
    return setTimeout(() => {
      this.#handle = this.#arm(callback, delayMs - LONGEST_DELAY_MS);
    }, LONGEST_DELAY_MS);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

/** The clock of the machine. */
export const systemClock: Clock = {
  epochMs: () => Date.now(),
  epochNs: () => BigInt(Date.now()) * 1_000_000n,
  monotonicMs: () => performance.now(),
  setTimer: (callback, delayMs) => new NodeTimer(callback, delayMs),
};

/** The machine's pseudo-random numbers. Only jitter comes from them, never a secret. */
export const systemRandom: Random = Math.random;

/** Whether so many milliseconds can be waited for: a timer takes NaN and Infinity for one millisecond. */
export function isDelay(ms: number): boolean {
  return Number.isFinite(ms) && ms >= 0;
}

/** Resolves after `delayMs` milliseconds, or at once when `signal` is aborted. Never rejects: the caller asks the signal. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = clock.setTimer(finish, delayMs);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
