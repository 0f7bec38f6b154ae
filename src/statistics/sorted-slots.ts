/**
 * Slots in ascending order of a number, kept up to date in two steps: a change is only noted, and the next reader takes the notes
 * in with one merge. So a burst of changes costs little, and a query after it one pass.
 */
import { orderByKey } from './radix-order.js';

/** So many notes are taken in without waiting for a reader, so that no reader finds a heap of them. */
const MAX_NOTES = 4096;

/** Aligned arrays: the i-th slot and its number. Valid until the next change. */
export interface Sorted {
  readonly length: number;
  readonly slots: Uint32Array;
  readonly keys: Float64Array;
}

interface Buffers {
  length: number;
  slots: Uint32Array;
  keys: Float64Array;
}

export class SortedSlots {
  readonly #key: (slot: number) => number;
  #current: Buffers = { length: 0, slots: new Uint32Array(0), keys: new Float64Array(0) };
  #spare: Buffers = { length: 0, slots: new Uint32Array(0), keys: new Float64Array(0) };
  #noted = new Uint8Array(0);
  #notes: number[] = [];

  /** @param key the number of a slot now; NaN keeps the slot out */
  constructor(key: (slot: number) => number) {
    this.#key = key;
  }

  /** Notes that the number of a slot may have changed. The key must already give the new one. */
  touch(slot: number): void {
    if (slot >= this.#noted.length) {
      const larger = new Uint8Array(Math.max(1024, slot + 1, Math.ceil(this.#noted.length * 1.5)));
      larger.set(this.#noted);
      this.#noted = larger;
    }
    if (this.#noted[slot] === 1) return;
    this.#noted[slot] = 1;
    this.#notes.push(slot);
    if (this.#notes.length >= MAX_NOTES) this.#merge();
  }

  /** The slots in order, equal numbers by slot. */
  sorted(): Sorted {
    if (this.#notes.length > 0) this.#merge();
    return this.#current;
  }

  #merge(): void {
    const noted = this.#noted;
    const { slots, keys, length } = this.#current;
    const fresh = Uint32Array.from(this.#notes.filter((slot) => !Number.isNaN(this.#key(slot)))).sort();
    orderByKey(fresh, this.#key);
    const freshKeys = Float64Array.from(fresh, this.#key);

    const target = this.#spare;
    const room = length + fresh.length;
    if (target.slots.length < room) {
      const capacity = Math.max(1024, Math.ceil(room * 1.25));
      target.slots = new Uint32Array(capacity);
      target.keys = new Float64Array(capacity);
    }
    const { slots: toSlots, keys: toKeys } = target;
    const count = fresh.length;
    let to = 0;
    let next = 0;
    for (let i = 0; i < length; i++) {
      const slot = slots[i] as number;
      if (noted[slot] === 1) continue;
      const key = keys[i] as number;
      while (next < count) {
        const freshKey = freshKeys[next] as number;
        if (freshKey > key || (freshKey === key && (fresh[next] as number) > slot)) break;
        toSlots[to] = fresh[next] as number;
        toKeys[to++] = freshKey;
        next++;
      }
      toSlots[to] = slot;
      toKeys[to++] = key;
    }
    for (; next < count; next++) {
      toSlots[to] = fresh[next] as number;
      toKeys[to++] = freshKeys[next] as number;
    }
    target.length = to;

    for (const slot of this.#notes) noted[slot] = 0;
    this.#notes = [];
    this.#spare = this.#current;
    this.#current = target;
  }
}
