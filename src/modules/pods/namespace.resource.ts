import type { KubeObject, Projected, ResourceType } from '../kube/resource.js';
import { RUN_LABEL } from '../../datapath/annotations.js';

/** Namespaces, as the API server serves them. */
export const NAMESPACES: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
};

/** What is cached of a namespace: the run that its label names, and what selectors and its end need. */
export interface NamespaceView extends Projected {
  readonly runName?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether it is being deleted: nothing can be created in it any more. */
  readonly terminating: boolean;
}

export function projectNamespace(raw: KubeObject): NamespaceView {
  const runName = raw.metadata.labels?.[RUN_LABEL];
  return {
    namespace: '',
    name: raw.metadata.name,
    uid: raw.metadata.uid ?? '',
    resourceVersion: raw.metadata.resourceVersion ?? '',
    ...(runName === undefined || runName === '' ? {} : { runName }),
    labels: raw.metadata.labels ?? {},
    terminating: raw.metadata.deletionTimestamp !== undefined,
  };
}
