import type { KubeObject, ResourceType } from '../../src/modules/kube/resource.js';

/** The custom resource of the operator tests: something with a size and a color. */
export const WIDGETS: ResourceType = {
  group: 'operator.test',
  version: 'v1',
  plural: 'widgets',
  kind: 'Widget',
  namespaced: true,
};

export interface Widget extends KubeObject {
  readonly spec?: { readonly size?: number; readonly color?: string };
  readonly status?: Readonly<Record<string, unknown>> & { readonly observedGeneration?: number };
}

export function widget(namespace: string, name: string, spec: Widget['spec'] = {}): Widget {
  return { apiVersion: 'operator.test/v1', kind: 'Widget', metadata: { namespace, name }, spec };
}
