import { Inject, Injectable } from '@nestjs/common';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { SETTINGS } from '../../settings/settings.js';
import type { Settings } from '../../settings/settings.js';
import { matchesSelector, parseSelector } from '../../statistics/label-selector.js';
import { ReadModel } from '../api/read-model.js';
import type { KeptOfRuns, KnownRun, Workload, WorkloadKind } from '../api/read-model.js';
import type { Store } from '../kube/resource.js';
import { InjectStore, OperatorEngine } from '../operator/index.js';
import { PODS } from '../pods/pod.resource.js';
import { carriesReporter } from '../pods/project-pod.js';
import {
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  REPLICA_SETS,
  REPLICATION_CONTROLLERS,
  STATEFUL_SETS,
} from '../pods/workload.resource.js';
import type { WorkloadView } from '../pods/workload.resource.js';
import { RunDirectory } from '../runs/run-directory.js';
import { ResultIndex } from './result-index.js';

/** What the API reads: the index, and the caches of Pods and their owners, of this replica. */
@Injectable()
export class ControllerReadModel extends ReadModel {
  readonly pods: Store<PodObservation>;
  readonly #owners: readonly (readonly [WorkloadKind, Store<WorkloadView>])[];
  readonly #isMeasured: (workload: WorkloadView) => boolean;

  constructor(
    private readonly engine: OperatorEngine,
    readonly index: ResultIndex,
    @InjectStore(PODS) pods: Store<PodObservation>,
    @InjectStore(DEPLOYMENTS) deployments: Store<WorkloadView>,
    @InjectStore(REPLICA_SETS) private readonly replicaSets: Store<WorkloadView>,
    @InjectStore(STATEFUL_SETS) statefulSets: Store<WorkloadView>,
    @InjectStore(DAEMON_SETS) daemonSets: Store<WorkloadView>,
    @InjectStore(JOBS) jobs: Store<WorkloadView>,
    @InjectStore(REPLICATION_CONTROLLERS) replicationControllers: Store<WorkloadView>,
    private readonly runs: RunDirectory,
    @Inject(SETTINGS) settings: Settings,
  ) {
    super();
    this.#owners = [
      ['Deployment', deployments],
      ['ReplicaSet', replicaSets],
      ['StatefulSet', statefulSets],
      ['DaemonSet', daemonSets],
      ['Job', jobs],
      ['ReplicationController', replicationControllers],
    ];
    if (settings.labelSelector === '') {
      this.pods = new MeasuredPods(pods);
      this.#isMeasured = (workload) => workload.carriesReporter;
    } else {
      // The API server has applied the selector to the Pods already.
      const selector = parseSelector(settings.labelSelector);
      this.pods = pods;
      this.#isMeasured = (workload) => matchesSelector(selector, workload.templateLabels);
    }
  }

  get synced(): boolean {
    return this.engine.synced;
  }

  override runArchive(names: readonly string[]): KeptOfRuns | undefined {
    return this.runs.kept(names);
  }

  override newestRuns(limit: number): KnownRun[] {
    return this.runs
      .all()
      .toSorted((a, b) => b.createdMs - a.createdMs)
      .slice(0, limit)
      .map((run) => ({
        name: run.name,
        objectives: run.status?.verdict === undefined ? [] : (run.status.objectives ?? []),
        figures: (nowMs) => this.runs.figures(run, nowMs),
      }));
  }

  /** The owners whose Pods are measured: their template says so, or one of their Pods is (an injected reporter). */
  *workloads(): IterableIterator<Workload> {
    const owning = new Set<string>();
    for (const { ownerUid } of this.pods.values()) {
      if (ownerUid === undefined || owning.has(ownerUid)) continue;
      owning.add(ownerUid);
      const deploymentUid = this.replicaSets.getByUid(ownerUid)?.deploymentUid;
      if (deploymentUid !== undefined) owning.add(deploymentUid);
    }
    for (const [kind, store] of this.#owners) {
      for (const workload of store.values()) {
        if (workload.deploymentUid !== undefined) continue;
        if (!owning.has(workload.uid) && !this.#isMeasured(workload)) continue;
        const { namespace, name, uid, desired, templateLabels } = workload;
        yield { namespace, kind, name, uid, desired, templateLabels };
      }
    }
  }
}

/** The Pods of a cache that carry a reporter. */
class MeasuredPods implements Store<PodObservation> {
  constructor(private readonly all: Store<PodObservation>) {}

  get synced(): boolean {
    return this.all.synced;
  }

  get size(): number {
    let count = 0;
    for (const pod of this.all.values()) if (carriesReporter(pod)) count++;
    return count;
  }

  get(key: string): PodObservation | undefined {
    return measured(this.all.get(key));
  }

  getByUid(uid: string): PodObservation | undefined {
    return measured(this.all.getByUid(uid));
  }

  *values(): IterableIterator<PodObservation> {
    for (const pod of this.all.values()) if (carriesReporter(pod)) yield pod;
  }
}

function measured(pod: PodObservation | undefined): PodObservation | undefined {
  return pod !== undefined && carriesReporter(pod) ? pod : undefined;
}
