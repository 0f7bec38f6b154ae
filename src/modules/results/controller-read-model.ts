import { Injectable } from '@nestjs/common';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { ReadModel } from '../api/read-model.js';
import type { Workload } from '../api/read-model.js';
import type { Store } from '../kube/resource.js';
import { InjectStore, OperatorEngine } from '../operator/index.js';
import { PODS } from '../pods/pod.resource.js';
import { ResultIndex } from './result-index.js';

/** What the API reads: the index and the Pod cache of this replica. */
@Injectable()
export class ControllerReadModel extends ReadModel {
  constructor(
    private readonly engine: OperatorEngine,
    readonly index: ResultIndex,
    @InjectStore(PODS) readonly pods: Store<PodObservation>,
  ) {
    super();
  }

  get synced(): boolean {
    return this.engine.synced;
  }

  workloads(): Iterable<Workload> | undefined {
    return undefined;
  }
}
