import { errorKind, errorText } from '../kube/error-text.js';
import type { LogDigest } from '../kube/log-digest.js';
import { formatKey, type Projected, type ReflectorEvent } from '../kube/resource.js';
import type { ControllerMetrics } from './operator-metrics.js';

/** Calls what an operator brings along for events: handlers, indexes, predicates, key maps. One that fails costs neither the event nor the watch. */
export class EventGuard {
  readonly #operator: string;
  readonly #metrics: ControllerMetrics;
  readonly #digest: LogDigest;

  constructor(operator: string, metrics: ControllerMetrics, digest: LogDigest) {
    this.#operator = operator;
    this.#metrics = metrics;
    this.#digest = digest;
  }

  /** @returns what `call` answers, or undefined when it threw */
  call<R>(what: string, event: ReflectorEvent<Projected>, call: () => R): R | undefined {
    const object = event.type === 'Synced' ? undefined : event.object;
    try {
      const result = call();
      if (result instanceof Promise) {
        // The type of a handler lets an async one pass; its rejection would end the process.
        result.catch((error: unknown) => {
          this.failed(what, event.type, object, error);
        });
      }
      return result;
    } catch (error) {
      this.failed(what, event.type, object, error);
      return undefined;
    }
  }

  /** Counts and logs a failure. @param object which it was called for, if any */
  failed(what: string, event: string, object: Projected | undefined, error: unknown): void {
    this.#metrics.eventHandlerFailed();
    const names = object === undefined ? [] : [formatKey(object), object.name];
    const kind = `${this.#operator} ${what} ${errorKind(error, names)}`;
    this.#digest.report('error', 'Handler of events failed', kind, {
      operator: this.#operator,
      handler: what,
      event,
      key: object === undefined ? undefined : formatKey(object),
      error: errorText(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
  }
}
