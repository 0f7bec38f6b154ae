/** The closed lists of words of this domain: outcomes, failure classes, milestones, probe errors. One word per thing. */

/** How a Pod's measurement stands. `Pending` and `Started` are still open; pending is never a failure. */
export const OUTCOMES = ['Pending', 'Started', 'Ready', 'Failed', 'Aborted'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Why a Pod has no datapath readiness. The first that applies, most specific first. */
export const FAILURE_CLASSES = [
  'Unschedulable',
  'ImagePull',
  'SandboxNetwork',
  'ConfigError',
  'ReporterCrash',
  'ProbeTimeout',
  'PolicyNotEnforced',
  'ReportLost',
  'Evicted',
  'NodeLost',
  'DeletedBeforeStart',
  'DeletedBeforeReady',
  'InvalidReport',
  'DeadlineExceeded',
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** Why one probe attempt failed; the sub-class of `ProbeTimeout` is that of the last attempt. */
export const PROBE_ERROR_KINDS = [
  'dns',
  'refused',
  'connectTimeout',
  'noRoute',
  'reset',
  'tls',
  'httpStatus',
  'other',
] as const;
export type ProbeErrorKind = (typeof PROBE_ERROR_KINDS)[number];

/** The dated steps of a Pod's life, in the order in which they normally come. */
export const MILESTONE_NAMES = [
  'created',
  'scheduled',
  'sandboxReady',
  'started',
  'datapathReady',
  'initialized',
  'ready',
] as const;
export type MilestoneName = (typeof MILESTONE_NAMES)[number];

/** Where an instant of creation comes from, which decides its resolution. */
export const CREATION_SOURCES = ['WatchReceipt', 'CreationTimestamp'] as const;
export type CreationSource = (typeof CREATION_SOURCES)[number];

/** The statistics that can be asked for, each in whole milliseconds. */
export const METRICS = ['timeToStart', 'timeToDatapathReady', 'datapathDelay'] as const;
export type Metric = (typeof METRICS)[number];

export function isOneOf<T extends string>(list: readonly T[], value: unknown): value is T {
  return typeof value === 'string' && (list as readonly string[]).includes(value);
}
