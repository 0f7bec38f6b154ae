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
  readonly values: Interner;
  /** Value number per slot, 0 for none; absent while the key is rare. */
  dense?: Int32Array<ArrayBuffer>;
  /** Value number per slot while the key is rare. */
  readonly sparse: Map<number, number>;
  count: number;
}

export class LabelTable {
  readonly #columns = new Map<string, LabelColumn>();
  readonly #sets = new Interner();
  #setOfSlot = new Int32Array(0);

  /** Makes room for slots below `capacity`. */
  grow(capacity: number): void {
    this.#setOfSlot = enlarge(this.#setOfSlot, capacity);
    for (const column of this.#columns.values()) {
      if (column.dense !== undefined) column.dense = enlarge(column.dense, capacity);
    }
  }

  /** Gives a slot its labels, in place of those it had. */
  put(slot: number, labels: Readonly<Record<string, string>>): void {
    const text = writeLabels(labels);
    const before = this.#setOfSlot[slot] as number;
    if (this.#sets.text(before) === text) return;
    this.#detach(slot, before);
    this.#setOfSlot[slot] = this.#sets.acquire(text);
    for (const key of Object.keys(labels)) this.#attach(slot, key, labels[key] as string);
  }

  remove(slot: number): void {
    this.#detach(slot, this.#setOfSlot[slot] as number);
    this.#setOfSlot[slot] = 0;
  }

  /** The labels of a slot, keys in order. */
  labels(slot: number): Readonly<Record<string, string>> {
    return readLabels(this.#sets.text(this.#setOfSlot[slot] as number) ?? '');
  }

  /** Clears the marks of the first `limit` slots that a selector rejects. */
  apply(selector: LabelSelector, marks: Uint8Array, limit: number): void {
    for (const requirement of selector.requirements) this.#applyOne(requirement, marks, limit);
  }

  /** The value numbers of a key per slot and their texts, to group by. */
  column(key: string): {
    valueOf: (slot: number) => number;
    text: (value: number) => string | undefined;
    limit: number;
  } {
    const column = this.#columns.get(key);
    if (column === undefined) return { valueOf: () => 0, text: () => undefined, limit: 1 };
    const { dense, sparse, values } = column;
    return {
      valueOf: dense === undefined ? (slot) => sparse.get(slot) ?? 0 : (slot) => dense[slot] as number,
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
      column = { values: new Interner(), sparse: new Map(), count: 0 };
      this.#columns.set(key, column);
    }
    column.count++;
    const id = column.values.acquire(value);
    if (column.dense !== undefined) {
      column.dense[slot] = id;
      return;
    }
    column.sparse.set(slot, id);
    const capacity = this.#setOfSlot.length;
    if (column.count * DENSE_SHARE > capacity) {
      const dense = new Int32Array(capacity);
      for (const [at, each] of column.sparse) dense[at] = each;
      column.dense = dense;
      column.sparse.clear();
    }
  }

  #detach(slot: number, set: number): void {
    if (set === 0) return;
    for (const key of Object.keys(readLabels(this.#sets.text(set) as string))) {
      const column = this.#columns.get(key) as LabelColumn;
      const id = column.dense === undefined ? (column.sparse.get(slot) ?? 0) : (column.dense[slot] as number);
      if (column.dense === undefined) column.sparse.delete(slot);
      else column.dense[slot] = 0;
      column.values.release(id);
      column.count--;
      if (column.count === 0) this.#columns.delete(key);
    }
    this.#sets.release(set);
  }
}

function verdicts(requirement: Requirement, values: Interner, absent: number): Uint8Array {
  const { operator } = requirement;
  const verdict = new Uint8Array(values.limit);
  verdict[0] = absent;
  if (operator === '=' || operator === 'in' || operator === '!=' || operator === 'notin') {
    const positive = operator === '=' || operator === 'in';
    if (!positive) verdict.fill(1);
    for (const value of requirement.values) {
      const id = values.find(value);
      if (id !== undefined) verdict[id] = positive ? 1 : 0;
    }
    return verdict;
  }
  for (const [text, id] of values.entries()) verdict[id] = accepts(requirement, text) ? 1 : 0;
  return verdict;
}

/** Labels as one text, keys in order. Neither keys nor values may hold these separators. */
function writeLabels(labels: Readonly<Record<string, string>>): string {
  const keys = Object.keys(labels).toSorted();
  let text = '';
  for (const key of keys) text += `${text === '' ? '' : '\n'}${key}\t${labels[key] as string}`;
  return text;
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  if (text === '') return labels;
  for (const line of text.split('\n')) {
    const tab = line.indexOf('\t');
    const key = line.slice(0, tab);
    // "__proto__" is no valid label key, but an assignment to it would vanish.
    Object.defineProperty(labels, key, {
      value: line.slice(tab + 1),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return labels;
}

function enlarge(array: Int32Array<ArrayBuffer>, capacity: number): Int32Array<ArrayBuffer> {
  if (array.length >= capacity) return array;
  const larger = new Int32Array(capacity);
  larger.set(array);
  return larger;
}
