/**
 * Opens the readiness gate of Pods that ask for it, when their datapath works. It is an option (`--readiness-gates`), for it needs the
 * right to write the status of Pods: without the flag the controller neither has nor demands it.
 *
 * Guarantees
 * - Only the condition `datapath.observer/ready` is written, by server-side apply, and only of Pods that name it in their spec.
 * - The Pod's uid goes along: a successor of the same name is never let in on its predecessor's word.
 * - Once true it stays true: it says that the datapath has worked, not that it works at this moment.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { ConditionObservation, PodObservation } from '../../datapath/pod-observation.js';
import { SETTINGS } from '../../settings/settings.js';
import type { Settings } from '../../settings/settings.js';
import { systemClock } from '../kube/clock.js';
import { isNotFound } from '../kube/kube-api-error.js';
import { KubeClient } from '../kube/kube-client.js';
import { formatKey } from '../kube/resource.js';
import type { Store } from '../kube/resource.js';
import { InjectStore, Operator, OperatorEngine, Reconcile } from '../operator/index.js';
import type { OperatorOptions, ReconcileOutcome, ReconcileRequest } from '../operator/index.js';
import { podSelection } from '../pods/pod-selection.js';
import { PODS } from '../pods/pod.resource.js';
import { projectMeasuredPod } from '../pods/project-pod.js';
import { gateCondition } from './readiness-gate.js';
import type { GateCondition } from './readiness-gate.js';
import { ResultIndex } from './result-index.js';

const NAME = 'readiness-gate';

@Operator({
  name: NAME,
  resource: PODS,
  project: projectMeasuredPod,
  predicate: (event) => isShut((event.object as PodObservation).gate),
  access: [{ resource: PODS, subresource: 'status', verbs: ['patch'] }],
})
@Injectable()
export class ReadinessGateReconciler {
  readonly #clock = systemClock;

  constructor(
    private readonly client: KubeClient,
    engine: OperatorEngine,
    private readonly index: ResultIndex,
    @InjectStore(PODS) private readonly pods: Store<PodObservation>,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {
    // A deadline that passes is no event of the Pod.
    index.changes.subscribe(({ next }) => {
      if (next !== undefined && isShut(this.pods.getByUid(next.uid)?.gate)) engine.enqueue(NAME, formatKey(next));
    });
  }

  operatorOptions(): Partial<OperatorOptions> {
    return podSelection(this.settings);
  }

  @Reconcile()
  reconcile(request: ReconcileRequest): ReconcileOutcome | Promise<ReconcileOutcome> {
    const pod = this.pods.get(request.key);
    if (pod?.gate === undefined || pod.deletionTimestamp !== undefined) return undefined;
    const state = this.index.get(pod.uid);
    const condition = state === undefined ? undefined : gateCondition(state, pod.gate, this.#clock.epochNs());
    return condition === undefined ? undefined : this.#write(pod, condition, request);
  }

  async #write(
    { namespace, name, uid }: PodObservation,
    condition: GateCondition,
    request: ReconcileRequest,
  ): Promise<ReconcileOutcome> {
    const body = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name, uid },
      status: { conditions: [condition] },
    };
    try {
      await this.client.patch(PODS, { namespace, name }, body, {
        kind: 'apply',
        fieldManager: 'datapath-readiness-gate',
        force: true,
        subresource: 'status',
        metadataOnly: true,
        signal: request.signal,
      });
    } catch (error) {
      // The Pod went meanwhile. A successor of its name makes it 422, and another run finds that one in the cache.
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  }
}

function isShut(gate: ConditionObservation | undefined): boolean {
  return gate?.status === false;
}
