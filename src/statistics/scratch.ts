/**
 * Room for the numbers of one computation over a table, used again by the next: fresh megabytes per question would cost more than the
 * counting, and make V8 collect the whole heap every hundred questions. Nothing of it may be in an answer, or live until the next question.
 */
import type { ResultTable } from './result-table.js';

/** What the room is for: two that are used at the same time must differ. */
type Purpose = 'marks' | 'groups' | 'pending' | 'values' | 'ages';

export class Scratch {
  readonly #rooms = new Map<Purpose, ArrayBuffer>();

  bytes(purpose: Purpose, length: number): Uint8Array {
    return new Uint8Array(this.#room(purpose, length), 0, length);
  }

  integers(purpose: Purpose, length: number): Int32Array {
    return new Int32Array(this.#room(purpose, length * 4), 0, length);
  }

  floats(purpose: Purpose, length: number): Float64Array {
    return new Float64Array(this.#room(purpose, length * 8), 0, length);
  }

  /** At least `bytes` bytes, whatever stood there before. */
  #room(purpose: Purpose, bytes: number): ArrayBuffer {
    const known = this.#rooms.get(purpose);
    if (known !== undefined && known.byteLength >= bytes) return known;
    const made = new ArrayBuffer(Math.ceil((bytes * 1.25) / 8) * 8);
    this.#rooms.set(purpose, made);
    return made;
  }
}

const scratches = new WeakMap<ResultTable, Scratch>();

/** The room of a table. */
export function scratchOf(table: ResultTable): Scratch {
  const known = scratches.get(table);
  if (known !== undefined) return known;
  const made = new Scratch();
  scratches.set(table, made);
  return made;
}
