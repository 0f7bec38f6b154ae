/**
 * Between the DatapathResult resource and {@link ResultState}: names, units and conditions of the custom resource. Pure.
 */
import { formatInstant, parseInstant, startOfSecond } from '../../datapath/instant.js';
import type { Instant } from '../../datapath/instant.js';
import { metricOf } from '../../datapath/result-state.js';
import type { ClockSkew, Failure, Milestone, ProbeSummary, ResultState } from '../../datapath/result-state.js';
import type { KubeObject, Projected, ResourceType } from '../kube/resource.js';
import type { DatapathResult, DatapathResultSpec, DatapathResultStatus } from './datapath-result.schema.js';

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

/** A stored result as it is cached: what it says, and what is needed to write it again. */
export interface ResultView extends Projected {
  readonly generation: number;
  readonly deletionTimestamp?: string;
  readonly finalizers: readonly string[];
  /** Absent where the resource says what no controller of ours would write. */
  readonly state?: ResultState;
  /** `lastTransitionTime` and status of each condition, by type. */
  readonly transitions: Readonly<Record<string, { readonly status: string; readonly at: string }>>;
}

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
    metadata: { name: resultName(state.uid), namespace: state.namespace, labels: { ...state.labels } },
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
    milestones: state.milestones.map((milestone) => ({
      name: milestone.name,
      at: formatInstant(milestone.at, milestone.resolutionMs === 1000 ? 0 : 3),
      source: milestone.source,
      resolutionMs: milestone.resolutionMs,
    })),
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
  const result = raw as KubeObject & Partial<DatapathResult>;
  const { metadata } = result;
  const transitions: Record<string, { status: string; at: string }> = {};
  for (const condition of result.status?.conditions ?? []) {
    transitions[condition.type] = { status: condition.status, at: condition.lastTransitionTime };
  }
  const state = stateOf(result);
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 1,
    ...(metadata.deletionTimestamp === undefined ? {} : { deletionTimestamp: metadata.deletionTimestamp }),
    finalizers: metadata.finalizers ?? [],
    ...(state === undefined ? {} : { state }),
    transitions,
  };
}

function stateOf(result: KubeObject & Partial<DatapathResult>): ResultState | undefined {
  const { spec, status } = result;
  const createdAt = spec === undefined ? undefined : parseInstant(spec.createdAt);
  if (spec === undefined || createdAt === undefined) return undefined;
  const probe = status?.probe;
  const phases = {
    ...defined('dnsMs', probe?.dnsMs),
    ...defined('connectMs', probe?.connectMs),
    ...defined('tlsMs', probe?.tlsMs),
    ...defined('firstByteMs', probe?.firstByteMs),
  };
  return {
    namespace: spec.podRef.namespace,
    name: spec.podRef.name,
    uid: spec.podRef.uid,
    ...(spec.owner === undefined ? {} : { ownerKind: spec.owner.kind, ownerName: spec.owner.name }),
    createdAt,
    creationSource: spec.creationSource,
    runName: spec.runName,
    labels: result.metadata.labels ?? {},
    outcome: status?.outcome ?? 'Pending',
    ...defined('nodeName', status?.nodeName),
    ...defined('startedAt', parsed(status?.startedAt)),
    ...defined('datapathReadyAt', parsed(status?.datapathReadyAt)),
    ...defined('datapathDelayMs', status?.datapathDelayMs),
    milestones: (status?.milestones ?? []).map((milestone) => ({
      name: milestone.name as Milestone['name'],
      at: parseInstant(milestone.at) ?? 0n,
      source: milestone.source as Milestone['source'],
      resolutionMs: milestone.resolutionMs,
    })),
    ...(probe === undefined
      ? {}
      : {
          probe: {
            ...defined('target', probe.target),
            ...defined('attempts', probe.attempts),
            ...defined('lastError', probe.lastError),
            ...(Object.keys(phases).length === 0 ? {} : { phases }),
          } as ProbeSummary,
        }),
    ...defined('failure', status?.failure as Failure | undefined),
    uncertaintyMs:
      status?.uncertaintyMs ??
      (spec.creationSource === 'WatchReceipt' ? Number((createdAt / 1_000_000n) % 1000n) + 1 : 1000),
    ...defined('clockSkew', status?.clockSkew as ClockSkew | undefined),
    restarts: status?.restarts ?? 0,
    ...defined('podDeletedAt', parsed(status?.podDeletedAt)),
  };
}

function conditionsOf(state: ResultState, known: ResultView | undefined, now: Instant): Condition[] {
  const generation = known?.generation ?? 1;
  const condition = (type: string, status: 'True' | 'False' | 'Unknown', reason: string): Condition => {
    const before = known?.transitions[type];
    const lastTransitionTime = before?.status === status ? before.at : formatInstant(startOfSecond(now), 0);
    return { type, status, reason, message: '', lastTransitionTime, observedGeneration: generation } as Condition;
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
