/** From the parameters of a call to the filter of the statistics. */
import type { FailureClass, Outcome } from '../../datapath/vocabulary.js';
import type { LabelSelector } from '../../statistics/label-selector.js';
import type { ResultFilter } from '../../statistics/result-filter.js';
import { Problem } from './problem.js';
import { epochMsOf } from './query-parameters.js';
import type { When } from './query-parameters.js';

export interface FilterParameters {
  readonly namespace?: readonly string[] | undefined;
  readonly labelSelector: LabelSelector;
  readonly run?: readonly string[] | undefined;
  readonly node?: readonly string[] | undefined;
  readonly outcome?: readonly Outcome[] | undefined;
  readonly failureClass?: readonly FailureClass[] | undefined;
  readonly since?: When | undefined;
  readonly until?: When | undefined;
}

/**
 * @param nowMs milliseconds since the epoch, from which `15m` counts back
 * @throws Problem where no instant lies between since and until
 */
export function resultFilter(query: FilterParameters, nowMs: number): ResultFilter {
  const sinceMs = epochMsOf(query.since, nowMs);
  const untilMs = epochMsOf(query.until, nowMs);
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs) {
    const detail = 'must not be later than until: no instant lies between the two';
    throw new Problem('invalid-parameter', `since ${detail}`, { errors: [{ parameter: 'since', detail }] });
  }
  return {
    selector: query.labelSelector,
    ...(query.namespace === undefined ? {} : { namespaces: query.namespace }),
    ...(query.run === undefined ? {} : { runs: query.run }),
    ...(query.node === undefined ? {} : { nodes: query.node }),
    ...(query.outcome === undefined ? {} : { outcomes: query.outcome }),
    ...(query.failureClass === undefined ? {} : { failureClasses: query.failureClass }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
  };
}
