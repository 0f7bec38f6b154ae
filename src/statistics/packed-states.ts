/**
 * The content of results that no query looks at, packed by slot: instants as 64-bit integers, a milestone in ten bytes. 150,000
 * results as plain objects would take several hundred megabytes.
 *
 * What doesn't fit the packed form (an instant beyond the year 2262, eight milestones) is kept as the object that it came as.
 */
import type { Instant } from '../datapath/instant.js';
import type {
  ClockSkew,
  Failure,
  Milestone,
  MilestoneSource,
  ProbeSummary,
  ResultState,
} from '../datapath/result-state.js';
import { MILESTONE_NAMES } from '../datapath/vocabulary.js';

const SOURCES = [
  'WatchReceipt',
  'CreationTimestamp',
  'Condition',
  'Annotation',
  'TerminationMessage',
  'LegacyAnnotation',
] as const satisfies readonly MilestoneSource[];

const MAX_MILESTONES = MILESTONE_NAMES.length;
const MAX_RESOLUTION = 1023;
/** Stands for an absent instant: the smallest 64-bit integer. */
const ABSENT = -(2n ** 63n);
const INSTANT_LIMIT = 2n ** 63n;

/** The part of a state that lives here. */
export type PackedPart = Pick<
  ResultState,
  | 'createdAt'
  | 'startedAt'
  | 'datapathReadyAt'
  | 'podDeletedAt'
  | 'milestones'
  | 'probe'
  | 'failure'
  | 'clockSkew'
  | 'restarts'
>;

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class PackedStates {
  #capacity = 0;
  #createdAt = new BigInt64Array(0);
  #startedAt = new BigInt64Array(0);
  #readyAt = new BigInt64Array(0);
  #deletedAt = new BigInt64Array(0);
  #milestoneAt = new BigInt64Array(0);
  /** Per milestone: 0 for none, else 1 + name | source << 3 | resolution << 6. */
  #milestoneWord = new Uint32Array(0);
  #restarts = new Int32Array(0);
  readonly #probe: (ProbeSummary | undefined)[] = [];
  readonly #failure: (Failure | undefined)[] = [];
  readonly #skew: (ClockSkew | undefined)[] = [];
  readonly #unpacked = new Map<number, ResultState>();

  grow(capacity: number): void {
    if (capacity <= this.#capacity) return;
    this.#capacity = capacity;
    this.#createdAt = enlarge(this.#createdAt, capacity);
    this.#startedAt = enlarge(this.#startedAt, capacity);
    this.#readyAt = enlarge(this.#readyAt, capacity);
    this.#deletedAt = enlarge(this.#deletedAt, capacity);
    this.#milestoneAt = enlarge(this.#milestoneAt, capacity * MAX_MILESTONES);
    const words = new Uint32Array(capacity * MAX_MILESTONES);
    words.set(this.#milestoneWord);
    this.#milestoneWord = words;
    const restarts = new Int32Array(capacity);
    restarts.set(this.#restarts);
    this.#restarts = restarts;
  }

  put(slot: number, state: ResultState): void {
    this.#unpacked.delete(slot);
    if (!fits(state)) {
      this.remove(slot);
      this.#unpacked.set(slot, state);
      return;
    }
    this.#createdAt[slot] = state.createdAt;
    this.#startedAt[slot] = state.startedAt ?? ABSENT;
    this.#readyAt[slot] = state.datapathReadyAt ?? ABSENT;
    this.#deletedAt[slot] = state.podDeletedAt ?? ABSENT;
    this.#restarts[slot] = state.restarts;
    this.#probe[slot] = state.probe;
    this.#failure[slot] = state.failure;
    this.#skew[slot] = state.clockSkew;
    const base = slot * MAX_MILESTONES;
    for (let i = 0; i < MAX_MILESTONES; i++) {
      const milestone = state.milestones[i];
      this.#milestoneWord[base + i] = milestone === undefined ? 0 : milestoneWord(milestone);
      this.#milestoneAt[base + i] = milestone === undefined ? 0n : milestone.at;
    }
  }

  remove(slot: number): void {
    this.#unpacked.delete(slot);
    this.#probe[slot] = undefined;
    this.#failure[slot] = undefined;
    this.#skew[slot] = undefined;
  }

  /** The state as it came, where it didn't fit. */
  unpacked(slot: number): ResultState | undefined {
    return this.#unpacked.get(slot);
  }

  get(slot: number): PackedPart {
    const part: Mutable<PackedPart> = {
      createdAt: this.#createdAt[slot] as Instant,
      milestones: this.#milestones(slot),
      restarts: this.#restarts[slot] as number,
    };
    const startedAt = this.#startedAt[slot] as Instant;
    if (startedAt !== ABSENT) part.startedAt = startedAt;
    const readyAt = this.#readyAt[slot] as Instant;
    if (readyAt !== ABSENT) part.datapathReadyAt = readyAt;
    const deletedAt = this.#deletedAt[slot] as Instant;
    if (deletedAt !== ABSENT) part.podDeletedAt = deletedAt;
    const probe = this.#probe[slot];
    if (probe !== undefined) part.probe = probe;
    const failure = this.#failure[slot];
    if (failure !== undefined) part.failure = failure;
    const skew = this.#skew[slot];
    if (skew !== undefined) part.clockSkew = skew;
    return part;
  }

  failure(slot: number): Failure | undefined {
    return this.#unpacked.get(slot)?.failure ?? this.#failure[slot];
  }

  #milestones(slot: number): Milestone[] {
    const milestones: Milestone[] = [];
    const base = slot * MAX_MILESTONES;
    for (let i = 0; i < MAX_MILESTONES; i++) {
      const word = this.#milestoneWord[base + i] as number;
      if (word === 0) break;
      milestones.push({
        name: MILESTONE_NAMES[(word & 7) - 1] as Milestone['name'],
        at: this.#milestoneAt[base + i] as Instant,
        source: SOURCES[(word >>> 3) & 7] as MilestoneSource,
        resolutionMs: word >>> 6,
      });
    }
    return milestones;
  }
}

function milestoneWord({ name, source, resolutionMs }: Milestone): number {
  return (MILESTONE_NAMES.indexOf(name) + 1) | (SOURCES.indexOf(source) << 3) | (resolutionMs << 6);
}

function fits(state: ResultState): boolean {
  return (
    fitsInstant(state.createdAt) &&
    fitsInstant(state.startedAt) &&
    fitsInstant(state.datapathReadyAt) &&
    fitsInstant(state.podDeletedAt) &&
    Number.isInteger(state.restarts) &&
    state.restarts === (state.restarts | 0) &&
    state.milestones.length <= MAX_MILESTONES &&
    state.milestones.every(
      ({ at, resolutionMs }) =>
        fitsInstant(at) && Number.isInteger(resolutionMs) && resolutionMs >= 0 && resolutionMs <= MAX_RESOLUTION,
    )
  );
}

function fitsInstant(instant: Instant | undefined): boolean {
  return instant === undefined || (instant > ABSENT && instant < INSTANT_LIMIT);
}

function enlarge(array: BigInt64Array<ArrayBuffer>, length: number): BigInt64Array<ArrayBuffer> {
  const larger = new BigInt64Array(length);
  larger.set(array);
  return larger;
}
