/** What is cached of a DatapathRun, read once per version. Pure. */
import { parseInstant, toEpochMs } from '../../datapath/instant.js';
import type { FailureClass, Metric } from '../../datapath/vocabulary.js';
import { METRICS } from '../../datapath/vocabulary.js';
import type { Objective } from '../../statistics/objective.js';
import { QuantileSketch } from '../../statistics/quantile-sketch.js';
import { archivedCount, emptyArchive, NO_SKEW } from '../../statistics/run-archive.js';
import type { FailedPod, MetricArchive, RunArchive } from '../../statistics/run-archive.js';
import type { KubeObject, Projected } from '../kube/resource.js';
import { ARCHIVE_FINALIZER } from './datapath-run.resource.js';
import type { DatapathRun, DatapathRunSpec, DatapathRunStatus } from './datapath-run.schema.js';
import { readRunSelector } from './run-selector.js';
import type { RunSelector } from './run-selector.js';

export type ArchiveStatus = NonNullable<DatapathRunStatus['archive']>;

export interface RunView extends Projected {
  readonly generation: number;
  readonly deleting: boolean;
  /** Milliseconds since the epoch, in whole seconds. */
  readonly createdMs: number;
  readonly spec: DatapathRunSpec;
  readonly status: DatapathRunStatus | undefined;
  readonly selector: RunSelector | undefined;
  /** Why the selector can't be read; it then matches nothing. */
  readonly selectorError: string | undefined;
  readonly objectives: readonly Objective[];
  readonly archive: RunArchive;
  /** UIDs of the DatapathResults whose numbers are in the archive already, though they are still there. */
  readonly releasing: ReadonlySet<string>;
  /** Why the archive can't be read; it must then not be written over. */
  readonly archiveError: string | undefined;
}

export function projectRun(raw: KubeObject): RunView {
  const { metadata, spec = {}, status } = raw as KubeObject & Partial<DatapathRun>;
  let selector: RunSelector | undefined;
  let selectorError: string | undefined;
  try {
    selector = readRunSelector(spec);
  } catch (error) {
    selectorError = error instanceof Error ? error.message : String(error);
  }
  let archive = emptyArchive();
  let archiveError: string | undefined;
  try {
    archive = readArchive(status?.archive);
  } catch (error) {
    archiveError = error instanceof Error ? error.message : String(error);
  }
  return {
    namespace: '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 1,
    deleting: metadata.deletionTimestamp !== undefined,
    createdMs: Date.parse(metadata.creationTimestamp ?? '') || 0,
    spec,
    status,
    selector,
    selectorError,
    objectives: (spec.objectives ?? []).map(({ maxFailedRatio, minCoverage, ...rest }) => ({
      ...rest,
      ...(maxFailedRatio === undefined ? {} : { maxFailedRatio: Number(maxFailedRatio) }),
      ...(minCoverage === undefined ? {} : { minCoverage: Number(minCoverage) }),
    })),
    archive,
    releasing: new Set(status?.archive?.releasing ?? []),
    archiveError,
  };
}

/** Whether a DatapathResult is held until its numbers are kept. */
export function isHeld(result: { readonly finalizers: readonly string[] }): boolean {
  return result.finalizers.includes(ARCHIVE_FINALIZER);
}

/** The archive that a status holds. @throws SketchSyntaxError, RangeError where it says what no controller of ours writes */
export function readArchive(stored: ArchiveStatus | undefined): RunArchive {
  if (stored === undefined) return emptyArchive();
  const failureClasses: Partial<Record<FailureClass, number>> = {};
  for (const { class: name, count } of stored.failureClasses ?? []) failureClasses[name] = count;
  const archive: RunArchive = {
    outcomes: {
      Pending: stored.pending,
      Started: stored.started,
      Ready: stored.ready,
      Failed: stored.failed,
      Aborted: stored.aborted,
    },
    failureClasses,
    metrics: Object.fromEntries(
      METRICS.map((metric) => [metric, readMetric(metric, stored.metrics[metric])]),
    ) as Record<Metric, MetricArchive>,
    failed: (stored.failedPods ?? []).map(({ class: failureClass, ...pod }) => ({ ...pod, failureClass }) as FailedPod),
    skew: stored.clockSkew ?? NO_SKEW,
    firstCreatedMs: epochMsOf(stored.firstCreatedAt) ?? null,
  };
  if (archivedCount(archive) !== stored.results) {
    throw new RangeError(`the archive counts ${stored.results} results, its outcomes ${archivedCount(archive)}`);
  }
  return archive;
}

function readMetric(name: Metric, stored: ArchiveStatus['metrics'][Metric]): MetricArchive {
  const sketch = QuantileSketch.parse(stored.sketch);
  if (sketch.count !== stored.count) {
    throw new RangeError(`the archive of ${name} counts ${stored.count} values, its sketch ${sketch.count}`);
  }
  return {
    sumMs: stored.sumMs,
    minMs: stored.minMs ?? null,
    maxMs: stored.maxMs ?? null,
    failed: stored.failed,
    lost: stored.lost ?? 0,
    unmeasured: stored.unmeasured ?? 0,
    uncertain: stored.uncertain,
    sketch,
    worst: (stored.worst ?? []).map(
      ({ createdAt, ...pod }) =>
        ({ ...pod, createdAt: parseInstant(createdAt) ?? 0n }) as MetricArchive['worst'][number],
    ),
  };
}

/** Milliseconds since the epoch of an instant of a status, rounded down. */
export function epochMsOf(text: string | undefined): number | undefined {
  const instant = text === undefined ? undefined : parseInstant(text);
  return instant === undefined ? undefined : toEpochMs(instant);
}
