/** What a run was meant to be, and what is known of it beside the audit log. */

export const INVARIANTS = [
  'Unique',
  'Complete',
  'FirstWins',
  'Legal',
  'Frugal',
  'Fenced',
  'Conserved',
  'Honest',
  'Bounded',
  // Not of the system but of the run: that what was to be proven really happened.
  'Ran',
] as const;
export type Invariant = (typeof INVARIANTS)[number];

export interface Violation {
  readonly invariant: Invariant;
  readonly why: string;
}

/** What a controller's API said at one moment. Times are milliseconds since the epoch. */
export interface ApiAnswer {
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly namespace: string;
  /** Whether the answer claims to know everything. */
  readonly synced: boolean;
  /** Pods of the answer, whatever their outcome. */
  readonly total: number;
  /** UIDs of those that it reports as failed. */
  readonly failed: readonly string[];
}

/** How much a controller process held at one moment. What wasn't measured is left out. */
export interface ProcessSample {
  readonly at: number;
  readonly process: string;
  readonly rssBytes?: number;
  readonly heapBytes?: number;
  readonly sockets?: number;
  readonly queueDepth?: number;
  /** Results whose stored record is behind, and that wait for their write. */
  readonly waitingWrites?: number;
  readonly eventLoopDelayMs?: number;
}

export interface Limits {
  readonly rssBytes?: number;
  readonly sockets?: number;
  readonly queueDepth?: number;
  readonly waitingWrites?: number;
  readonly eventLoopDelayMs?: number;
  /** Requests that one controller may make within a minute, beside those that changes of Pods account for. Default 300. */
  readonly idleRequestsPerMinute?: number;
  /** Requests for each change of a Pod (create, patch, delete). Default 4. */
  readonly requestsPerChange?: number;
}

/** From the beginning of a fault until everything worked again, milliseconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Expectations {
  /** The fewest Pods with a reporter that must have been made. */
  readonly pods: number;
  /** The fewest controller processes that must have been at work: replicas and those started after kills. Default 1. */
  readonly controllers?: number;
  /** The fewest times that the lease must have gone from one holder to another. Default 0. */
  readonly leaderChanges?: number;
  /** Faults that were to be made, and when those that were lasted. A Pod that met one may cost more writes. */
  readonly faults?: { readonly intended: number; readonly happened: readonly Span[] };
  /** Fewest deletions of Pods. Default 0. */
  readonly deletions?: number;
  /** Whether only the holder of the lease may write. Default: whether a lease was written at all. */
  readonly leaderElection?: boolean;
  readonly namespaces?: readonly string[];
  /** Only what happened from then on, milliseconds since the epoch: where a control plane serves several runs. */
  readonly since?: number;
  readonly controllerUser?: string;
  readonly leaseName?: string;
  /**
   * How long a controller may take for a write that is due, milliseconds. Default 5,000; with leader election 30,000, since a lease
   * has to expire first.
   */
  readonly patienceMs?: number;
  /** The run was left alone until nothing changed any more: then even the newest Pod must be told. Default false. */
  readonly atRest?: boolean;
  /** When an open measurement fails, milliseconds; the controller's `--deadline`. Default 15 minutes. */
  readonly deadlineMs?: number;
  readonly answers?: readonly ApiAnswer[];
  readonly samples?: readonly ProcessSample[];
  readonly limits?: Limits;
}

export interface RunCount {
  readonly name: string;
  /** Writes of its status by controllers. */
  readonly writes: number;
  /** The least time between two of them as the API server received them, milliseconds. */
  readonly closestMs: number | undefined;
  /** Results whose numbers it keeps, by its last word. */
  readonly archived: number;
}

export interface Counts {
  readonly events: number;
  readonly pods: number;
  readonly results: number;
  readonly runs: readonly RunCount[];
  /** Requests of controllers that asked to write a result. */
  readonly writes: number;
  /** Those of them that came for a result which was gone already. */
  readonly writesForNothing: number;
  /** The most of them for one Pod that no kill and no change of leader met. */
  readonly mostWritesPerPod: number;
  /** Pods whose measurement was met by one. */
  readonly interruptedPods: number;
  readonly mostWritesPerInterruptedPod: number;
  readonly deletions: number;
  readonly controllers: number;
  readonly leaseWrites: number;
  readonly leaderChanges: number;
  readonly answers: number;
  readonly samples: number;
  readonly mostRequestsPerMinute: number;
  /** Results that controllers asked to delete, as their retention does: the most within any second. */
  readonly mostDeletionsPerSecond: number;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly counts: Counts;
}
