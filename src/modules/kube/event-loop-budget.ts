import type { Clock } from './clock.js';

/**
 * Shares one turn of the event loop among everything that parses: when the milliseconds of this turn are used up, the others
 * (timers, writes, probes) come first. One budget serves all reflectors of a process, since each would otherwise take its own share.
 */
export class EventLoopBudget {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  #startedAt = 0;
  #running = false;

  /** @param sliceMs milliseconds a turn. Default 5: what a busy machine makes of it stays below 50 */
  constructor(clock: Clock, sliceMs = 5) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  /** Whether this turn's milliseconds are used up; the first call of a turn starts counting. */
  spent(): boolean {
    if (!this.#running) {
      this.#running = true;
      this.#startedAt = this.#clock.monotonicMs();
      setImmediate(() => {
        this.#running = false;
      });
      return false;
    }
    return this.#clock.monotonicMs() - this.#startedAt >= this.#sliceMs;
  }

  /** Resolves in the next turn. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
