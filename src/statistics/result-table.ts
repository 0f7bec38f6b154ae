/**
 * All results in columns: one array per property, indexed by slot. A query is then a few passes over small numbers; percentiles
 * come from orders that are kept up to date. Reading a whole result back makes a new object each time.
 */
import { toEpochMs } from '../datapath/instant.js';
import { metricOf } from '../datapath/result-state.js';
import type { ResultState } from '../datapath/result-state.js';
import { CREATION_SOURCES, FAILURE_CLASSES, METRICS, OUTCOMES } from '../datapath/vocabulary.js';
import type { CreationSource, FailureClass, Metric, Outcome } from '../datapath/vocabulary.js';
import { Interner } from './interner.js';
import { LabelTable } from './label-table.js';
import { PackedStates } from './packed-states.js';
import type { Mutable } from '../datapath/mutable.js';
import { SortedSlots } from './sorted-slots.js';
import type { Sorted } from './sorted-slots.js';

/** The outcome code of a slot that holds nothing. */
export const VACANT = 255;
const FIRST_CAPACITY = 1024;

type Text = 'namespace' | 'node' | 'owner' | 'run';

/** A column of texts: a number per slot and what the numbers stand for. */
export interface TextColumn {
  readonly texts: Interner;
  numbers: Int32Array;
}

export class ResultTable {
  #capacity = 0;
  #limit = 0;
  #version = 0;
  readonly #slots = new Map<string, number>();
  readonly #vacant: number[] = [];
  readonly #uids: string[] = [];
  readonly #names: string[] = [];
  readonly #packed = new PackedStates();

  readonly labels = new LabelTable();
  readonly #texts: Record<Text, TextColumn> = {
    namespace: textColumn(),
    node: textColumn(),
    owner: textColumn(),
    run: textColumn(),
  };
  /** Index into OUTCOMES, or {@link VACANT}. */
  outcomes = new Uint8Array(0);
  /** Index into FAILURE_CLASSES plus 1, or 0. */
  failureClasses = new Uint8Array(0);
  /** Whole milliseconds since the epoch. */
  createdMs = new Float64Array(0);
  uncertaintyMs = new Float64Array(0);
  /** Bit 0: the node's clock is off. Bits 1 and up: index into CREATION_SOURCES. */
  flags = new Uint8Array(0);
  #metrics: Record<Metric, Float64Array<ArrayBuffer>> = emptyMetrics();
  readonly #orders: Record<Metric, SortedSlots> = {
    timeToStart: new SortedSlots((slot) => this.#metrics.timeToStart[slot] as number),
    timeToDatapathReady: new SortedSlots((slot) => this.#metrics.timeToDatapathReady[slot] as number),
    datapathDelay: new SortedSlots((slot) => this.#metrics.datapathDelay[slot] as number),
  };
  readonly #creationOrder = new SortedSlots((slot) =>
    this.outcomes[slot] === VACANT ? NaN : (this.createdMs[slot] as number),
  );
  readonly #outcomeCounts = new Float64Array(OUTCOMES.length);

  get size(): number {
    return this.#slots.size;
  }

  /** Every slot in use lies below this. */
  get limit(): number {
    return this.#limit;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  slotOf(uid: string): number | undefined {
    return this.#slots.get(uid);
  }

  uids(): IterableIterator<string> {
    return this.#slots.keys();
  }

  uid(slot: number): string {
    return this.#uids[slot] as string;
  }

  name(slot: number): string {
    return this.#names[slot] as string;
  }

  text(kind: Text, slot: number): string | undefined {
    const { texts, numbers } = this.#texts[kind];
    return texts.text(numbers[slot] as number);
  }

  column(kind: Text): TextColumn {
    return this.#texts[kind];
  }

  outcome(slot: number): Outcome {
    return OUTCOMES[this.outcomes[slot] as number] as Outcome;
  }

  failureClass(slot: number): FailureClass | undefined {
    return FAILURE_CLASSES[(this.failureClasses[slot] as number) - 1];
  }

  /** Values per slot in milliseconds, NaN where there is none. Valid until the next change. */
  values(metric: Metric): Float64Array {
    return this.#metrics[metric];
  }

  /** Slots with a value, smallest value first. Valid until the next change. */
  order(metric: Metric): Sorted {
    return this.#orders[metric].sorted();
  }

  /** All slots in use, first created first. Valid until the next change. */
  creationOrder(): Sorted {
    return this.#creationOrder.sorted();
  }

  /** How many results have this outcome: kept per change, not counted. */
  outcomeCount(outcome: Outcome): number {
    return this.#outcomeCounts[OUTCOMES.indexOf(outcome)] as number;
  }

  put(state: ResultState): void {
    const known = this.#slots.get(state.uid);
    const slot = known ?? this.#claim(state.uid);
    this.#version++;
    if (known !== undefined) this.#count(slot, -1);
    if (known === undefined || this.#names[slot] !== state.name) this.#names[slot] = state.name;
    this.#putText('namespace', slot, state.namespace);
    this.#putText('node', slot, state.nodeName);
    this.#putText('owner', slot, ownerText(state));
    this.#putText('run', slot, state.runName);
    this.labels.put(slot, state.labels);
    this.outcomes[slot] = OUTCOMES.indexOf(state.outcome);
    this.failureClasses[slot] = state.failure === undefined ? 0 : FAILURE_CLASSES.indexOf(state.failure.class) + 1;
    this.uncertaintyMs[slot] = state.uncertaintyMs;
    this.flags[slot] = (state.clockSkew === undefined ? 0 : 1) | (CREATION_SOURCES.indexOf(state.creationSource) << 1);
    this.#count(slot, 1);
    const createdMs = toEpochMs(state.createdAt);
    if (known === undefined || this.createdMs[slot] !== createdMs) {
      this.createdMs[slot] = createdMs;
      this.#creationOrder.touch(slot);
    }
    for (const metric of METRICS) this.#putMetric(metric, slot, metricOf(state, metric) ?? NaN);
    this.#packed.put(slot, state);
  }

  /** Returns whether it was there. */
  remove(uid: string): boolean {
    const slot = this.#slots.get(uid);
    if (slot === undefined) return false;
    this.#version++;
    this.#count(slot, -1);
    this.#slots.delete(uid);
    for (const kind of Object.keys(this.#texts) as Text[]) this.#putText(kind, slot, undefined);
    this.labels.remove(slot);
    this.#packed.remove(slot);
    this.outcomes[slot] = VACANT;
    this.#uids[slot] = '';
    this.#names[slot] = '';
    this.#creationOrder.touch(slot);
    for (const metric of METRICS) this.#putMetric(metric, slot, NaN);
    this.#vacant.push(slot);
    return true;
  }

  get(uid: string): ResultState | undefined {
    const slot = this.#slots.get(uid);
    return slot === undefined ? undefined : this.read(slot);
  }

  /** The result in a slot in use, as a new object that equals the one that was put. */
  read(slot: number): ResultState {
    const unpacked = this.#packed.unpacked(slot);
    if (unpacked !== undefined) return unpacked;
    const state: Mutable<ResultState> = {
      namespace: this.text('namespace', slot) as string,
      name: this.name(slot),
      uid: this.uid(slot),
      creationSource: CREATION_SOURCES[(this.flags[slot] as number) >> 1] as CreationSource,
      runName: this.text('run', slot) as string,
      labels: this.labels.labels(slot),
      outcome: this.outcome(slot),
      uncertaintyMs: this.uncertaintyMs[slot] as number,
      ...this.#packed.get(slot),
    };
    const owner = this.text('owner', slot);
    if (owner !== undefined) {
      const slash = owner.indexOf('/');
      if (slash > 0) state.ownerKind = owner.slice(0, slash);
      if (slash < owner.length - 1) state.ownerName = owner.slice(slash + 1);
    }
    const failureClass = this.failureClass(slot);
    if (failureClass !== undefined) {
      state.failure = { class: failureClass, message: this.#packed.failureMessage(slot) };
    }
    const nodeName = this.text('node', slot);
    if (nodeName !== undefined) state.nodeName = nodeName;
    const delay = this.#metrics.datapathDelay[slot] as number;
    if (!Number.isNaN(delay)) state.datapathDelayMs = delay;
    return state;
  }

  /** When the Pod of a slot in use was created, started and became ready: cheaper than {@link read}. */
  instants(slot: number): Pick<ResultState, 'createdAt' | 'startedAt' | 'datapathReadyAt'> {
    return this.#packed.instants(slot);
  }

  /** Negative where slot `a` comes first: by namespace, then name, then uid. */
  compareNames(a: number, b: number): number {
    const { numbers } = this.#texts.namespace;
    if (numbers[a] !== numbers[b]) {
      return (this.text('namespace', a) as string) < (this.text('namespace', b) as string) ? -1 : 1;
    }
    const nameA = this.#names[a] as string;
    const nameB = this.#names[b] as string;
    if (nameA !== nameB) return nameA < nameB ? -1 : 1;
    return (this.#uids[a] as string) < (this.#uids[b] as string) ? -1 : a === b ? 0 : 1;
  }

  #claim(uid: string): number {
    const slot = this.#vacant.pop() ?? this.#limit++;
    if (slot >= this.#capacity) this.#grow(Math.max(FIRST_CAPACITY, Math.ceil(this.#capacity * 1.5)));
    this.#slots.set(uid, slot);
    this.#uids[slot] = uid;
    return slot;
  }

  #count(slot: number, by: number): void {
    const code = this.outcomes[slot] as number;
    this.#outcomeCounts[code] = (this.#outcomeCounts[code] as number) + by;
  }

  #putText(kind: Text, slot: number, text: string | undefined): void {
    const { texts, numbers } = this.#texts[kind];
    const before = numbers[slot] as number;
    if (texts.text(before) === text) return;
    numbers[slot] = texts.acquire(text);
    texts.release(before);
  }

  #putMetric(metric: Metric, slot: number, value: number): void {
    const values = this.#metrics[metric];
    if (Object.is(values[slot], value)) return;
    values[slot] = value;
    this.#orders[metric].touch(slot);
  }

  #grow(capacity: number): void {
    const from = this.#capacity;
    this.#capacity = capacity;
    for (const column of Object.values(this.#texts)) {
      const numbers = new Int32Array(capacity);
      numbers.set(column.numbers);
      column.numbers = numbers;
    }
    const outcomes = new Uint8Array(capacity).fill(VACANT, from);
    outcomes.set(this.outcomes);
    this.outcomes = outcomes;
    this.failureClasses = enlargeBytes(this.failureClasses, capacity);
    this.flags = enlargeBytes(this.flags, capacity);
    this.createdMs = enlargeFloats(this.createdMs, capacity);
    this.uncertaintyMs = enlargeFloats(this.uncertaintyMs, capacity);
    for (const metric of METRICS) this.#metrics[metric] = enlargeFloats(this.#metrics[metric], capacity);
    this.labels.grow(capacity);
  }
}

function textColumn(): TextColumn {
  return { texts: new Interner(), numbers: new Int32Array(0) };
}

function emptyMetrics(): Record<Metric, Float64Array<ArrayBuffer>> {
  return {
    timeToStart: new Float64Array(0),
    timeToDatapathReady: new Float64Array(0),
    datapathDelay: new Float64Array(0),
  };
}

/** `kind/name`, either of which may be empty; `undefined` without an owner. */
function ownerText({ ownerKind, ownerName }: ResultState): string | undefined {
  return ownerKind === undefined && ownerName === undefined ? undefined : `${ownerKind ?? ''}/${ownerName ?? ''}`;
}

function enlargeBytes(array: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(length);
  larger.set(array);
  return larger;
}

function enlargeFloats(array: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(length).fill(NaN, array.length);
  larger.set(array);
  return larger;
}
