/**
 * The labels of all results, one column per key. A selector then costs one pass over small numbers per requirement, whatever the
 * number of different label sets; a key that few results carry costs memory only for those.
 */
import { Interner } from './interner.js';
import { accepts } from './label-selector.js';
import type { LabelSelector, Requirement } from './label-selector.js';

/** A key becomes a dense column once more than one slot in so many carries it. */
const DENSE_SHARE = 16;

interface LabelColumn {
  readonly key: string;
  readonly values: Interner;
  /** Value number per slot, 0 for none; absent while the key is rare. */
  dense?: Int32Array<ArrayBuffer>;
  /** Value number per slot while the key is rare. */
  readonly sparse: Map<number, number>;
  count: number;
}

/** The value numbers of one key: 0 where a slot has no such label. */
export interface LabelValues {
  /** Writes the value number of each slot below `limit`. */
  readonly fill: (numbers: Int32Array, limit: number) => void;
  readonly text: (value: number) => string | undefined;
  /** One more than the largest value number. */
  readonly limit: number;
}

export class LabelTable {
  readonly #columns = new Map<string, LabelColumn>();
  readonly #dense = new Set<LabelColumn>();
  /** The rare keys that a slot carries. */
  readonly #rare = new Map<number, LabelColumn[]>();
  #capacity = 0;

  /** How many different keys there are. */
  get keyCount(): number {
    return this.#columns.size;
  }

  /** Makes room for slots below `capacity`. */
  grow(capacity: number): void {
    if (capacity <= this.#capacity) return;
    this.#capacity = capacity;
    for (const column of this.#dense) {
      const larger = new Int32Array(capacity);
      larger.set(column.dense as Int32Array);
      column.dense = larger;
    }
  }

  /** Gives a slot its labels, in place of those it had. */
  put(slot: number, labels: Readonly<Record<string, string>>): void {
    for (const column of this.#dense) {
      const value = numberIn(column, slot);
      if (value !== 0 && !Object.hasOwn(labels, column.key)) this.#detach(column, slot, value);
    }
    const rare = this.#rare.get(slot);
    if (rare !== undefined) {
      for (const column of rare) {
        if (!Object.hasOwn(labels, column.key)) this.#detach(column, slot, numberIn(column, slot));
      }
    }
    for (const key of Object.keys(labels)) this.#attach(slot, key, labels[key] as string);
  }

  remove(slot: number): void {
    this.put(slot, {});
  }

  /** The labels of a slot, in no order that means anything. */
  labels(slot: number): Readonly<Record<string, string>> {
    const labels: Record<string, string> = {};
    for (const column of this.#dense) {
      const value = (column.dense as Int32Array)[slot] as number;
      if (value !== 0) labels[column.key] = column.values.text(value) as string;
    }
    for (const column of this.#rare.get(slot) ?? []) {
      labels[column.key] = column.values.text(numberIn(column, slot)) as string;
    }
    return labels;
  }

  /** Clears the marks of the first `limit` slots that a selector rejects. */
  apply(selector: LabelSelector, marks: Uint8Array, limit: number): void {
    for (const requirement of selector.requirements) this.#applyOne(requirement, marks, limit);
  }

  values(key: string): LabelValues {
    const column = this.#columns.get(key);
    if (column === undefined) return { fill: (numbers) => void numbers.fill(0), text: () => undefined, limit: 1 };
    const { dense, sparse, values } = column;
    return {
      fill: (numbers, limit) => {
        if (dense !== undefined) {
          numbers.set(dense.subarray(0, limit));
          return;
        }
        numbers.fill(0);
        for (const [slot, value] of sparse) numbers[slot] = value;
      },
      text: (value) => values.text(value),
      limit: values.limit,
    };
  }

  #applyOne(requirement: Requirement, marks: Uint8Array, limit: number): void {
    const absent = accepts(requirement, undefined) ? 1 : 0;
    const column = this.#columns.get(requirement.key);
    if (column === undefined) {
      if (absent === 0) marks.fill(0, 0, limit);
      return;
    }
    const verdict = verdicts(requirement, column.values, absent);
    const { dense, sparse } = column;
    if (dense !== undefined) {
      for (let slot = 0; slot < limit; slot++) {
        marks[slot] = (marks[slot] as number) & (verdict[dense[slot] as number] as number);
      }
    } else if (absent === 1) {
      for (const [slot, value] of sparse) if (verdict[value] === 0) marks[slot] = 0;
    } else {
      const kept: number[] = [];
      for (const [slot, value] of sparse) if (verdict[value] === 1 && marks[slot] === 1) kept.push(slot);
      marks.fill(0, 0, limit);
      for (const slot of kept) marks[slot] = 1;
    }
  }

  #attach(slot: number, key: string, value: string): void {
    let column = this.#columns.get(key);
    if (column === undefined) {
      column = { key, values: new Interner(), sparse: new Map(), count: 0 };
      this.#columns.set(key, column);
    }
    const before = numberIn(column, slot);
    if (before !== 0) {
      if (column.values.text(before) === value) return;
      const next = column.values.acquire(value);
      column.values.release(before);
      if (column.dense === undefined) column.sparse.set(slot, next);
      else column.dense[slot] = next;
      return;
    }
    column.count++;
    const id = column.values.acquire(value);
    if (column.dense !== undefined) {
      column.dense[slot] = id;
      return;
    }
    column.sparse.set(slot, id);
    const rare = this.#rare.get(slot);
    if (rare === undefined) this.#rare.set(slot, [column]);
    else rare.push(column);
    if (column.count * DENSE_SHARE > this.#capacity) this.#makeDense(column);
  }

  #makeDense(column: LabelColumn): void {
    const dense = new Int32Array(this.#capacity);
    for (const [slot, value] of column.sparse) {
      dense[slot] = value;
      this.#dropRare(column, slot);
    }
    column.dense = dense;
    column.sparse.clear();
    this.#dense.add(column);
  }

  #detach(column: LabelColumn, slot: number, value: number): void {
    if (column.dense === undefined) {
      column.sparse.delete(slot);
      this.#dropRare(column, slot);
    } else {
      column.dense[slot] = 0;
    }
    column.values.release(value);
    column.count--;
    if (column.count > 0) return;
    this.#columns.delete(column.key);
    this.#dense.delete(column);
  }

  #dropRare(column: LabelColumn, slot: number): void {
    const rest = this.#rare.get(slot)?.filter((each) => each !== column) ?? [];
    if (rest.length === 0) this.#rare.delete(slot);
    else this.#rare.set(slot, rest);
  }
}

function numberIn({ dense, sparse }: LabelColumn, slot: number): number {
  return dense === undefined ? (sparse.get(slot) ?? 0) : (dense[slot] as number);
}

/** One byte per value number: 1 where the requirement accepts it. */
function verdicts(requirement: Requirement, values: Interner, absent: number): Uint8Array {
  const { operator } = requirement;
  const verdict = new Uint8Array(values.limit);
  if (operator === '=' || operator === 'in' || operator === '!=' || operator === 'notin') {
    const positive = operator === '=' || operator === 'in';
    if (!positive) verdict.fill(1);
    for (const value of requirement.values) {
      const id = values.find(value);
      if (id !== undefined) verdict[id] = positive ? 1 : 0;
    }
  } else if (operator === 'exists') {
    verdict.fill(1);
  } else if (operator !== '!') {
    for (const [text, id] of values.entries()) verdict[id] = accepts(requirement, text) ? 1 : 0;
  }
  verdict[0] = absent;
  return verdict;
}
