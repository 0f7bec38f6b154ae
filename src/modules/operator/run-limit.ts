/** How many runs of an operator may wait for the API server at the same time: many while it answers quickly, few while it is busy. */
export interface RunLimitSettings {
  /** Most runs at once. */
  readonly most: number;
  /** Runs that may always be under way. Default `most`: the number never falls. */
  readonly least?: number | undefined;
}

/** A run is slow that takes longer than so many times the quickest, and longer than {@link SLOW_MS}. */
const SLOW_FACTOR = 3;
const SLOW_MS = 20;
/** How long the quickest run is remembered, milliseconds: twice this at the most. */
const WINDOW_MS = 60_000;
/** What waited this long no longer gives way, milliseconds. */
const PATIENCE_MS = 30_000;

/**
 * What an operator writes competes with what its users write: with equal shares, a burst of Pods would take longer for being measured. So the number of
 * runs falls by one with each slow run and grows by one with as many quick ones as may be under way. Pure: it reads no clock.
 *
 * Guarantees: never fewer than `least`, never more than `most`; a key that waited for 30 s lets all of them run, so that a server which is always busy is no
 * reason to fall behind without end.
 */
export class RunLimit {
  readonly #most: number;
  readonly #least: number;
  #limit: number;
  #quickest = Number.POSITIVE_INFINITY;
  #quickestBefore = Number.POSITIVE_INFINITY;
  #windowEndsAt = Number.NEGATIVE_INFINITY;
  #impatientUntil = Number.NEGATIVE_INFINITY;

  constructor({ most, least = most }: RunLimitSettings) {
    this.#most = most;
    this.#least = Math.min(least, most);
    this.#limit = most;
  }

  /** Runs that may be under way at `nowMs` of a monotonic clock. */
  at(nowMs: number): number {
    return nowMs < this.#impatientUntil ? this.#most : Math.floor(this.#limit);
  }

  /** A key left the queue, in which it had waited for `waitedMs`. */
  started(waitedMs: number, nowMs: number): void {
    if (waitedMs >= PATIENCE_MS) this.#impatientUntil = nowMs + PATIENCE_MS / 10;
  }

  /** A run that waited for the API server ended after `durationMs`. */
  ended(durationMs: number, nowMs: number): void {
    if (nowMs >= this.#windowEndsAt) {
      this.#quickestBefore = this.#quickest;
      this.#quickest = Number.POSITIVE_INFINITY;
      this.#windowEndsAt = nowMs + WINDOW_MS;
    }
    this.#quickest = Math.min(this.#quickest, durationMs);
    const slowMs = Math.max(SLOW_MS, SLOW_FACTOR * Math.min(this.#quickest, this.#quickestBefore));
    if (durationMs > slowMs) this.#limit = Math.max(this.#least, this.#limit - 1);
    else this.#limit = Math.min(this.#most, this.#limit + 1 / this.#limit);
  }
}
