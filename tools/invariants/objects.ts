/** The objects in the bodies of audit events, as far as they are read. Deliberately not the types of `src`: this is a second opinion. */

export interface Meta {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface PodObject {
  readonly kind?: string;
  readonly metadata: Meta;
  readonly spec?: {
    readonly containers?: readonly { readonly name: string }[];
    readonly initContainers?: readonly { readonly name: string }[];
  };
  readonly status?: { readonly phase?: string };
}

export interface ResultCondition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime: string;
}

export interface ResultStatus {
  readonly outcome?: string;
  readonly timeToStartMs?: number;
  readonly timeToDatapathReadyMs?: number;
  readonly datapathDelayMs?: number;
  readonly startedAt?: string;
  readonly datapathReadyAt?: string;
  readonly podDeletedAt?: string;
  readonly failure?: { readonly class?: string; readonly message?: string };
  readonly conditions?: readonly ResultCondition[];
}

export interface ResultObject {
  readonly kind?: string;
  readonly metadata: Meta;
  readonly spec?: {
    readonly podRef?: { readonly uid?: string; readonly name?: string; readonly namespace?: string };
    readonly runName?: string;
  };
  readonly status?: ResultStatus;
}

/** Results by outcome. */
export interface OutcomeCounts {
  readonly pending?: number;
  readonly started?: number;
  readonly ready?: number;
  readonly failed?: number;
  readonly aborted?: number;
}

/** The values of one metric of a run. */
export interface RunNumbers {
  readonly count?: number;
  readonly sumMs?: number;
  readonly minMs?: number;
  readonly maxMs?: number;
  readonly p50Ms?: number;
  readonly p90Ms?: number;
  readonly p99Ms?: number;
  readonly estimated?: boolean;
  readonly sketch?: string;
}

export interface RunStatus extends OutcomeCounts {
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
  readonly observedGeneration?: number;
  readonly verdict?: string;
  readonly completedAt?: string;
  readonly pods?: number;
  readonly metrics?: Readonly<Record<string, RunNumbers>>;
  readonly archive?: OutcomeCounts & {
    readonly results?: number;
    readonly metrics?: Readonly<Record<string, RunNumbers>>;
    readonly releasing?: readonly string[];
  };
}

export interface RunObject {
  readonly kind?: string;
  readonly metadata: Meta;
  readonly status?: RunStatus;
}

export interface LeaseObject {
  readonly kind?: string;
  readonly metadata: Meta;
  readonly spec?: {
    readonly holderIdentity?: string | null;
    readonly leaseDurationSeconds?: number;
    readonly leaseTransitions?: number;
  };
}

/** The object in a body, if it is one of that kind. */
export function objectOf<T extends { readonly kind?: string }>(body: unknown, kind: string): T | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const object = body as T & { readonly metadata?: unknown };
  return object.kind === kind && typeof object.metadata === 'object' ? object : undefined;
}

const REPORTER_CONTAINER = 'datapath-reporter';
export const STARTED_AT = ['datapath.observer/started-at', 'perf.github.com/azure-start-ts'] as const;
export const READY_AT = ['datapath.observer/ready-at', 'perf.github.com/azure-dp-ready-ts'] as const;
export const REPORT = 'datapath.observer/report';

export function carriesReporter(pod: PodObject): boolean {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  return (
    containers.some((container) => container.name === REPORTER_CONTAINER) ||
    [...STARTED_AT, ...READY_AT, REPORT].some((key) => pod.metadata.annotations?.[key] !== undefined)
  );
}

/** The first of several annotations that is there. */
export function annotated(
  annotations: Readonly<Record<string, string>> | undefined,
  keys: readonly string[],
): string | undefined {
  for (const key of keys) {
    const value = annotations?.[key];
    if (value !== undefined) return value;
  }
  return undefined;
}
