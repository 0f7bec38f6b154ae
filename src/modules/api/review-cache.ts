/**
 * Remembers what the API server said of a caller: yes for a minute, no for ten seconds, an error never. The same question asked
 * at the same time is asked once.
 */
import type { Clock } from '../kube/clock.js';

export const ALLOW_MS = 60_000;
export const DENY_MS = 10_000;

interface Entry<T> {
  readonly value: T;
  readonly untilMs: number;
}

export class ReviewCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #asked = new Map<string, Promise<T>>();

  /**
   * @param isAllow whether an answer is a yes
   * @param capacity answers remembered at most; the oldest goes first
   */
  constructor(
    private readonly clock: Clock,
    private readonly isAllow: (value: T) => boolean,
    private readonly capacity = 2048,
  ) {}

  /** How many questions are under way. */
  get underWay(): number {
    return this.#asked.size;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The answer remembered for a key, else that of `ask`. Rejects as `ask` does, and remembers nothing then. */
  get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (this.clock.monotonicMs() < known.untilMs) return Promise.resolve(known.value);
      this.#entries.delete(key);
    }
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const asking = this.#ask(key, ask);
    this.#asked.set(key, asking);
    return asking;
  }

  async #ask(key: string, ask: () => Promise<T>): Promise<T> {
    try {
      const value = await ask();
      const untilMs = this.clock.monotonicMs() + (this.isAllow(value) ? ALLOW_MS : DENY_MS);
      this.#entries.set(key, { value, untilMs });
      const [oldest] = this.#entries.keys();
      if (this.#entries.size > this.capacity && oldest !== undefined) this.#entries.delete(oldest);
      return value;
    } finally {
      this.#asked.delete(key);
    }
  }
}
