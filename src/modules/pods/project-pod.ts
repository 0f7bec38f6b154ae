/**
 * Pod → observation: the only place that knows the shape of a Pod. Drops everything that isn't needed, at the edge, so that the
 * cache of a large cluster stays small.
 */
import {
  LEGACY_READY_AT,
  LEGACY_STARTED_AT,
  READINESS_GATE,
  READY_AT,
  REPORT,
  REPORTER_CONTAINER,
  STARTED_AT,
} from '../../datapath/annotations.js';
import type { Mutable } from '../../datapath/mutable.js';
import type {
  ConditionObservation,
  ContainerObservation,
  PodObservation,
  ReporterKind,
  TerminationObservation,
} from '../../datapath/pod-observation.js';
import type { KubeObject } from '../kube/resource.js';

/** The longest foreign text that is kept of a Pod, characters; longer than any valid one. */
const MAX_TEXT = 4096;
const MAX_MESSAGE = 512;
/** The API server bounds the names of objects, but not those that ownerReferences claim. */
const MAX_NAME = 253;

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: {
    readonly exitCode?: number;
    readonly reason?: string;
    readonly message?: string;
    readonly startedAt?: string;
    readonly finishedAt?: string;
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly restartCount?: number;
  readonly started?: boolean;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

interface Container {
  readonly name: string;
  readonly restartPolicy?: string;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string;
  readonly reason?: string;
  readonly message?: string;
}

interface Pod extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string;
    readonly restartPolicy?: string;
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly readinessGates?: readonly { readonly conditionType: string }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export function projectPod(raw: KubeObject): PodObservation {
  const pod = raw as Pod;
  const { metadata, spec, status } = pod;
  const annotations = metadata.annotations;
  const owner = metadata.ownerReferences?.find((reference) => reference.controller === true);
  const kind = reporterKind(pod);
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const reporter = kind === undefined ? undefined : statuses.find((one) => one.name === REPORTER_CONTAINER);
  const waiting = statuses.find((one) => one !== reporter && tellsCause(one.state?.waiting?.reason));
  // Assigned one by one: spreading what is there costs several times as much, and this is on the path of every event.
  const projected: Mutable<PodObservation> = {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    labels: metadata.labels ?? {},
    creationTimestamp: metadata.creationTimestamp ?? '',
    phase: status?.phase ?? 'Unknown',
    restartPolicy: spec?.restartPolicy ?? 'Always',
  };
  if (isGiven(metadata.deletionTimestamp)) projected.deletionTimestamp = cut(metadata.deletionTimestamp);
  if (isGiven(spec?.nodeName)) projected.nodeName = cut(spec.nodeName);
  if (owner !== undefined) {
    if (isGiven(owner.kind)) projected.ownerKind = cut(owner.kind, MAX_NAME);
    if (isGiven(owner.name)) projected.ownerName = cut(owner.name, MAX_NAME);
    if (isGiven(owner.uid)) projected.ownerUid = cut(owner.uid);
  }
  if (isGiven(status?.reason)) projected.reason = cut(status.reason);
  if (isGiven(status?.message)) projected.message = cut(status.message, MAX_MESSAGE);
  if (kind !== undefined) {
    projected.reporterKind = kind;
    if (reporter !== undefined) projected.reporter = containerOf(reporter);
    const first = initializing(pod, reporter);
    if (first !== undefined) projected.initializing = cut(first);
  }
  if (waiting !== undefined) projected.waiting = containerOf(waiting);
  for (const condition of status?.conditions ?? []) {
    if (!Object.hasOwn(CONDITIONS, condition.type)) continue;
    projected[CONDITIONS[condition.type as keyof typeof CONDITIONS]] = conditionOf(condition);
  }
  const gate = gateOf(pod);
  if (gate !== undefined) projected.gate = gate;
  if (annotations === undefined || annotations === null) return projected;
  const { [STARTED_AT]: startedAt, [READY_AT]: readyAt, [REPORT]: report } = annotations;
  if (isGiven(startedAt)) projected.startedAt = cut(startedAt);
  if (isGiven(readyAt)) projected.readyAt = cut(readyAt);
  if (isGiven(report)) projected.report = cut(report);
  const { [LEGACY_STARTED_AT]: legacyStartedAt, [LEGACY_READY_AT]: legacyReadyAt } = annotations;
  if (isGiven(legacyStartedAt)) projected.legacyStartedAt = cut(legacyStartedAt);
  if (isGiven(legacyReadyAt)) projected.legacyReadyAt = cut(legacyReadyAt);
  return projected;
}

/**
 * Whether a Pod is measured when no selector is configured: it has a `datapath-reporter` container (ordinary, init or native
 * sidecar), or it carries a reporter's annotation. Never a system Pod by accident.
 */
export function carriesReporter(pod: PodObservation): boolean {
  return (
    pod.reporterKind !== undefined ||
    pod.startedAt !== undefined ||
    pod.readyAt !== undefined ||
    pod.report !== undefined ||
    pod.legacyStartedAt !== undefined ||
    pod.legacyReadyAt !== undefined
  );
}

/**
 * Like {@link projectPod}, for a watch of all Pods: one without a reporter keeps nothing but its identity, so that a cluster's
 * other Pods cost next to nothing. Should it get a reporter's annotation later, its next event brings the whole.
 */
export function projectMeasuredPod(raw: KubeObject): PodObservation {
  const pod = projectPod(raw);
  if (carriesReporter(pod)) return pod;
  const { namespace, name, uid, resourceVersion, creationTimestamp, phase, restartPolicy } = pod;
  return { namespace, name, uid, resourceVersion, labels: NO_LABELS, creationTimestamp, phase, restartPolicy };
}

const NO_LABELS: Readonly<Record<string, string>> = {};

function reporterKind(pod: Pod): ReporterKind | undefined {
  const init = pod.spec?.initContainers?.find((container) => container.name === REPORTER_CONTAINER);
  if (init !== undefined) return init.restartPolicy === 'Always' ? 'sidecar' : 'init';
  const ordinary = pod.spec?.containers?.some((container) => container.name === REPORTER_CONTAINER);
  return ordinary === true ? 'container' : undefined;
}

/** The first init container that neither has ended well nor, as a sidecar, runs, while the reporter hasn't begun. */
function initializing({ spec, status }: Pod, reporter: ContainerStatus | undefined): string | undefined {
  if (reporter?.state?.running !== undefined || reporter?.state?.terminated !== undefined) return undefined;
  if (reporter?.lastState?.terminated !== undefined) return undefined;
  const sidecars = new Set(
    spec?.initContainers?.filter((each) => each.restartPolicy === 'Always').map((each) => each.name),
  );
  const first = status?.initContainerStatuses?.find(
    ({ name, state, started }) => state?.terminated?.exitCode !== 0 && !(sidecars.has(name) && started === true),
  );
  return first === reporter ? undefined : first?.name;
}

function containerOf(status: ContainerStatus): ContainerObservation {
  const { state, lastState } = status;
  const current = state?.terminated;
  const terminated = current ?? lastState?.terminated;
  return {
    name: status.name,
    restartCount: status.restartCount ?? 0,
    ...optional('waitingReason', state?.waiting?.reason),
    ...optional('waitingMessage', state?.waiting?.message, MAX_MESSAGE),
    ...optionalValue(
      'terminated',
      terminated === undefined ? undefined : terminationOf(terminated, current !== undefined),
    ),
    ...optional('startedAt', state?.running?.startedAt ?? terminated?.startedAt),
  };
}

function terminationOf(state: NonNullable<ContainerState['terminated']>, current: boolean): TerminationObservation {
  return {
    exitCode: state.exitCode ?? 0,
    ...optional('reason', state.reason),
    ...optional('message', state.message),
    ...optional('finishedAt', state.finishedAt),
    current,
  };
}

const CONDITIONS = {
  PodScheduled: 'scheduled',
  PodReadyToStartContainers: 'sandboxReady',
  Initialized: 'initialized',
  Ready: 'ready',
  DisruptionTarget: 'disruption',
} as const;

function conditionOf(condition: Condition): ConditionObservation {
  const status = condition.status === 'True';
  // What went well needs no words; what didn't keeps its evidence.
  const evidence = !status || condition.type === 'DisruptionTarget';
  return {
    status,
    ...optional('at', condition.lastTransitionTime),
    ...(evidence ? optional('reason', condition.reason) : {}),
    ...(evidence ? optional('message', condition.message, MAX_MESSAGE) : {}),
  };
}

function gateOf({ spec, status }: Pod): ConditionObservation | undefined {
  if (spec?.readinessGates?.some(({ conditionType }) => conditionType === READINESS_GATE) !== true) return undefined;
  const condition = status?.conditions?.find(({ type }) => type === READINESS_GATE);
  return condition === undefined ? { status: false } : conditionOf(condition);
}

function tellsCause(reason: string | undefined): boolean {
  return reason !== undefined && reason !== 'ContainerCreating' && reason !== 'PodInitializing';
}

function optional<K extends string>(
  key: K,
  text: string | undefined,
  limit = MAX_TEXT,
): { readonly [P in K]?: string } {
  return isGiven(text) ? ({ [key]: cut(text, limit) } as { [P in K]: string }) : {};
}

function optionalValue<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}

/** A foreign object may say null where nothing is meant. */
function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== null;
}

function cut(text: string, limit = MAX_TEXT): string {
  return text.length > limit ? text.slice(0, limit) : text;
}
