/**
 * What the controller reads off a Pod, and keeps of it: a projection of about one kilobyte. Everything in it came from outside
 * and is taken as it is; what it means is decided in assess.ts.
 */

/** How the reporter runs in the Pod. `sidecar` is an init container with `restartPolicy: Always`. */
export type ReporterKind = 'container' | 'init' | 'sidecar';

/** The state of one container, reduced to what tells a cause. */
export interface ContainerObservation {
  readonly name: string;
  readonly restartCount: number;
  readonly waitingReason?: string;
  readonly waitingMessage?: string;
  /** The newest termination, be it the present state or the last one. */
  readonly terminated?: TerminationObservation;
  /** `startedAt` of the running or the terminated state, RFC 3339 with seconds. */
  readonly startedAt?: string;
}

export interface TerminationObservation {
  readonly exitCode: number;
  readonly reason?: string;
  /** The termination message: the report, where it is ours. */
  readonly message?: string;
  readonly finishedAt?: string;
  /** Whether this is the present state (the container isn't running). */
  readonly current: boolean;
}

/** A condition of the Pod that is dated: `lastTransitionTime` has whole seconds. */
export interface ConditionObservation {
  readonly status: boolean;
  readonly at?: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface PodObservation {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  /** RFC 3339 with seconds, truncated by the API server. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly nodeName?: string;
  readonly ownerKind?: string;
  readonly ownerName?: string;
  readonly ownerUid?: string;
  readonly phase: string;
  readonly reason?: string;
  readonly message?: string;
  readonly restartPolicy: string;

  readonly reporterKind?: ReporterKind;
  readonly reporter?: ContainerObservation;
  /** The first other container that waits for a telling reason (ImagePullBackOff, CrashLoopBackOff …). */
  readonly waiting?: ContainerObservation;
  /** The init container whose end the reporter still waits for. */
  readonly initializing?: string;

  readonly scheduled?: ConditionObservation;
  readonly sandboxReady?: ConditionObservation;
  readonly initialized?: ConditionObservation;
  readonly ready?: ConditionObservation;
  readonly disruption?: ConditionObservation;
  /** The condition of our readiness gate, where the Pod's spec names it; status false without a reason where it isn't written yet. */
  readonly gate?: ConditionObservation;

  /** Annotations as they stand, cut to 4,096 characters. */
  readonly startedAt?: string;
  readonly readyAt?: string;
  readonly report?: string;
  readonly legacyStartedAt?: string;
  readonly legacyReadyAt?: string;
}
