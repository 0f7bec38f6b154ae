/**
 * The content of results that no query looks at, packed by slot: instants as 64-bit integers, a milestone in ten bytes, texts as
 * numbers. 150,000 results as plain objects would take several hundred megabytes.
 *
 * What doesn't fit the packed form (an instant beyond the year 2262, eight milestones) is kept as the object that it came as.
 */
import type { Instant } from '../datapath/instant.js';
import type { ProbePhases } from '../datapath/report.js';
import type {
  ClockSkew,
  Failure,
  Milestone,
  MilestoneSource,
  ProbeSummary,
  ResultState,
} from '../datapath/result-state.js';
import type { Mutable } from '../datapath/mutable.js';
import { FAILURE_CLASSES, MILESTONE_NAMES, PROBE_ERROR_KINDS } from '../datapath/vocabulary.js';
import { Interner } from './interner.js';

const SOURCES = [
  'WatchReceipt',
  'CreationTimestamp',
  'Condition',
  'Annotation',
  'TerminationMessage',
  'LegacyAnnotation',
] as const satisfies readonly MilestoneSource[];
const PHASES = ['dnsMs', 'connectMs', 'tlsMs', 'firstByteMs'] as const satisfies readonly (keyof ProbePhases)[];

const MAX_MILESTONES = MILESTONE_NAMES.length;
const MAX_RESOLUTION = 1023;
/** Stands for an absent instant: the smallest 64-bit integer. */
const NO_INSTANT = -(2n ** 63n);
const INSTANT_LIMIT = 2n ** 63n;
/** Stands for an absent number: the smallest 32-bit integer. */
const NO_NUMBER = -(2 ** 31);

/** Slots in one block: room is made block by block, so that growing never copies what is there. */
const BLOCK = 4096;
const INSTANTS = 4;
const NUMBERS = 2 + PHASES.length;
const TEXTS = 3;

interface Block {
  /** Per slot: createdAt, startedAt, datapathReadyAt, podDeletedAt. */
  readonly instants: BigInt64Array;
  readonly milestoneAt: BigInt64Array;
  /** Per milestone: 0 for none, else 1 + name | source << 3 | resolution << 6. */
  readonly milestoneWord: Uint16Array;
  /** Per slot: restarts, attempts, and the phases. */
  readonly numbers: Int32Array;
  /** Per slot: target, message of the last error, message of the failure. */
  readonly texts: Int32Array;
  /** Per slot: bit 0 there is a probe, bit 1 it has phases, bits 2–5 the kind of its last error plus 1. */
  readonly probe: Uint8Array;
}

/** The part of a state that lives here. */
export type PackedPart = Pick<
  ResultState,
  'createdAt' | 'startedAt' | 'datapathReadyAt' | 'podDeletedAt' | 'milestones' | 'probe' | 'clockSkew' | 'restarts'
>;

export class PackedStates {
  readonly #blocks: Block[] = [];
  readonly #strings = new Interner();
  readonly #skew = new Map<number, ClockSkew>();
  readonly #unpacked = new Map<number, ResultState>();

  put(slot: number, state: ResultState): void {
    const block = this.#block(slot);
    const at = slot % BLOCK;
    this.#unpacked.delete(slot);
    if (!fits(state)) {
      this.#putTexts(block, at, undefined, undefined);
      this.#unpacked.set(slot, state);
      return;
    }
    const { instants, numbers } = block;
    const { probe } = state;
    instants[at * INSTANTS] = state.createdAt;
    instants[at * INSTANTS + 1] = state.startedAt ?? NO_INSTANT;
    instants[at * INSTANTS + 2] = state.datapathReadyAt ?? NO_INSTANT;
    instants[at * INSTANTS + 3] = state.podDeletedAt ?? NO_INSTANT;
    numbers[at * NUMBERS] = state.restarts;
    numbers[at * NUMBERS + 1] = probe?.attempts ?? NO_NUMBER;
    PHASES.forEach((phase, i) => {
      numbers[at * NUMBERS + 2 + i] = probe?.phases?.[phase] ?? NO_NUMBER;
    });
    block.probe[at] =
      probe === undefined
        ? 0
        : 1 |
          (probe.phases === undefined ? 0 : 2) |
          (probe.lastError === undefined ? 0 : (PROBE_ERROR_KINDS.indexOf(probe.lastError.kind) + 1) << 2);
    this.#putTexts(block, at, probe, state.failure);
    if (state.clockSkew === undefined) this.#skew.delete(slot);
    else this.#skew.set(slot, state.clockSkew);
    const base = at * MAX_MILESTONES;
    for (let i = 0; i < MAX_MILESTONES; i++) {
      const milestone = state.milestones[i];
      block.milestoneWord[base + i] = milestone === undefined ? 0 : milestoneWord(milestone);
      block.milestoneAt[base + i] = milestone === undefined ? 0n : milestone.at;
    }
  }

  remove(slot: number): void {
    this.#unpacked.delete(slot);
    this.#skew.delete(slot);
    this.#putTexts(this.#block(slot), slot % BLOCK, undefined, undefined);
  }

  /** The state as it came, where it didn't fit. */
  unpacked(slot: number): ResultState | undefined {
    return this.#unpacked.get(slot);
  }

  get(slot: number): PackedPart {
    const block = this.#block(slot);
    const at = slot % BLOCK;
    const part: Mutable<PackedPart> = {
      createdAt: block.instants[at * INSTANTS] as Instant,
      milestones: milestonesOf(block, at),
      restarts: block.numbers[at * NUMBERS] as number,
    };
    const startedAt = block.instants[at * INSTANTS + 1] as Instant;
    if (startedAt !== NO_INSTANT) part.startedAt = startedAt;
    const readyAt = block.instants[at * INSTANTS + 2] as Instant;
    if (readyAt !== NO_INSTANT) part.datapathReadyAt = readyAt;
    const deletedAt = block.instants[at * INSTANTS + 3] as Instant;
    if (deletedAt !== NO_INSTANT) part.podDeletedAt = deletedAt;
    const probe = this.#probe(block, at);
    if (probe !== undefined) part.probe = probe;
    const skew = this.#skew.get(slot);
    if (skew !== undefined) part.clockSkew = skew;
    return part;
  }

  /** The instants of a slot alone. */
  instants(slot: number): Pick<ResultState, 'createdAt' | 'startedAt' | 'datapathReadyAt'> {
    const unpacked = this.#unpacked.get(slot);
    if (unpacked !== undefined) return unpacked;
    const { instants } = this.#block(slot);
    const at = (slot % BLOCK) * INSTANTS;
    const startedAt = instants[at + 1] as Instant;
    const datapathReadyAt = instants[at + 2] as Instant;
    return {
      createdAt: instants[at] as Instant,
      ...(startedAt === NO_INSTANT ? {} : { startedAt }),
      ...(datapathReadyAt === NO_INSTANT ? {} : { datapathReadyAt }),
    };
  }

  /** The message of a failure whose class is known. */
  failureMessage(slot: number): string {
    const unpacked = this.#unpacked.get(slot);
    if (unpacked !== undefined) return unpacked.failure?.message ?? '';
    return this.#strings.text(this.#block(slot).texts[(slot % BLOCK) * TEXTS + 2] as number) ?? '';
  }

  #probe(block: Block, at: number): ProbeSummary | undefined {
    const word = block.probe[at] as number;
    if (word === 0) return undefined;
    const probe: Mutable<ProbeSummary> = {};
    const target = this.#strings.text(block.texts[at * TEXTS] as number);
    if (target !== undefined) probe.target = target;
    const attempts = block.numbers[at * NUMBERS + 1] as number;
    if (attempts !== NO_NUMBER) probe.attempts = attempts;
    const kind = PROBE_ERROR_KINDS[(word >> 2) - 1];
    if (kind !== undefined) {
      probe.lastError = { kind, message: this.#strings.text(block.texts[at * TEXTS + 1] as number) ?? '' };
    }
    if ((word & 2) !== 0) {
      const phases: Mutable<ProbePhases> = {};
      PHASES.forEach((phase, i) => {
        const value = block.numbers[at * NUMBERS + 2 + i] as number;
        if (value !== NO_NUMBER) phases[phase] = value;
      });
      probe.phases = phases;
    }
    return probe;
  }

  #putTexts(block: Block, at: number, probe: ProbeSummary | undefined, failure: Failure | undefined): void {
    const texts = [probe?.target, probe?.lastError?.message, failure?.message];
    for (let i = 0; i < TEXTS; i++) {
      const before = block.texts[at * TEXTS + i] as number;
      if (this.#strings.text(before) === texts[i]) continue;
      block.texts[at * TEXTS + i] = this.#strings.acquire(texts[i]);
      this.#strings.release(before);
    }
  }

  #block(slot: number): Block {
    const number = Math.floor(slot / BLOCK);
    while (this.#blocks.length <= number) {
      this.#blocks.push({
        instants: new BigInt64Array(BLOCK * INSTANTS),
        milestoneAt: new BigInt64Array(BLOCK * MAX_MILESTONES),
        milestoneWord: new Uint16Array(BLOCK * MAX_MILESTONES),
        numbers: new Int32Array(BLOCK * NUMBERS),
        texts: new Int32Array(BLOCK * TEXTS),
        probe: new Uint8Array(BLOCK),
      });
    }
    return this.#blocks[number] as Block;
  }
}

function milestonesOf(block: Block, at: number): Milestone[] {
  const milestones: Milestone[] = [];
  const base = at * MAX_MILESTONES;
  for (let i = 0; i < MAX_MILESTONES; i++) {
    const word = block.milestoneWord[base + i] as number;
    if (word === 0) break;
    milestones.push({
      name: MILESTONE_NAMES[(word & 7) - 1] as Milestone['name'],
      at: block.milestoneAt[base + i] as Instant,
      source: SOURCES[(word >>> 3) & 7] as MilestoneSource,
      resolutionMs: word >>> 6,
    });
  }
  return milestones;
}

function milestoneWord({ name, source, resolutionMs }: Milestone): number {
  return (MILESTONE_NAMES.indexOf(name) + 1) | (SOURCES.indexOf(source) << 3) | (resolutionMs << 6);
}

function fits(state: ResultState): boolean {
  const { probe } = state;
  return (
    fitsInstant(state.createdAt) &&
    fitsInstant(state.startedAt) &&
    fitsInstant(state.datapathReadyAt) &&
    fitsInstant(state.podDeletedAt) &&
    fitsNumber(state.restarts) &&
    fitsNumber(probe?.attempts) &&
    PHASES.every((phase) => fitsNumber(probe?.phases?.[phase])) &&
    (state.failure === undefined || FAILURE_CLASSES.includes(state.failure.class)) &&
    (probe?.lastError === undefined || PROBE_ERROR_KINDS.includes(probe.lastError.kind)) &&
    state.milestones.length <= MAX_MILESTONES &&
    state.milestones.every(
      ({ at, resolutionMs }) =>
        fitsInstant(at) && Number.isInteger(resolutionMs) && resolutionMs >= 0 && resolutionMs <= MAX_RESOLUTION,
    )
  );
}

function fitsInstant(instant: Instant | undefined): boolean {
  return instant === undefined || (instant > NO_INSTANT && instant < INSTANT_LIMIT);
}

function fitsNumber(value: number | undefined): boolean {
  return value === undefined || (value === (value | 0) && !Object.is(value, -0) && value !== NO_NUMBER);
}
