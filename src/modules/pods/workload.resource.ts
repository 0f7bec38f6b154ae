/**
 * The owners of Pods, as far as they say how many Pods there should be: by them a Pod that was never created is missed.
 */
import { REPORTER_CONTAINER } from '../../datapath/annotations.js';
import type { KubeObject, Projected, ResourceType } from '../kube/resource.js';

const apps = (plural: string, kind: string): ResourceType => ({
  group: 'apps',
  version: 'v1',
  plural,
  kind,
  namespaced: true,
});

export const DEPLOYMENTS = apps('deployments', 'Deployment');
export const REPLICA_SETS = apps('replicasets', 'ReplicaSet');
export const STATEFUL_SETS = apps('statefulsets', 'StatefulSet');
export const DAEMON_SETS = apps('daemonsets', 'DaemonSet');
export const JOBS: ResourceType = { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job', namespaced: true };
export const REPLICATION_CONTROLLERS: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'replicationcontrollers',
  kind: 'ReplicationController',
  namespaced: true,
};

/** Every kind of owner that is watched. */
export const WORKLOADS = [
  DEPLOYMENTS,
  REPLICA_SETS,
  STATEFUL_SETS,
  DAEMON_SETS,
  JOBS,
  REPLICATION_CONTROLLERS,
] as const;

/** What is cached of an owner. */
export interface WorkloadView extends Projected {
  /** How many Pods it wants now. */
  readonly desired: number;
  readonly templateLabels: Readonly<Record<string, string>>;
  /** Whether its Pod template names a reporter; an injected one is seen on its Pods only. */
  readonly carriesReporter: boolean;
  /** The uid of the Deployment that controls it, for a ReplicaSet: the Deployment then speaks for both. */
  readonly deploymentUid?: string;
}

interface WorkloadObject extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly parallelism?: number;
    readonly completions?: number;
    readonly suspend?: boolean;
    readonly template?: {
      readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
      readonly spec?: {
        readonly containers?: readonly { readonly name: string }[];
        readonly initContainers?: readonly { readonly name: string }[];
      };
    };
  };
  readonly status?: {
    readonly desiredNumberScheduled?: number;
    readonly succeeded?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** The projection of one kind: how many Pods are desired is said in another field by each. */
export function projectWorkload(type: ResourceType): (raw: KubeObject) => WorkloadView {
  const desiredOf = type === DAEMON_SETS ? ofDaemonSet : type === JOBS ? ofJob : ofReplicas;
  return (raw) => {
    const { metadata, spec } = raw as WorkloadObject;
    const template = spec?.template?.spec;
    const containers = [...(template?.initContainers ?? []), ...(template?.containers ?? [])];
    const owner = metadata.ownerReferences?.find(
      ({ controller, kind }) => controller === true && kind === 'Deployment',
    );
    return {
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      uid: metadata.uid ?? '',
      resourceVersion: metadata.resourceVersion ?? '',
      desired: metadata.deletionTimestamp === undefined ? desiredOf(raw) : 0,
      templateLabels: spec?.template?.metadata?.labels ?? {},
      carriesReporter: containers.some(({ name }) => name === REPORTER_CONTAINER),
      ...(owner === undefined ? {} : { deploymentUid: owner.uid }),
    };
  };
}

function ofReplicas({ spec }: WorkloadObject): number {
  return spec?.replicas ?? 1;
}

function ofDaemonSet({ status }: WorkloadObject): number {
  return status?.desiredNumberScheduled ?? 0;
}

/**
 * A Job's Pods: those that it would run now, and those that have succeeded, which still exist. One that is over or suspended
 * wants none beyond what has succeeded.
 */
function ofJob({ spec, status }: WorkloadObject): number {
  const succeeded = status?.succeeded ?? 0;
  const over = status?.conditions?.some(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  );
  if (over === true || spec?.suspend === true) return succeeded;
  const parallelism = spec?.parallelism ?? 1;
  const open = spec?.completions === undefined ? parallelism : Math.max(0, spec.completions - succeeded);
  return succeeded + Math.min(parallelism, open);
}
