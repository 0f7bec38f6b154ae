/**
 * What the API reads: a provider of this class is given by the application, in a global module. All of it is in memory; no call of the API waits for
 * Kubernetes (but for the check of who may ask).
 */
import type { PodObservation } from '../../datapath/pod-observation.js';
import type { RunArchive } from '../../statistics/run-archive.js';
import type { RunFigures } from '../../statistics/run-figures.js';
import type { Verdict } from '../../statistics/objective.js';
import type { Metric } from '../../datapath/vocabulary.js';
import type { Store } from '../kube/resource.js';
import type { ResultIndex } from '../results/result-index.js';

/** An owner of Pods, as far as it says how many there should be. */
export interface Workload {
  readonly namespace: string;
  readonly kind: WorkloadKind;
  readonly name: string;
  readonly uid: string;
  /** How many Pods it wants now: `spec.replicas`, `status.desiredNumberScheduled`, a Job's completions or else its parallelism. */
  readonly desired: number;
  /** The labels of its Pod template, by which a selector finds it even where no Pod exists. */
  readonly templateLabels: Readonly<Record<string, string>>;
}

/**
 * The kinds that count: a ReplicaSet only where no Deployment controls it, since a Deployment speaks for its ReplicaSets.
 */
export const WORKLOAD_KINDS = [
  'Deployment',
  'ReplicaSet',
  'ReplicationController',
  'StatefulSet',
  'DaemonSet',
  'Job',
] as const;
export type WorkloadKind = (typeof WORKLOAD_KINDS)[number];

export abstract class ReadModel {
  /** Whether every cache behind this was filled: before that, no question is answered. */
  abstract readonly synced: boolean;

  /** Everything measured. */
  abstract readonly index: ResultIndex;

  /** The Pods that are watched: those with a reporter, or matching the configured selector. */
  abstract readonly pods: Store<PodObservation>;

  /** The owners of Pods, or `undefined` where they aren't watched: then each existing Pod counts as one desired. */
  abstract workloads(): Iterable<Workload> | undefined;

  /** What these runs keep of results that were deleted; `undefined` where they keep nothing, or there are no runs. */
  runArchive(_runs: readonly string[]): KeptOfRuns | undefined {
    return undefined;
  }

  /** The runs that were made last, at most `limit`, newest first. */
  newestRuns(_limit: number): KnownRun[] {
    return [];
  }
}

/** A run as far as its gauges need it. */
export interface KnownRun {
  readonly name: string;
  /** Empty until the run has a verdict. */
  readonly objectives: readonly {
    readonly metric: Metric;
    readonly statistic: string;
    readonly thresholdMs: number;
    readonly verdict: Verdict;
  }[];
  /** Computes them, in a few passes over all results. @param nowMs milliseconds since the epoch */
  figures(nowMs: number): RunFigures;
}

/** The numbers of deleted results, and the slots of those that are still there although they are among them. */
export interface KeptOfRuns {
  readonly archive: RunArchive;
  readonly slots: readonly number[];
}
