import { compareVersions } from '../kube/resource-version.js';

interface OwnWrite {
  version: string;
  deadline: number;
  held: boolean;
}

/**
 * The writes of one operator that its cache hasn't seen yet (KEP-5647): a key isn't run on a cache older than its own last write.
 *
 * Each is remembered for a bounded time only: an object that was made and removed within a gap of the watch never shows that version.
 */
export class OwnWrites {
  readonly #writes = new Map<string, OwnWrite>();
  readonly #now: () => number;
  readonly #waitMs: number;

  constructor(now: () => number, waitMs: number) {
    this.#now = now;
    this.#waitMs = waitMs;
  }

  get size(): number {
    return this.#writes.size;
  }

  /** @param cached the version that the cache holds now, if any */
  record(key: string, version: string, cached: string | undefined): void {
    if (cached !== undefined && compareVersions(cached, version) >= 0) return;
    const now = this.#now();
    this.#prune(now);
    // Inserted anew, so that the map stays in the order of deadlines.
    this.#writes.delete(key);
    this.#writes.set(key, { version, deadline: now + this.#waitMs, held: false });
  }

  /**
   * Takes in a version that the cache shows now.
   *
   * @returns `own`: it is exactly the recorded write; `release`: the key was held for it and may run now
   */
  seen(key: string, version: string): { readonly own: boolean; readonly release: boolean } | undefined {
    if (this.#writes.size === 0) return undefined;
    const write = this.#writes.get(key);
    if (write === undefined) return undefined;
    const order = compareVersions(version, write.version);
    if (order < 0) return undefined;
    this.#writes.delete(key);
    return { own: order === 0, release: write.held };
  }

  /**
   * Whether a key may run now.
   *
   * @returns 0 when it may, else the milliseconds it should be held; `expired` when it runs because waiting was in vain
   */
  hold(key: string, cached: string | undefined): { readonly waitMs: number; readonly expired: boolean } {
    const write = this.#writes.get(key);
    if (write === undefined) return { waitMs: 0, expired: false };
    if (cached !== undefined && compareVersions(cached, write.version) >= 0) {
      this.#writes.delete(key);
      return { waitMs: 0, expired: false };
    }
    const waitMs = write.deadline - this.#now();
    if (waitMs <= 0) {
      this.#writes.delete(key);
      return { waitMs: 0, expired: true };
    }
    write.held = true;
    return { waitMs, expired: false };
  }

  clear(): void {
    this.#writes.clear();
  }

  /** Forgets the writes whose time is over and that no key waits for. */
  #prune(now: number): void {
    for (const [key, write] of this.#writes) {
      if (write.deadline > now) return;
      this.#writes.delete(key);
    }
  }
}
