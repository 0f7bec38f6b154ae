import type { KubeObject, ResourceType } from '../../src/modules/kube/resource.js';

export const SITES: ResourceType = {
  group: 'example.datapath.observer',
  version: 'v1',
  plural: 'sites',
  kind: 'Site',
  namespaced: true,
};

export const CONFIG_MAPS: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
};

/** A site: a text, and the namespace where it is published. */
export interface Site extends KubeObject {
  readonly spec: { readonly text: string; readonly publishIn: string };
}

interface ConfigMap extends KubeObject {
  readonly metadata: KubeObject['metadata'] & { readonly namespace: string };
  readonly data: Readonly<Record<string, string>>;
}

/** The ConfigMap that a site wants. Pure: the same site gives the same ConfigMap. */
export function configMapOf({ metadata, spec }: Site): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: spec.publishIn, name: `site-${metadata.namespace ?? ''}-${metadata.name}` },
    data: { text: spec.text },
  };
}
