import { isDelay } from '../kube/clock.js';

/**
 * A failure that is expected to pass. The key runs again after `delayMs`; without one, after its backoff.
 *
 * @example throw new TemporaryError('the volume is still attaching', { delayMs: 5_000 });
 */
export class TemporaryError extends Error {
  override readonly name = 'TemporaryError';
  /** Milliseconds until the next try. */
  readonly delayMs: number | undefined;

  /** @throws RangeError when `delayMs` isn't 0 or more milliseconds */
  constructor(message: string, options: { readonly delayMs?: number | undefined; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    if (options.delayMs !== undefined && !isDelay(options.delayMs)) {
      throw new RangeError(`delayMs must be 0 or more milliseconds, not ${options.delayMs} (in "${message}")`);
    }
    this.delayMs = options.delayMs;
  }
}

/** A failure that no retry can mend: it is counted and logged, and the key rests until its objects change. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError';

  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
  }
}

/** The reason of an aborted signal: the run took longer than the operator's `reconcileTimeoutMs`. */
export class ReconcileTimeoutError extends Error {
  override readonly name = 'ReconcileTimeoutError';
}

/** The reason of an aborted signal: this replica stops, or lost its lease. The run isn't counted as an error. */
export class ReconcileAbortedError extends Error {
  override readonly name = 'ReconcileAbortedError';
}

/** The operator is declared wrongly, or can't start: the message names the operator, what is wrong and what to do. */
export class OperatorStartError extends Error {
  override readonly name = 'OperatorStartError';
}
