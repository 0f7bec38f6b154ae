import type { ResourceType } from '../kube/resource.js';

/** Pods, as the API server serves them. */
export const PODS: ResourceType = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true };
