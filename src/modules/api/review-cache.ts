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
  /** Kept apart, so that tokens at random push out no caller who may. */
  readonly #allowed = new Map<string, Entry<T>>();
  readonly #denied = new Map<string, Entry<T>>();
  readonly #asked = new Map<string, Promise<T>>();

  /**
   * @param isAllow whether an answer is a yes
   * @param capacity answers of either kind remembered at most; the oldest goes first
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
    return this.#allowed.size + this.#denied.size;
  }

  /** Whether `get` would ask nobody anew. */
  knows(key: string): boolean {
    return this.#asked.has(key) || this.#remembered(key) !== undefined;
  }

  /** The answer remembered for a key, else that of `ask`. Rejects as `ask` does, and remembers nothing then. */
  get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#remembered(key);
    if (known !== undefined) return Promise.resolve(known.value);
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const asking = this.#ask(key, ask);
    this.#asked.set(key, asking);
    return asking;
  }

  #remembered(key: string): Entry<T> | undefined {
    const nowMs = this.clock.monotonicMs();
    for (const entries of [this.#allowed, this.#denied]) {
      const known = entries.get(key);
      if (known === undefined) continue;
      if (nowMs < known.untilMs) return known;
      entries.delete(key);
    }
    return undefined;
  }

  async #ask(key: string, ask: () => Promise<T>): Promise<T> {
    try {
      const value = await ask();
      const [entries, keepMs] = this.isAllow(value) ? [this.#allowed, ALLOW_MS] : [this.#denied, DENY_MS];
      entries.set(key, { value, untilMs: this.clock.monotonicMs() + keepMs });
      const [oldest] = entries.keys();
      if (entries.size > this.capacity && oldest !== undefined) entries.delete(oldest);
      return value;
    } finally {
      this.#asked.delete(key);
    }
  }
}
