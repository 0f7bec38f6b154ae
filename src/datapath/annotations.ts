/** The keys by which reporter, Pod and controller know each other. Users have manifests with them: they never change. */

/** Process start of the reporter, RFC 3339. */
export const STARTED_AT = 'datapath.observer/started-at';
/** First successful probe, RFC 3339. */
export const READY_AT = 'datapath.observer/ready-at';
/** The whole report, compact JSON of at most {@link MAX_REPORT_BYTES}. */
export const REPORT = 'datapath.observer/report';
/** Names the run a Pod belongs to; on the Pod or on its namespace. */
export const RUN_LABEL = 'datapath.observer/run';

/** The condition that a Pod may name in `spec.readinessGates`: its datapath has worked. */
export const READINESS_GATE = 'datapath.observer/ready';

/** The keys of the Go reporter that people already run; RFC 3339 with 0 to 9 fraction digits. */
export const LEGACY_STARTED_AT = 'perf.github.com/azure-start-ts';
export const LEGACY_READY_AT = 'perf.github.com/azure-dp-ready-ts';

/** The container by which a Pod is known to carry a reporter, be it ordinary, init or a native sidecar. */
export const REPORTER_CONTAINER = 'datapath-reporter';

/** The bound of the report annotation, and of what is put into the termination message (kubelet's own bound is 4,096). */
export const MAX_REPORT_BYTES = 2048;
