import type { EventNote } from '../kube/event-recorder.js';
import type { StructuredLogger } from '../kube/logger.js';
import type { NewCondition } from '../kube/conditions.js';
import type { Cause } from './causes.js';

/** What a handler of a cause is called with, beside the object. */
export interface HandlerContext {
  /** `namespace/name`, or `name` alone. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Aborted when the run takes too long, the lease is lost, or the process stops and its grace is over. Hand it to every call. */
  readonly signal: AbortSignal;
  /** `none` for a timer, or a field outside of `spec`. */
  readonly cause: Cause;
  /** 1 for this handler's first try at this generation of the object. */
  readonly attempt: number;
  /** `@OnField` only: the value now, and the one that the handler last succeeded with in this process. */
  readonly value: unknown;
  readonly previous: unknown;
  /** Sets fields of the object's status; `undefined` removes one. Written once after the handlers, and only where it differs. */
  setStatus(fields: Readonly<Record<string, unknown>>): void;
  /** Sets a condition of the object's status; `lastTransitionTime` moves only when its status flips. */
  setCondition(condition: Omit<NewCondition, 'observedGeneration'>): void;
  /**
   * Tells people something of the object, through an Event that `kubectl describe` shows. The same reason and message is told once in 10
   * minutes.
   */
  recordEvent(note: EventNote): void;
  readonly logger: StructuredLogger;
}
