/** Makes the API's form of a run. Pure. */
import { formatInstant, fromEpochMs } from '../../datapath/instant.js';
import { METRICS } from '../../datapath/vocabulary.js';
import { COMPARED, compareStatistic, CONFIDENCE, seededRandom } from '../../statistics/comparison.js';
import { coverageOf } from '../../statistics/objective.js';
import type { RunFigures } from '../../statistics/run-figures.js';
import type { RunComparison, RunDetail, RunSummary } from './runs.schema.js';
import { runReport } from './run-report.js';
import type { RunReport } from './run-report.js';
import { summaryStatus } from './run-status.js';
import type { RunView } from './run-view.js';

/** Any fixed number. */
const SEED = 1;

/** A run as it is at this moment: its stored verdict, and the figures of now. */
export function liveReport(run: RunView, figures: RunFigures): RunReport {
  return runReport({
    metadata: { name: run.name, uid: run.uid },
    status: { ...run.status, ...summaryStatus(figures, run.spec.expectedPods) },
  });
}

export function runSummary(run: RunView, figures: RunFigures): RunSummary {
  const { outcomes } = figures;
  const { complete, completeReason, status } = liveReport(run, figures);
  const ready = figures.metrics.timeToDatapathReady;
  return {
    name: run.name,
    exists: run.uid !== '',
    complete,
    completeReason,
    verdict: status.verdict ?? null,
    reason: status.reason ?? null,
    expectedPods: run.spec.expectedPods ?? null,
    pods: figures.pods,
    archived: figures.archived,
    pending: outcomes.Pending,
    started: outcomes.Started,
    ready: outcomes.Ready,
    failed: outcomes.Failed,
    aborted: outcomes.Aborted,
    p50: ready.quantile(0.5),
    p99: ready.quantile(0.99),
    createdAt: run.uid === '' ? null : formatInstant(fromEpochMs(run.createdMs), 0),
    startedAt: status.startedAt ?? null,
    completedAt: status.completedAt ?? null,
  };
}

export function runDetail(run: RunView, figures: RunFigures, nowMs: number, synced: boolean): RunDetail {
  const status = run.status ?? {};
  const { expectedPods } = run.spec;
  const ready = figures.metrics.timeToDatapathReady;
  const coverage = coverageOf(ready, figures, expectedPods);
  return {
    ...runSummary(run, figures),
    metrics: METRICS.map((metric) => {
      const one = figures.metrics[metric];
      return {
        metric,
        count: one.measured,
        failed: one.failed,
        p50: one.quantile(0.5),
        p90: one.quantile(0.9),
        p95: one.quantile(0.95),
        p99: one.quantile(0.99),
        p999: one.quantile(0.999),
        min: one.minMs,
        max: one.maxMs,
        mean: one.meanMs === null ? null : Math.round(one.meanMs),
        estimated: one.estimated,
      };
    }),
    failureClasses: { ...figures.failureClasses },
    failedPods: figures.failed.map((pod) => ({ ...pod })),
    coverage:
      coverage === null
        ? null
        : {
            expected: Math.max(expectedPods ?? 0, figures.pods),
            known: ready.measured + ready.failed,
            ratio: coverage,
          },
    objectives: (status.objectives ?? []).map(({ valueMs, ...rest }) => ({ ...rest, valueMs: valueMs ?? null })),
    gaps: (status.gaps ?? []).map((gap) => ({ ...gap })),
    conditions: (status.conditions ?? []).map(({ type, status: value, reason, message }) => ({
      type,
      status: value,
      reason,
      message,
    })),
    warnings: runWarnings(run, figures),
    generatedAt: formatInstant(fromEpochMs(nowMs)),
    synced,
  };
}

/** The differences of two runs, one by one, so that others get their turn in between. The same question has the same answer. */
export function* differencesOf(
  before: RunFigures,
  after: RunFigures,
  tolerance: number,
): Generator<RunComparison['differences'][number]> {
  const random = seededRandom(SEED);
  for (const metric of METRICS) {
    for (const statistic of COMPARED) {
      yield compareStatistic(metric, statistic, before.metrics[metric], after.metrics[metric], tolerance, random);
    }
  }
}

/** @param differences those of `differencesOf` */
export function runComparison(
  [baseline, before]: readonly [RunView, RunFigures],
  [run, after]: readonly [RunView, RunFigures],
  tolerance: number,
  differences: RunComparison['differences'],
): Omit<RunComparison, 'generatedAt' | 'synced'> {
  return {
    run: run.name,
    baseline: baseline.name,
    tolerance,
    confidence: CONFIDENCE,
    differences,
    warnings: [...runWarnings(baseline, before), ...runWarnings(run, after)],
  };
}

export function runWarnings(run: RunView, figures: RunFigures): string[] {
  const warnings: string[] = [];
  if (run.uid === '') {
    warnings.push(
      `The DatapathRun ${run.name} was deleted: these are its results that are left; what it had kept of others is lost.`,
    );
  }
  if (run.archiveError !== undefined) warnings.push(`The archive of ${run.name} can't be read: ${run.archiveError}`);
  if (figures.archived > 0) {
    warnings.push(
      `${String(figures.archived)} results of ${run.name} are archived: percentiles are within 1 % of the exact ones.`,
    );
  }
  return warnings;
}
