import type { Observable } from 'rxjs';
import type { ReflectorListener } from '../kube/listener-set.js';
import type { ReflectorStatus } from '../kube/reflector-status.js';
import type { Projected, ResourceType, Store } from '../kube/resource.js';
import type { Projector } from './operator-options.js';

/** What the engine needs of a reflector. */
export interface ReflectorPort<T extends Projected = Projected> extends Store<T> {
  listen(listener: ReflectorListener<T>): () => void;
  start(): void;
  stop(): Promise<void>;
  status(): ReflectorStatus;
}

/** What one reflector watches. */
export interface ReflectorScope {
  readonly resource: ResourceType;
  readonly project: Projector;
  /** Undefined for all namespaces, or for a cluster-scoped resource. */
  readonly namespace: string | undefined;
  readonly labelSelector: string | undefined;
  readonly fieldSelector: string | undefined;
}

export type ReflectorFactory = (scope: ReflectorScope) => ReflectorPort;

/** What the engine needs of a leader election. */
export interface ElectorPort {
  /** Whether the lease is held at this very moment, by the monotonic clock. */
  isLeader(): boolean;
  /** Milliseconds for which it is still held without another renewal. */
  marginMs(): number;
  /** Throws `NotLeaderError` when it isn't held at this moment. */
  assertLeader(): void;
  /** Who holds it, as far as is known. */
  readonly holder: string | undefined;
  /** Emits the present state and every change. */
  readonly leading$: Observable<boolean>;
  start(): void;
  /** Ends the election and releases the lease. */
  stop(): Promise<void>;
}
