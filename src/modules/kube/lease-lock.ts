import { isNotFound } from './kube-api-error.js';
import type { KubeClient } from './kube-client.js';
import { collectionPath, objectPath } from './resource-path.js';
import type { ObjectKey, ObjectMeta, ResourceType } from './resource.js';

export const LEASES: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
};

/** The spec of a Lease. Times are `metav1.MicroTime`: RFC 3339 with six digits. */
export interface LeaseSpec {
  /** `''` when nobody holds it. */
  readonly holderIdentity?: string | null;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string | null;
  readonly renewTime?: string | null;
  readonly leaseTransitions?: number;
}

/** A Lease as it was at one version. */
export interface LeaseRecord {
  readonly uid: string;
  readonly version: string;
  readonly spec: LeaseSpec;
}

export interface LeaseCall {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/**
 * The one record that replicas compete for. A write succeeds only against the version that was read.
 *
 * @throws KubeApiError from each call: `isConflict` or `isNotFound` when another write came first, `isAlreadyExists` from a `create` that lost
 */
export interface LeaseLock {
  /** For logs. */
  readonly name: string;
  read(call: LeaseCall): Promise<LeaseRecord | undefined>;
  create(spec: LeaseSpec, call: LeaseCall): Promise<LeaseRecord>;
  /** Sets the given fields of the spec. */
  replace(before: LeaseRecord, spec: LeaseSpec, call: LeaseCall): Promise<LeaseRecord>;
}

interface Lease {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  readonly spec?: LeaseSpec;
}

/**
 * The record as a Lease of the API server. Needs the rights get, create and patch. Its writes aren't fenced: the lease itself
 * decides who may write.
 */
export class KubeLeaseLock implements LeaseLock {
  readonly #client: KubeClient;
  readonly #key: ObjectKey;

  constructor(client: KubeClient, key: ObjectKey) {
    this.#client = client;
    this.#key = key;
  }

  get name(): string {
    return `${this.#key.namespace}/${this.#key.name}`;
  }

  async read(call: LeaseCall): Promise<LeaseRecord | undefined> {
    try {
      return recordOf(await this.#client.get<Lease>(LEASES, this.#key, call));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async create(spec: LeaseSpec, call: LeaseCall): Promise<LeaseRecord> {
    const { namespace, name } = this.#key;
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace, name }, spec };
    const path = collectionPath(LEASES, namespace);
    return recordOf(await this.#client.request<Lease>({ method: 'POST', path, body, ...call }));
  }

  async replace(before: LeaseRecord, spec: LeaseSpec, call: LeaseCall): Promise<LeaseRecord> {
    const lease = await this.#client.request<Lease>({
      method: 'PATCH',
      path: objectPath(LEASES, this.#key),
      contentType: 'application/merge-patch+json',
      // The version makes it a compare-and-swap; the uid keeps it from a successor of the same name.
      body: { metadata: { uid: before.uid, resourceVersion: before.version }, spec },
      ...call,
    });
    return recordOf(lease);
  }
}

function recordOf({ metadata, spec = {} }: Lease): LeaseRecord {
  return { uid: metadata.uid ?? '', version: metadata.resourceVersion ?? '', spec };
}
