/**
 * Between the DatapathResult resource and {@link ResultState}: names, units and conditions of the custom resource. Pure.
 */
import { formatInstant, parseInstant, startOfSecond } from '../../datapath/instant.js';
import type { Instant } from '../../datapath/instant.js';
import type { ProbeError, ProbePhases } from '../../datapath/report.js';
import type { Mutable } from '../../datapath/mutable.js';
import { metricOf } from '../../datapath/result-state.js';
import type {
  ClockSkew,
  Failure,
  Milestone,
  MilestoneSource,
  ProbeSummary,
  ResultState,
} from '../../datapath/result-state.js';
import { MILESTONE_NAMES } from '../../datapath/vocabulary.js';
import type { CreationSource, Outcome } from '../../datapath/vocabulary.js';
import type { KubeObject, Projected, ResourceType } from '../kube/resource.js';
import { ARCHIVE_FINALIZER } from '../runs/datapath-run.resource.js';
import type { DatapathResult, DatapathResultSpec, DatapathResultStatus } from './datapath-result.schema.js';
import { PackedState } from './packed-state.js';
import { Sharing } from './sharing.js';

export const DATAPATH_RESULTS: ResourceType = {
  group: 'datapath.observer',
  version: 'v1',
  plural: 'datapathresults',
  kind: 'DatapathResult',
  namespaced: true,
};

/** The name of the result of a Pod: one per uid, for ever. */
export function resultName(podUid: string): string {
  return `dpresult-${podUid}`;
}

/** `lastTransitionTime` and status of each condition, by type. */
type Transitions = Readonly<Record<string, { readonly status: string; readonly at: string }>>;

/**
 * A stored result as it is cached: what it says, and what is needed to write it again.
 *
 * Who looks first at what it says gets the state that was read; it is packed only then, for those who look later.
 */
export class ResultView implements Projected {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly deletionTimestamp: string | undefined;
  readonly finalizers: readonly string[];
  readonly transitions: Transitions;
  /** Whether a field that follows from others was changed by hand: the status is then written again. */
  readonly edited: boolean;
  /** Of its state; `undefined` where that can't be read. */
  readonly outcome: Outcome | undefined;
  /** The run of its state. */
  readonly runName: string | undefined;
  #state: ResultState | PackedState | undefined;

  constructor(raw: KubeObject) {
    const result = raw as KubeObject & Partial<DatapathResult>;
    const { metadata, status } = result;
    const state = stateOf(result);
    this.#state = state;
    this.namespace = names.of(metadata.namespace ?? '');
    this.name = metadata.name;
    this.uid = metadata.uid ?? '';
    this.resourceVersion = metadata.resourceVersion ?? '';
    this.generation = metadata.generation ?? 1;
    this.deletionTimestamp = metadata.deletionTimestamp;
    this.finalizers = finalizerLists.of(metadata.finalizers ?? []);
    this.transitions = transitionSets.of(transitionsOf(status));
    this.edited = state !== undefined && status !== undefined && !derivedAgree(state, status);
    this.outcome = state?.outcome;
    this.runName = state === undefined ? undefined : names.of(state.runName);
  }

  /** The uid of the Pod that its name says. */
  get podUid(): string {
    return this.name.slice(resultName('').length);
  }

  /**
   * What it says, as a new object each time; `undefined` where the resource says what no controller of ours would write, such as a Pod of
   * another namespace.
   */
  get state(): ResultState | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    if (state instanceof PackedState) return state.unpack(this.podUid);
    this.#state = new PackedState(state);
    return state;
  }
}

const names = new Sharing<string>((name) => name);
const finalizerLists = new Sharing<readonly string[]>((list) => list.join(' '));
const transitionSets = new Sharing<Transitions>((set) => {
  let text = '';
  for (const type in set) text += `${type} ${set[type]?.status} ${set[type]?.at} `;
  return text;
});

type Condition = NonNullable<DatapathResultStatus['conditions']>[number];

export function toSpec(state: ResultState): DatapathResultSpec {
  return {
    podRef: { namespace: state.namespace, name: state.name, uid: state.uid },
    ...(state.ownerKind === undefined || state.ownerName === undefined
      ? {}
      : { owner: { kind: state.ownerKind, name: state.ownerName } }),
    createdAt: formatInstant(state.createdAt),
    creationSource: state.creationSource,
    runName: state.runName,
  };
}

/** The whole object as it is created; the status follows by its subresource. */
export function toResource(state: ResultState): DatapathResult & KubeObject {
  return {
    apiVersion: `${DATAPATH_RESULTS.group}/${DATAPATH_RESULTS.version}`,
    kind: DATAPATH_RESULTS.kind,
    metadata: {
      name: resultName(state.uid),
      namespace: state.namespace,
      labels: { ...state.labels },
      // Together with the object, so that no further write is needed and no deletion comes before it.
      finalizers: [ARCHIVE_FINALIZER],
    },
    spec: toSpec(state),
  } as DatapathResult & KubeObject;
}

/**
 * @param known the stored result: its conditions keep their `lastTransitionTime` while their status stays
 * @param now the transition time of a condition that flips
 */
export function toStatus(state: ResultState, known: ResultView | undefined, now: Instant): DatapathResultStatus {
  const probe = state.probe;
  return {
    conditions: conditionsOf(state, known, now),
    outcome: state.outcome,
    ...defined('nodeName', state.nodeName),
    ...defined('startedAt', instantText(state.startedAt)),
    ...defined('datapathReadyAt', instantText(state.datapathReadyAt)),
    ...defined('timeToStartMs', metricOf(state, 'timeToStart')),
    ...defined('timeToDatapathReadyMs', metricOf(state, 'timeToDatapathReady')),
    ...defined('datapathDelayMs', state.datapathDelayMs),
    milestones: compactMilestones(state),
    ...(probe === undefined
      ? {}
      : {
          probe: {
            ...defined('target', probe.target),
            ...defined('attempts', probe.attempts),
            ...(probe.lastError === undefined
              ? {}
              : { lastError: { kind: probe.lastError.kind, message: probe.lastError.message } }),
            ...defined('dnsMs', probe.phases?.dnsMs),
            ...defined('connectMs', probe.phases?.connectMs),
            ...defined('tlsMs', probe.phases?.tlsMs),
            ...defined('firstByteMs', probe.phases?.firstByteMs),
          },
        }),
    ...(state.failure === undefined ? {} : { failure: { class: state.failure.class, message: state.failure.message } }),
    uncertaintyMs: state.uncertaintyMs,
    ...(state.clockSkew === undefined ? {} : { clockSkew: { ...state.clockSkew } }),
    ...(state.restarts === 0 ? {} : { restarts: state.restarts }),
    ...defined('podDeletedAt', instantText(state.podDeletedAt)),
    observedGeneration: known?.generation ?? 1,
  } as DatapathResultStatus;
}

/** What is cached of a stored result. */
export function projectResult(raw: KubeObject): ResultView {
  return new ResultView(raw);
}

function transitionsOf(status: DatapathResultStatus | undefined): Transitions {
  const transitions: Record<string, { status: string; at: string }> = {};
  for (const condition of status?.conditions ?? []) {
    transitions[condition.type] = { status: condition.status, at: condition.lastTransitionTime };
  }
  return transitions;
}

/** Whether the fields that follow from others say what follows: somebody may have edited them. */
function derivedAgree(state: ResultState, status: DatapathResultStatus): boolean {
  return (
    status.timeToStartMs === metricOf(state, 'timeToStart') &&
    status.timeToDatapathReadyMs === metricOf(state, 'timeToDatapathReady')
  );
}

function stateOf(result: KubeObject & Partial<DatapathResult>): ResultState | undefined {
  const { spec, status } = result;
  const createdAt = spec === undefined ? undefined : parseInstant(spec.createdAt);
  if (spec === undefined || createdAt === undefined) return undefined;
  // Whoever may write results in one namespace must not speak for the Pods of another.
  const { namespace, name, uid } = spec.podRef;
  if (namespace !== result.metadata.namespace || result.metadata.name !== resultName(uid)) return undefined;
  const startedAt = parsed(status?.startedAt);
  const datapathReadyAt = parsed(status?.datapathReadyAt);
  const uncertaintyMs = uncertaintyOf(createdAt, result);
  const { creationSource } = spec;
  const told = toldElsewhere(createdAt, creationSource, uncertaintyMs, startedAt, datapathReadyAt);
  const state: Mutable<ResultState> = {
    namespace,
    name,
    uid,
    createdAt,
    creationSource,
    runName: spec.runName,
    labels: result.metadata.labels ?? {},
    outcome: status?.outcome ?? 'Pending',
    milestones: fullMilestones(told, status?.milestones ?? []),
    uncertaintyMs,
    restarts: status?.restarts ?? 0,
  };
  if (spec.owner !== undefined) {
    state.ownerKind = spec.owner.kind;
    state.ownerName = spec.owner.name;
  }
  if (startedAt !== undefined) state.startedAt = startedAt;
  if (datapathReadyAt !== undefined) state.datapathReadyAt = datapathReadyAt;
  if (status === undefined) return state;
  const { nodeName, datapathDelayMs, probe, failure, clockSkew } = status;
  if (nodeName !== undefined) state.nodeName = nodeName;
  if (datapathDelayMs !== undefined) state.datapathDelayMs = datapathDelayMs;
  if (probe !== undefined) state.probe = probeOf(probe);
  if (failure !== undefined) state.failure = failure as Failure;
  if (clockSkew !== undefined) state.clockSkew = clockSkew as ClockSkew;
  const podDeletedAt = parsed(status.podDeletedAt);
  if (podDeletedAt !== undefined) state.podDeletedAt = podDeletedAt;
  return state;
}

function probeOf(stored: NonNullable<DatapathResultStatus['probe']>): ProbeSummary {
  const { target, attempts, lastError, dnsMs, connectMs, tlsMs, firstByteMs } = stored;
  const probe: Mutable<ProbeSummary> = {};
  if (target !== undefined) probe.target = target;
  if (attempts !== undefined) probe.attempts = attempts;
  if (lastError !== undefined) probe.lastError = lastError as ProbeError;
  const phases: Mutable<ProbePhases> = {};
  if (dnsMs !== undefined) phases.dnsMs = dnsMs;
  if (connectMs !== undefined) phases.connectMs = connectMs;
  if (tlsMs !== undefined) phases.tlsMs = tlsMs;
  if (firstByteMs !== undefined) phases.firstByteMs = firstByteMs;
  if ((dnsMs ?? connectMs ?? tlsMs ?? firstByteMs) !== undefined) probe.phases = phases;
  return probe;
}

/**
 * The milestones as they are stored: without those that other fields tell, and without what is usual (a condition of the Pod, known
 * to the second), so that an ordinary result stays small.
 */
function compactMilestones(state: ResultState): NonNullable<DatapathResultStatus['milestones']> {
  const told = toldElsewhere(
    state.createdAt,
    state.creationSource,
    state.uncertaintyMs,
    state.startedAt,
    state.datapathReadyAt,
  );
  return state.milestones
    .filter((one) => !told.some((other) => sameMilestone(one, other)))
    .map(({ name, at, source, resolutionMs }) => ({
      name,
      at: formatInstant(at, resolutionMs === 1000 ? 0 : 3),
      ...(source === 'Condition' ? {} : { source }),
      ...(resolutionMs === usualResolutionMs(source) ? {} : { resolutionMs }),
    }));
}

/** The inverse of {@link compactMilestones}, in the order in which the steps normally come. */
function fullMilestones(
  told: readonly Milestone[],
  stored: NonNullable<DatapathResultStatus['milestones']>,
): Milestone[] {
  const all = told.filter(({ name }) => !stored.some((one) => one.name === name));
  for (const { name, at, source = 'Condition', resolutionMs } of stored) {
    const milestone = {
      name,
      at: parseInstant(at) ?? 0n,
      source,
      resolutionMs: resolutionMs ?? usualResolutionMs(source),
    };
    const rank = MILESTONE_NAMES.indexOf(name);
    let place = all.length;
    while (place > 0 && MILESTONE_NAMES.indexOf((all[place - 1] as Milestone).name) > rank) place--;
    all.splice(place, 0, milestone);
  }
  return all;
}

function toldElsewhere(
  createdAt: Instant,
  creationSource: CreationSource,
  uncertaintyMs: number,
  startedAt: Instant | undefined,
  datapathReadyAt: Instant | undefined,
): Milestone[] {
  const told: Milestone[] = [{ name: 'created', at: createdAt, source: creationSource, resolutionMs: uncertaintyMs }];
  if (startedAt !== undefined) told.push({ name: 'started', at: startedAt, source: 'Annotation', resolutionMs: 0 });
  if (datapathReadyAt !== undefined) {
    told.push({ name: 'datapathReady', at: datapathReadyAt, source: 'Annotation', resolutionMs: 0 });
  }
  return told;
}

function sameMilestone(a: Milestone, b: Milestone): boolean {
  return a.name === b.name && a.at === b.at && a.source === b.source && a.resolutionMs === b.resolutionMs;
}

/** What a source resolves: conditions of a Pod are truncated to the second. */
function usualResolutionMs(source: MilestoneSource): number {
  return source === 'Condition' || source === 'CreationTimestamp' ? 1000 : 0;
}

function uncertaintyOf(createdAt: Instant, { spec, status }: Partial<DatapathResult>): number {
  return (
    status?.uncertaintyMs ??
    (spec?.creationSource === 'WatchReceipt' ? Number((createdAt / 1_000_000n) % 1000n) + 1 : 1000)
  );
}

function conditionsOf(state: ResultState, known: ResultView | undefined, now: Instant): Condition[] {
  const condition = (type: string, status: 'True' | 'False' | 'Unknown', reason: string): Condition => {
    const before = known?.transitions[type];
    const lastTransitionTime = before?.status === status ? before.at : formatInstant(startOfSecond(now), 0);
    return { type, status, reason, message: '', lastTransitionTime } as Condition;
  };
  const failed = state.failure?.class ?? state.outcome;
  const over = state.outcome === 'Failed' || state.outcome === 'Aborted';
  return [
    state.startedAt === undefined
      ? condition('Started', over ? 'False' : 'Unknown', over ? failed : 'NotReported')
      : condition('Started', 'True', 'ReporterStarted'),
    state.datapathReadyAt === undefined
      ? condition('DatapathReady', over ? 'False' : 'Unknown', over ? failed : 'NotReported')
      : condition('DatapathReady', 'True', 'ProbeSucceeded'),
    condition('Complete', over || state.outcome === 'Ready' ? 'True' : 'False', state.outcome),
  ];
}

function instantText(instant: Instant | undefined): string | undefined {
  return instant === undefined ? undefined : formatInstant(instant);
}

function parsed(text: string | undefined): Instant | undefined {
  return text === undefined ? undefined : parseInstant(text);
}

function defined<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}
