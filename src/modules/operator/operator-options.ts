import type {
  KubeObject,
  ObjectMeta,
  OwnerReference,
  Projected,
  ReflectorEvent,
  ResourceType,
} from '../kube/resource.js';
import { formatKey } from '../kube/resource.js';
import { apiVersionOf } from '../kube/resource-path.js';
import type { Predicate } from './predicates.js';
import type { WorkQueueSettings } from './work-queue.js';

/** Makes of an object what the cache keeps of it. Pure; called once for each version of each object. */
export type Projector<T extends Projected = Projected> = (raw: KubeObject) => T;

/** An object that is kept whole, except for its managedFields. */
export interface Whole<T extends KubeObject = KubeObject> extends Projected {
  readonly object: T;
}

/** Keeps the whole object. The default where `project` is left out; right for thousands of objects, not for a hundred thousand. */
export function wholeObject(raw: KubeObject): Whole {
  const { managedFields: _, ...metadata } = raw.metadata as ObjectMeta & { managedFields?: unknown };
  return { ...identityOf(raw), object: { ...raw, metadata } };
}

/** The part of an object that every cache keeps. */
export function identityOf(raw: KubeObject): Projected {
  const { namespace, name, uid, resourceVersion } = raw.metadata;
  return { namespace: namespace ?? '', name, uid: uid ?? '', resourceVersion: resourceVersion ?? '' };
}

/** What {@link owns} keeps of an owned object. */
export interface OwnedView extends Projected {
  readonly owners: readonly OwnerReference[];
}

/** Which objects of a resource are watched. Both selectors are applied by the API server. */
export interface Selection {
  /** As in `kubectl -l`. Default: all. */
  readonly labelSelector?: string | undefined;
  /** As in `kubectl --field-selector`. Default: all. */
  readonly fieldSelector?: string | undefined;
  /** Namespaces to watch, each by a watch of its own. Default: all, by one watch. A cluster-scoped resource ignores them. */
  readonly namespaces?: readonly string[] | undefined;
}

/** A further resource that an operator watches. Made by {@link watch}, {@link owns} or {@link reads}. */
export interface WatchSpec extends Selection {
  readonly resource: ResourceType;
  readonly project: Projector;
  /** The keys of the operator's own resource that a change of this object concerns. */
  readonly toKeys: (object: Projected) => readonly string[];
  /** Whether a change puts its keys into the queue. Default: every change. */
  readonly predicate?: Predicate<Projected> | undefined;
}

/** A right that a handler needs beyond those that follow from what it watches. */
export interface Access {
  readonly resource: ResourceType;
  /** `create`, `update`, `patch`, `delete`, `get`, … */
  readonly verbs: readonly string[];
  readonly subresource?: string | undefined;
}

/** The settings of one operator. Durations in milliseconds. */
export interface OperatorOptions extends Selection {
  /** Names it in logs, metrics and debug pages, and its finalizer where none is given. Unique in a process. */
  readonly name: string;
  /** Its own resource: the queue holds this resource's keys. */
  readonly resource: ResourceType;
  /** What the cache keeps of it. Default: {@link wholeObject}, which cause handlers (`@OnCreate` …) need. */
  readonly project?: Projector | undefined;
  /** Whether a change of its own resource puts the key into the queue. Default: every change. */
  readonly predicate?: Predicate<Projected> | undefined;
  /** Further resources whose changes concern its keys. */
  readonly watches?: readonly WatchSpec[] | undefined;
  /**
   * Keys that no cache names and that are to run too when this replica begins to run, such as those of objects that came and went
   * while no replica led. Between them it may give `undefined`, so that a long search leaves the event loop to others. Default: none.
   */
  readonly moreKeys?: (() => Iterable<string | undefined>) | undefined;
  /** Keys that run at once. Default 4: enough to hide the API server's latency, small beside its flow control. */
  readonly maxConcurrentReconciles?: number | undefined;
  /**
   * So few keys run at once while runs take several times as long as the quickest of the last minutes: what the operator writes then gives way to what
   * its users write. Default: as many as ever. For an operator whose runs wait for the API server alone.
   */
  readonly leastConcurrentReconciles?: number | undefined;
  /** After so long a run's signal is aborted. Default 60,000: the API server's own limit for a request. */
  readonly reconcileTimeoutMs?: number | undefined;
  /** How long a key waits at most until the cache holds its own last write. Default 5,000: a watch is rarely later, and a version may never come. */
  readonly ownWriteWaitMs?: number | undefined;
  /**
   * Whether the event that only brings back a recorded write is left out of the queue. Default false. Safe for a reconciler whose
   * last act is that write: see {@link OperatorEngine.recordWrite}.
   */
  readonly skipOwnWrites?: boolean | undefined;
  /** The queue's backoff and fairness. Default: 0.5 s ×2 to 5 min. */
  readonly queue?: Partial<WorkQueueSettings> | undefined;
  /** The finalizer that `@OnDelete` brings. Default: `<group of the resource>/<name>`; must be given for the core group. */
  readonly finalizer?: string | undefined;
  /**
   * Where handlers of causes keep what they handled. `status`: in `status.observedGeneration`, so that a restart knows it; at most one operator
   * of a resource. `memory` for kinds whose status belongs to somebody else or that have none; a restart is then a new `create`. Default `status`,
   * and `memory` for Kubernetes' own groups (`apps`, `batch`, `*.k8s.io`, …), whose status its controllers write.
   */
  readonly progress?: 'status' | 'memory' | undefined;
  /** What the handlers write, and what they read without watching it: becomes RBAC rules, checked at the start. */
  readonly access?: readonly Access[] | undefined;
}

/** Where an operator keeps what it handled. */
export function progressOf({ progress, resource: { group } }: OperatorOptions): 'status' | 'memory' {
  // Groups of custom resources have a domain.
  return progress ?? (!group.includes('.') || group.endsWith('.k8s.io') ? 'memory' : 'status');
}

export const DEFAULT_OPERATOR_OPTIONS = {
  maxConcurrentReconciles: 4,
  reconcileTimeoutMs: 60_000,
  ownWriteWaitMs: 5_000,
} as const;

/** An operator class may decide settings at run time, from the process's configuration. What it gives wins over the decorator. */
export interface OperatorOptionsSource {
  operatorOptions(): Partial<OperatorOptions>;
}

export interface WatchOptions<T extends Projected> extends Selection {
  readonly resource: ResourceType;
  readonly project: Projector<T>;
  readonly toKeys: (object: T) => readonly string[];
  readonly predicate?: Predicate<T> | undefined;
}

/** Watches a resource whose objects concern keys of the operator's own. */
export function watch<T extends Projected>(options: WatchOptions<T>): WatchSpec {
  // The reflector of this resource uses this very projection, so its objects are T.
  return options as unknown as WatchSpec;
}

/** The key map of {@link reads}. Known by identity, so that its objects aren't even looked at. */
export const noKeys = (): readonly string[] => [];

/** Watches a resource only to read it from the cache: its changes concern no key. */
export function reads<T extends Projected>(options: Omit<WatchOptions<T>, 'toKeys' | 'predicate'>): WatchSpec {
  return { ...options, toKeys: noKeys };
}

/**
 * Watches the objects that the operator's own objects own: a change concerns the owner named in `ownerReferences`.
 *
 * @param owner the operator's own resource
 */
export function owns(
  owner: ResourceType,
  options: Selection & { readonly resource: ResourceType; readonly predicate?: Predicate<OwnedView> | undefined },
): WatchSpec {
  const apiVersion = apiVersionOf(owner);
  return watch<OwnedView>({
    ...options,
    project: projectOwned,
    toKeys: (object) =>
      object.owners
        .filter((reference) => reference.kind === owner.kind && reference.apiVersion === apiVersion)
        .map((reference) => formatKey({ namespace: owner.namespaced ? object.namespace : '', name: reference.name })),
  });
}

function projectOwned(raw: KubeObject): OwnedView {
  return { ...identityOf(raw), owners: raw.metadata.ownerReferences ?? [] };
}

/** What a handler of `@OnEvent` is called with. */
export type EventHandler<T extends Projected = Projected> = (event: ReflectorEvent<T>) => void;
