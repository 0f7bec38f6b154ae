/**
 * A stored result in the form in which it is cached: what many results share is kept once, the rest is one short text. 150,000 results as
 * objects would take more than 300 MB; like this they take a tenth. Pure; nothing is lost.
 */
import type { Instant } from '../../datapath/instant.js';
import type { ProbeError, ProbePhases } from '../../datapath/report.js';
import type { ClockSkew, Failure, Milestone, ProbeSummary, ResultState } from '../../datapath/result-state.js';
import type { CreationSource, Outcome } from '../../datapath/vocabulary.js';
import { Sharing } from './sharing.js';

/** What the results of one workload have in common. */
interface CommonPart {
  readonly namespace: string;
  readonly runName: string;
  readonly creationSource: CreationSource;
  readonly labels: Readonly<Record<string, string>>;
  readonly ownerKind?: string;
  readonly ownerName?: string;
  readonly target?: string;
}

/** Nanoseconds after the creation: a number where it is exact as one, else its digits; `null` for none. */
type Offset = number | string | null;

/** What the text says, as JSON. What is usually absent comes last: absent members at the end aren't written. */
type Own = readonly [
  name: string,
  createdAt: string,
  outcome: Outcome,
  uncertaintyMs: number,
  restarts: number,
  milestonesAt: readonly Offset[],
  nodeName?: string | null,
  startedAt?: Offset,
  datapathReadyAt?: Offset,
  datapathDelayMs?: number | null,
  probe?: readonly [attempts?: number | null, phases?: ProbePhases | null, lastError?: ProbeError | null] | null,
  failure?: Failure | null,
  podDeletedAt?: Offset,
  clockSkew?: ClockSkew | null,
];

/** The milestones that a result has, without their instants. */
type Steps = readonly Omit<Milestone, 'at'>[];

const commonParts = new Sharing<CommonPart>();
const stepLists = new Sharing<Steps>((steps) => {
  let text = '';
  for (const { name, source, resolutionMs } of steps) text += `${name} ${source} ${resolutionMs} `;
  return text;
});

export class PackedState {
  readonly #common: CommonPart;
  readonly #steps: Steps;
  readonly #own: string;

  constructor(state: ResultState) {
    const { namespace, runName, creationSource, labels, ownerKind, ownerName, probe } = state;
    this.#common = commonParts.of({
      namespace,
      runName,
      creationSource,
      labels,
      ...(ownerKind === undefined ? {} : { ownerKind }),
      ...(ownerName === undefined ? {} : { ownerName }),
      ...(probe?.target === undefined ? {} : { target: probe.target }),
    });
    this.#steps = stepLists.of(
      state.milestones.map(({ name, source, resolutionMs }) => ({ name, source, resolutionMs })),
    );
    this.#own = JSON.stringify(withoutAbsentEnd(ownPart(state)));
  }

  /** The state that was packed, as a new object. */
  unpack(uid: string): ResultState {
    const { target, ...common } = this.#common;
    const [
      name,
      created,
      outcome,
      uncertaintyMs,
      restarts,
      milestonesAt,
      nodeName,
      startedAt,
      datapathReadyAt,
      datapathDelayMs,
      probe,
      failure,
      podDeletedAt,
      clockSkew,
    ] = JSON.parse(this.#own) as Own;
    const createdAt = BigInt(created);
    return {
      ...common,
      name,
      uid,
      createdAt,
      outcome,
      uncertaintyMs,
      restarts,
      milestones: this.#steps.map((step, i) => ({ ...step, at: instantAt(createdAt, milestonesAt[i]) ?? createdAt })),
      ...present('nodeName', nodeName),
      ...present('startedAt', instantAt(createdAt, startedAt)),
      ...present('datapathReadyAt', instantAt(createdAt, datapathReadyAt)),
      ...present('datapathDelayMs', datapathDelayMs),
      ...present('probe', probe === undefined || probe === null ? undefined : probeOf(target, probe)),
      ...present('failure', failure),
      ...present('podDeletedAt', instantAt(createdAt, podDeletedAt)),
      ...present('clockSkew', clockSkew),
    };
  }
}

function ownPart(state: ResultState): Own {
  const { createdAt, probe } = state;
  return [
    state.name,
    String(createdAt),
    state.outcome,
    state.uncertaintyMs,
    state.restarts,
    state.milestones.map(({ at }) => offset(createdAt, at)),
    state.nodeName ?? null,
    offset(createdAt, state.startedAt),
    offset(createdAt, state.datapathReadyAt),
    state.datapathDelayMs ?? null,
    probe === undefined ? null : [probe.attempts ?? null, probe.phases ?? null, probe.lastError ?? null],
    state.failure ?? null,
    offset(createdAt, state.podDeletedAt),
    state.clockSkew ?? null,
  ];
}

function withoutAbsentEnd(members: readonly unknown[]): readonly unknown[] {
  let length = members.length;
  while (members[length - 1] === null) length -= 1;
  return members.slice(0, length);
}

function probeOf(target: string | undefined, [attempts, phases, lastError]: NonNullable<Own[10]>): ProbeSummary {
  return {
    ...present('target', target),
    ...present('attempts', attempts),
    ...present('phases', phases),
    ...present('lastError', lastError),
  };
}

function offset(from: Instant, at: Instant | undefined): Offset {
  if (at === undefined) return null;
  const difference = at - from;
  const number = Number(difference);
  return Number.isSafeInteger(number) ? number : String(difference);
}

function instantAt(from: Instant, at: Offset | undefined): Instant | undefined {
  return at === undefined || at === null ? undefined : from + BigInt(at);
}

function present<K extends string, V>(key: K, value: V | null | undefined): { [P in K]?: V } {
  return value === undefined || value === null ? {} : ({ [key]: value } as { [P in K]: V });
}
