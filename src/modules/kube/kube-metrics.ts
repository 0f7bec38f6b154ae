/**
 * What the client and the reflectors count. Telemetry implements it with Prometheus; this module doesn't know how. Every call is
 * on a hot path: it must be cheap and must not throw.
 */
export interface KubeMetrics {
  /**
   * A request ended (`rest_client_requests_total`, `rest_client_request_duration_seconds`).
   *
   * @param code the HTTP status as text, or `<error>` where none arrived (as client-go counts it)
   * @param durationMs from the call to the last byte; for a watch, to its headers
   */
  requestCompleted(method: string, host: string, code: string, durationMs: number): void;
  /** A TLS (or TCP) connection was opened. */
  connectionOpened(host: string): void;
  /** A watch was started anew, for `reason`. */
  watchRestarted(resource: string, reason: string): void;
  /** A list was begun again although the store was filled, for `reason`. */
  relisted(resource: string, reason: string): void;
  /** A verification found `count` differences that the watch should have delivered. */
  eventsMissed(resource: string, count: number): void;
  /** A verification ended. */
  verified(resource: string): void;
}

const nothing = (): void => undefined;

/** Counts nothing. */
export const noMetrics: KubeMetrics = {
  requestCompleted: nothing,
  connectionOpened: nothing,
  watchRestarted: nothing,
  relisted: nothing,
  eventsMissed: nothing,
  verified: nothing,
};
