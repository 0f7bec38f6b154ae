/**
 * Slots in ascending order of a number, kept up to date in two steps: a change is only noted, and the next reader takes the notes
 * in with one merge. So a burst of changes costs no sorting, and a query after few changes costs one pass.
 */
import { orderByKey } from './radix-order.js';

export class SortedSlots {
  readonly #key: (slot: number) => number;
  #order = new Uint32Array(0);
  #length = 0;
  #noted = new Uint8Array(0);
  readonly #notes: number[] = [];

  /** @param key the number of a slot now; NaN keeps the slot out */
  constructor(key: (slot: number) => number) {
    this.#key = key;
  }

  /** Notes that the number of a slot may have changed. */
  touch(slot: number): void {
    if (slot >= this.#noted.length) {
      const larger = new Uint8Array(Math.max(1024, slot + 1, this.#noted.length * 2));
      larger.set(this.#noted);
      this.#noted = larger;
    }
    if (this.#noted[slot] === 1) return;
    this.#noted[slot] = 1;
    this.#notes.push(slot);
  }

  /** The slots in order, equal numbers by slot. Valid until the next change. */
  order(): Uint32Array {
    if (this.#notes.length > 0) this.#merge();
    return this.#order.subarray(0, this.#length);
  }

  #merge(): void {
    const noted = this.#noted;
    const old = this.#order;
    const fresh = Uint32Array.from(this.#notes.filter((slot) => !Number.isNaN(this.#key(slot)))).sort();
    orderByKey(fresh, this.#key);

    const merged = new Uint32Array(Math.max(this.#length + fresh.length, 16));
    let length = 0;
    let next = 0;
    let freshKey = next < fresh.length ? this.#key(fresh[next] as number) : Infinity;
    for (let i = 0; i < this.#length; i++) {
      const slot = old[i] as number;
      if (noted[slot] === 1) continue;
      const key = this.#key(slot);
      while (next < fresh.length && (freshKey < key || (freshKey === key && (fresh[next] as number) < slot))) {
        merged[length++] = fresh[next++] as number;
        freshKey = next < fresh.length ? this.#key(fresh[next] as number) : Infinity;
      }
      merged[length++] = slot;
    }
    while (next < fresh.length) merged[length++] = fresh[next++] as number;

    for (const slot of this.#notes) noted[slot] = 0;
    this.#notes.length = 0;
    this.#order = merged;
    this.#length = length;
  }
}
