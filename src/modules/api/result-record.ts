/** Makes the API's form of a result. Pure. */
import { elapsedMs, formatInstant } from '../../datapath/instant.js';
import type { Instant } from '../../datapath/instant.js';
import type { CreationSource } from '../../datapath/vocabulary.js';
import { metricOf } from '../../datapath/result-state.js';
import type { Milestone, ResultState } from '../../datapath/result-state.js';
import type { ResultDetail, ResultRecord } from './result-record.schema.js';

export function resultRecord(state: ResultState): ResultRecord {
  const { probe, clockSkew } = state;
  return {
    namespace: state.namespace,
    name: state.name,
    uid: state.uid,
    ...(state.ownerKind === undefined || state.ownerName === undefined
      ? {}
      : { owner: { kind: state.ownerKind, name: state.ownerName } }),
    ...(state.nodeName === undefined ? {} : { nodeName: state.nodeName }),
    run: state.runName,
    outcome: state.outcome,
    createdAt: creationText(state.createdAt, state.creationSource),
    creationSource: state.creationSource,
    ...dated('startedAt', state.startedAt),
    ...dated('datapathReadyAt', state.datapathReadyAt),
    timeToStartMs: metricOf(state, 'timeToStart') ?? null,
    timeToDatapathReadyMs: metricOf(state, 'timeToDatapathReady') ?? null,
    datapathDelayMs: metricOf(state, 'datapathDelay') ?? null,
    uncertaintyMs: state.uncertaintyMs,
    ...(state.failure === undefined ? {} : { failure: { class: state.failure.class, message: state.failure.message } }),
    ...(probe === undefined
      ? {}
      : {
          probe: {
            ...(probe.target === undefined ? {} : { target: probe.target }),
            ...(probe.attempts === undefined ? {} : { attempts: probe.attempts }),
            ...(probe.lastError === undefined ? {} : { lastError: { ...probe.lastError } }),
            ...probe.phases,
          },
        }),
    ...(clockSkew === undefined ? {} : { clockSkew: { ...clockSkew } }),
    restarts: state.restarts,
    ...dated('podDeletedAt', state.podDeletedAt),
    labels: { ...state.labels },
  };
}

/** What Kubernetes truncated to the second has no milliseconds to show. */
export function creationText(createdAt: Instant, source: CreationSource | undefined): string {
  return formatInstant(createdAt, source === 'CreationTimestamp' ? 0 : 3);
}

export function timelineOf(milestones: readonly Milestone[], createdAt: Instant): ResultDetail['timeline'] {
  const inTime = milestones.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return inTime.map(({ name, at, source, resolutionMs }, i) => {
    const before = inTime[i - 1];
    return {
      name,
      // What Kubernetes truncates to the second has no milliseconds to show.
      at: formatInstant(at, resolutionMs >= 1000 ? 0 : 3),
      source,
      resolutionMs,
      sinceCreatedMs: elapsedMs(createdAt, at),
      sincePreviousMs: before === undefined ? null : elapsedMs(before.at, at),
    };
  });
}

function dated<K extends string>(name: K, instant: Instant | undefined): Partial<Record<K, string>> {
  return instant === undefined ? {} : ({ [name]: formatInstant(instant) } as Record<K, string>);
}
