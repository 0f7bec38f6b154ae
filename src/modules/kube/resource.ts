/**
 * The words of the Kubernetes API that the rest of the code uses: kinds, object keys, metadata and the events of a reflector.
 * Nothing here does I/O.
 */

/** A kind that the API server serves, as it appears in URLs. `group` is `''` for the core group. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Where one object is. `namespace` is `''` for a cluster-scoped object. */
export interface ObjectKey {
  readonly namespace: string;
  readonly name: string;
}

/** A key as one string: `namespace/name`, or `name` alone where there is no namespace. */
export function formatKey(key: ObjectKey): string {
  return key.namespace === '' ? key.name : `${key.namespace}/${key.name}`;
}

/** The inverse of {@link formatKey}. */
export function parseKey(text: string): ObjectKey {
  const slash = text.indexOf('/');
  return slash < 0 ? { namespace: '', name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** The part of `metav1.ObjectMeta` that is read here. Times are RFC 3339 with seconds, as the API server writes them. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** Any object as the API server sends it. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

/**
 * What a cache keeps of an object: at least its identity. A projection drops the rest at the edge, so that a cached Pod costs
 * little memory. `resourceVersion` is opaque; it may only be compared for equality, or numerically with others of the same kind.
 */
export interface Projected {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/**
 * One change that a reflector delivers. Within one reflector, events come in the order of the API server's versions.
 *
 * - `live`: it came from the watch; otherwise from a list (the first one, or a relist).
 * - `stale`: the deletion was found by a relist or verification, so `object` is the last state known, not the last that was.
 * - `receivedAt`: nanoseconds since the Unix epoch at which the bytes of the event arrived at this process.
 */
export type ReflectorEvent<T extends Projected> =
  | { readonly type: 'Added'; readonly object: T; readonly live: boolean; readonly receivedAt: bigint }
  | {
      readonly type: 'Modified';
      readonly object: T;
      readonly previous: T;
      readonly live: boolean;
      readonly receivedAt: bigint;
    }
  | { readonly type: 'Deleted'; readonly object: T; readonly stale: boolean; readonly receivedAt: bigint }
  | { readonly type: 'Synced'; readonly receivedAt: bigint };

/** A read-only view of a reflector's cache, keyed as by {@link formatKey}. */
export interface Store<T extends Projected> {
  /** True once the first list was taken in completely. */
  readonly synced: boolean;
  readonly size: number;
  get(key: string): T | undefined;
  getByUid(uid: string): T | undefined;
  values(): IterableIterator<T>;
}
