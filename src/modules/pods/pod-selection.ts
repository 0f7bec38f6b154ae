import type { PodObservation } from '../../datapath/pod-observation.js';
import type { Settings } from '../../settings/settings.js';
import type { OperatorOptions, Projector } from '../operator/index.js';
import { projectMeasuredPod, projectPod } from './project-pod.js';

export interface PodSelection extends Pick<OperatorOptions, 'namespaces' | 'labelSelector'> {
  readonly project: Projector<PodObservation>;
}

/** Which Pods are watched and what is kept of them: the same for every operator, so that one watch serves all. */
export function podSelection({ namespaces, labelSelector }: Settings): PodSelection {
  return {
    // With a selector every Pod of the watch is measured, also one without a reporter of ours.
    project: labelSelector === '' ? projectMeasuredPod : projectPod,
    labelSelector: labelSelector === '' ? undefined : labelSelector,
    namespaces: namespaces.length === 0 ? undefined : namespaces,
  };
}
