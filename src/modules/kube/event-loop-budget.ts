import type { Clock } from './clock.js';

/**
 * Shares one turn of the event loop among everything that parses: when the milliseconds of this turn are used up, the others
 * (timers, writes, probes) come first. One budget serves all reflectors of a process, since each would otherwise take its own share.
 */
export class EventLoopBudget {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  #startedAt = Number.NEGATIVE_INFINITY;
  #armed = false;

  /** @param sliceMs milliseconds. Default 5: what a busy machine makes of twice as much stays below 50 */
  constructor(clock: Clock, sliceMs = 5) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  /**
   * Whether this turn's milliseconds are used up; at the latest twice as many are. Where a turn ends is asked of the event loop only once a slice is over:
   * when a single event comes at a time, to ask in each turn would make every second turn an idle one.
   */
  spent(): boolean {
    const now = this.#clock.monotonicMs();
    if (now - this.#startedAt < this.#sliceMs) return false;
    if (this.#armed) return true;
    this.#armed = true;
    this.#startedAt = now;
    setImmediate(() => {
      this.#armed = false;
    });
    return false;
  }

  /** Resolves in the next turn. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
