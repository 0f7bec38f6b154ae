/** Makes the answer of a statistic from its numbers. Pure. */
import { formatInstant, fromEpochMs, NS_PER_MS } from '../../datapath/instant.js';
import { CREATION_SOURCES } from '../../datapath/vocabulary.js';
import type { Metric } from '../../datapath/vocabulary.js';
import { archivedStatistic } from '../../statistics/archived-statistic.js';
import { formatSelector } from '../../statistics/label-selector.js';
import type { QuantileMethod } from '../../statistics/quantile.js';
import { SKETCH_RELATIVE_ERROR } from '../../statistics/quantile-sketch.js';
import { markMatching } from '../../statistics/result-filter.js';
import type { ResultFilter } from '../../statistics/result-filter.js';
import type { GroupKey } from '../../statistics/result-grouping.js';
import type { ResultTable } from '../../statistics/result-table.js';
import { archivedCount, byName } from '../../statistics/run-archive.js';
import type { FailedPod, WorstPod as KeptPod } from '../../statistics/run-archive.js';
import { runFigures } from '../../statistics/run-figures.js';
import { scratchOf } from '../../statistics/scratch.js';
import { computeStatistic } from '../../statistics/statistic.js';
import type { Statistic } from '../../statistics/statistic.js';
import { creationText } from './result-record.js';
import type { KeptOfRuns } from './read-model.js';
import { METRIC_NAMES } from './statistic.schema.js';
import type { StatisticAnswer } from './statistic.schema.js';

const FIXED = [0.5, 0.9, 0.95, 0.99, 0.999] as const;

export interface StatisticRequest {
  readonly metric: Metric;
  readonly filter: ResultFilter;
  readonly topN: number;
  readonly method: QuantileMethod;
  readonly quantiles: readonly number[];
  readonly groupBy?: GroupKey;
  /** What the runs of the filter keep of deleted results, where they keep something. */
  readonly kept?: KeptOfRuns | undefined;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  readonly synced: boolean;
}

export function statisticAnswer(table: ResultTable, request: StatisticRequest): StatisticAnswer {
  const { metric, filter, topN, method, quantiles, groupBy, nowMs, synced, kept } = request;
  const marks = markMatching(table, filter, scratchOf(table).bytes('marks', table.limit));
  // An archive has no labels, nodes or instants of single Pods: it answers only the question for the whole run.
  const archive = kept !== undefined && selectsByRunAlone(filter) ? kept.archive : undefined;
  // What the archive has counted isn't counted again from the results that are still there.
  if (archive !== undefined) for (const slot of kept?.slots ?? []) marks[slot] = 0;
  const answer = computeStatistic(table, marks, {
    metric,
    method,
    quantiles: [...FIXED, ...quantiles],
    topN,
    nowMs,
    ...(groupBy === undefined ? {} : { groupBy }),
  });
  const figures = archive === undefined ? undefined : runFigures(table, marks, archive, nowMs);
  const whole = figures === undefined ? answer.whole : archivedStatistic(figures, metric, [...FIXED, ...quantiles]);
  const worst = answer.worst.map((slot) => worstPod(table, slot, metric));
  const failed = answer.failed.map((slot) => podName(table, slot));
  return {
    metric: METRIC_NAMES[metric],
    unit: 'ms',
    ...numbersOf(whole),
    quantiles: Object.fromEntries(quantiles.map((q, i) => [String(q), rounded(whole.quantiles[FIXED.length + i])])),
    histogram: whole.histogram.map(({ le, count }) => ({ le, count })),
    worstPods:
      archive === undefined
        ? worst
        : [...worst, ...archive.metrics[metric].worst.map((pod) => keptWorstPod(pod, metric))]
            .toSorted((a, b) => b.value - a.value || byName(a, b))
            .slice(0, topN),
    failedPods:
      archive === undefined
        ? failed
        : [...failed, ...archive.failed.map(keptFailedPod)].toSorted(byName).slice(0, topN),
    uncertaintyMs: Math.max(whole.tooLargeMs, whole.tooSmallMs),
    method: archive === undefined ? method : 'nearest-rank',
    namespace: (filter.namespaces ?? []).join(','),
    selector: filter.selector === undefined ? '' : formatSelector(filter.selector),
    ...(groupBy === undefined
      ? {}
      : {
          groupBy,
          groups: answer.groups.map(({ key, statistic }) => ({ key, ...numbersOf(statistic) })),
          groupCount: answer.groupCount,
        }),
    warnings: [
      ...warningsOf(whole, archive === undefined ? method : 'nearest-rank', answer.groupCount - answer.groups.length),
      ...archiveWarnings(request, archive !== undefined),
    ],
    ...(filter.runs === undefined
      ? {}
      : archive === undefined
        ? { source: 'results' as const, relativeError: 0 }
        : {
            source: figures?.archived === figures?.pods ? ('archive' as const) : ('results and archive' as const),
            relativeError: SKETCH_RELATIVE_ERROR,
          }),
    generatedAt: formatInstant(fromEpochMs(nowMs)),
    synced,
  };
}

function selectsByRunAlone(filter: ResultFilter): boolean {
  const { namespaces, selector, nodes, outcomes, failureClasses, sinceMs, untilMs } = filter;
  return (
    (selector === undefined || selector.requirements.length === 0) &&
    [namespaces, nodes, outcomes, failureClasses, sinceMs, untilMs].every((part) => part === undefined)
  );
}

function archiveWarnings({ kept, method, groupBy, topN }: StatisticRequest, used: boolean): string[] {
  if (kept === undefined) return [];
  // How many there are is told only to who may see all of the run.
  if (!used) return ['Results of the run that were deleted are left out: they answer the parameter run alone.'];
  const results = counted(archivedCount(kept.archive), 'deleted result');
  const warnings = [`${results} of the run come from its archive: quantiles are within 1 % of the exact ones.`];
  if (method !== 'nearest-rank') warnings.push('An archive knows the method nearest-rank alone: it was used.');
  if (groupBy !== undefined) warnings.push('Groups are of the results that are left: an archive has none.');
  if (topN > kept.archive.failed.length || topN > 10) {
    warnings.push('An archive keeps the 10 slowest Pods and the first 20 failed ones.');
  }
  return warnings;
}

type Numbers = Omit<NonNullable<StatisticAnswer['groups']>[number], 'key'>;

function numbersOf(statistic: Statistic): Numbers {
  const [p50, p90, p95, p99, p999] = statistic.quantiles.map(rounded);
  const censored = statistic.censored.map(rounded);
  return {
    count: statistic.measured,
    totalSuccessful: statistic.measured,
    totalFailed: statistic.failed,
    totalPending: statistic.pending,
    totalAborted: statistic.aborted,
    totalUnmeasured: statistic.unmeasured,
    p50: p50 ?? null,
    p90: p90 ?? null,
    p95: p95 ?? null,
    p99: p99 ?? null,
    p999: p999 ?? null,
    min: statistic.min,
    max: statistic.max,
    mean: rounded(statistic.mean),
    stddev: rounded(statistic.stddev),
    censored: { p50: censored[0] ?? null, p90: censored[1] ?? null, p99: censored[3] ?? null },
    outcomes: statistic.outcomes,
    failureClasses: { ...statistic.failureClasses },
  };
}

function rounded(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : Math.round(value);
}

function podName(table: ResultTable, slot: number): StatisticAnswer['failedPods'][number] {
  const nodeName = table.text('node', slot);
  return {
    namespace: table.text('namespace', slot) as string,
    name: table.name(slot),
    uid: table.uid(slot),
    ...(nodeName === undefined ? {} : { nodeName }),
  };
}

function worstPod(table: ResultTable, slot: number, metric: Metric): StatisticAnswer['worstPods'][number] {
  const state = table.instants(slot);
  const measured = metric === 'timeToStart' ? state.startedAt : state.datapathReadyAt;
  return {
    ...podName(table, slot),
    createdAt: creationText(state.createdAt, CREATION_SOURCES[(table.flags[slot] as number) >> 1]),
    ...(measured === undefined ? {} : { measuredTs: formatInstant(measured) }),
    value: table.values(metric)[slot] as number,
  };
}

function keptFailedPod({ namespace, name, uid, nodeName }: FailedPod): StatisticAnswer['failedPods'][number] {
  return { namespace, name, uid, ...(nodeName === undefined ? {} : { nodeName }) };
}

function keptWorstPod({ createdAt, valueMs, ...pod }: KeptPod, metric: Metric): StatisticAnswer['worstPods'][number] {
  return {
    ...pod,
    createdAt: formatInstant(createdAt),
    // A delay counts from the start of the Pod, of which an archive knows nothing.
    ...(metric === 'datapathDelay' ? {} : { measuredTs: formatInstant(createdAt + BigInt(valueMs) * NS_PER_MS) }),
    value: valueMs,
  };
}

function warningsOf(whole: Statistic, method: QuantileMethod, groupsHidden: number): string[] {
  const { measured, failed, pending, aborted, unmeasured, tooLargeMs, tooSmallMs, skewed } = whole;
  const warnings: string[] = [];
  const total = measured + failed + pending + aborted + unmeasured;
  if (total === 0) warnings.push('No result matches.');
  else if (measured === 0) warnings.push('No matching result has a value of this metric.');
  if (measured > 0 && measured < 100) {
    warnings.push(
      `p99 of ${counted(measured, 'Pod')} is ${method === 'nearest-rank' ? '' : 'close to '}their maximum.`,
    );
  }
  if (failed > 0) {
    warnings.push(`The percentiles leave out ${counted(failed, 'failed Pod')}; "censored" counts them as infinite.`);
  }
  if (pending > 0) {
    warnings.push(
      `${counted(pending, 'Pod')} ${pending === 1 ? 'has' : 'have'} no value yet: the numbers may still rise.`,
    );
  }
  if (unmeasured > 0) warnings.push(`${counted(unmeasured, 'ready Pod')} didn't report this value.`);
  if (tooLargeMs > 0) {
    warnings.push(
      `Some values may be up to ${String(tooLargeMs)} ms too large: Kubernetes dates a Pod's creation to the second.`,
    );
  }
  if (tooSmallMs > 0) {
    warnings.push(
      `Some values may be up to ${String(tooSmallMs)} ms too small: a creation seen live is dated by the arrival of its event.`,
    );
  }
  if (skewed > 0) warnings.push(`${counted(skewed, 'result')} came from a node whose clock is off.`);
  if (method === 'legacy') warnings.push('The method "legacy" reads low; it is only for comparison with old figures.');
  if (groupsHidden > 0) warnings.push(`${counted(groupsHidden, 'smaller group')} left out.`);
  return warnings;
}

function counted(n: number, noun: string): string {
  return `${String(n)} ${noun}${n === 1 ? '' : 's'}`;
}
