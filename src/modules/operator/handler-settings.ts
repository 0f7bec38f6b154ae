import type { KubeObject } from '../kube/resource.js';

/** Which objects a cause handler runs for. All that are given must hold. */
export interface CauseFilter {
  /** Labels by name: a value, or whether the label is there at all. */
  readonly labels?: Readonly<Record<string, string | boolean>> | undefined;
  /** Annotations by name: a value, or whether the annotation is there at all. */
  readonly annotations?: Readonly<Record<string, string | boolean>> | undefined;
  /** Any other test of the object. Pure. */
  readonly when?: ((object: KubeObject) => boolean) | undefined;
}

/** The settings of one cause handler. Durations in milliseconds. */
export interface HandlerSettings extends CauseFilter {
  /** Tries until the handler is given up for this generation of the object, as if it had thrown a PermanentError. Default: no limit. */
  readonly retries?: number | undefined;
  /** The delay between its tries. Default: the queue's backoff. */
  readonly retryDelayMs?: number | undefined;
}

export interface TimerSettings extends HandlerSettings {
  /** From the end of one run to the start of the next. */
  readonly intervalMs: number;
  /** Until the first run after a start, or after the object appeared. Default 0. */
  readonly initialDelayMs?: number | undefined;
}

/** Whether a handler with this filter runs for the object. */
export function isAccepted(filter: CauseFilter, object: KubeObject): boolean {
  return (
    holds(filter.labels, object.metadata.labels) &&
    holds(filter.annotations, object.metadata.annotations) &&
    (filter.when?.(object) ?? true)
  );
}

function holds(
  wanted: Readonly<Record<string, string | boolean>> | undefined,
  present: Readonly<Record<string, string>> | undefined,
): boolean {
  if (wanted === undefined) return true;
  return Object.entries(wanted).every(([name, value]) =>
    typeof value === 'boolean' ? (present?.[name] !== undefined) === value : present?.[name] === value,
  );
}
