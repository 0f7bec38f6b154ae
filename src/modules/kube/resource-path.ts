import type { ObjectKey, ResourceType } from './resource.js';

/** Which objects of a kind a list or watch covers. Selectors are in the API's own grammar. */
export interface Scope {
  /** One namespace; all of them when left out. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** Query parameters; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** `/apis/<group>/<version>`, or `/api/v1` for the core group. */
function groupPath(type: ResourceType): string {
  return type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
}

/** The `apiVersion` of a kind: `v1`, or `group/version`. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** `pods`, or `leases.coordination.k8s.io`: the name of a resource in logs and metrics. */
export function resourceName(type: ResourceType): string {
  return type.group === '' ? type.plural : `${type.plural}.${type.group}`;
}

/** The path of a collection, in one namespace or (with `''` or nothing) across all. */
export function collectionPath(type: ResourceType, namespace?: string): string {
  const base = groupPath(type);
  return type.namespaced && namespace !== undefined && namespace !== ''
    ? `${base}/namespaces/${encodeURIComponent(namespace)}/${type.plural}`
    : `${base}/${type.plural}`;
}

/**
 * The path of one object, or of a subresource of it.
 *
 * @throws TypeError when the key's namespace doesn't fit the kind, which would address another collection
 */
export function objectPath(type: ResourceType, key: ObjectKey, subresource?: string): string {
  if (type.namespaced && key.namespace === '') {
    throw new TypeError(`${resourceName(type)} are namespaced, and "${key.name}" came without a namespace`);
  }
  if (key.name === '') throw new TypeError(`an object of ${resourceName(type)} was asked for without a name`);
  const path = `${collectionPath(type, key.namespace)}/${encodeURIComponent(key.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** The path with its query, values encoded. */
export function withQuery(path: string, query: Query | undefined): string {
  if (query === undefined) return path;
  let text = '';
  for (const name in query) {
    const value = query[name];
    if (value === undefined || value === '') continue;
    text += `${text === '' ? '?' : '&'}${name}=${encodeURIComponent(String(value))}`;
  }
  return path + text;
}
