import type { Projected, Store } from '../kube/resource.js';

/**
 * The cache of one resource as it is injected: all reflectors of the process that watch it, as one. It exists before they do, so that it
 * can be injected before the namespaces and selectors are known; until then it is empty and not synced.
 */
export class SharedStore<T extends Projected = Projected> implements Store<T> {
  #parts: readonly Store<T>[] = [];

  /** Adds the cache of a reflector. Of an object that several hold, any one is given: they differ by moments only. */
  attach(part: Store<T>): void {
    if (!this.#parts.includes(part)) this.#parts = [...this.#parts, part];
  }

  get synced(): boolean {
    return this.#parts.length > 0 && this.#parts.every((part) => part.synced);
  }

  /** Objects; where selectors overlap an object counts once for each. */
  get size(): number {
    let sum = 0;
    for (const part of this.#parts) sum += part.size;
    return sum;
  }

  get(key: string): T | undefined {
    for (const part of this.#parts) {
      const found = part.get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  getByUid(uid: string): T | undefined {
    for (const part of this.#parts) {
      const found = part.getByUid(uid);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  values(): IterableIterator<T> {
    const [first, ...others] = this.#parts;
    return first !== undefined && others.length === 0 ? first.values() : this.#all();
  }

  *#all(): Generator<T> {
    const seen = new Set<string>();
    for (const part of this.#parts) {
      for (const object of part.values()) {
        if (seen.has(object.uid)) continue;
        seen.add(object.uid);
        yield object;
      }
    }
  }
}
