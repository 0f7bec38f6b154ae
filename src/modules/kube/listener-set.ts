import type { StructuredLogger } from './logger.js';
import type { Projected, ReflectorEvent } from './resource.js';

export type ReflectorListener<T extends Projected> = (event: ReflectorEvent<T>) => void;

/** Whoever wants to hear the changes of a store. A listener that throws harms neither the others nor the watch. */
export class ListenerSet<T extends Projected> {
  readonly #listeners = new Set<ReflectorListener<T>>();
  readonly #resource: string;
  readonly #logger: StructuredLogger;
  #errors = 0;

  constructor(resource: string, logger: StructuredLogger) {
    this.#resource = resource;
    this.#logger = logger;
  }

  /** How often a listener threw. */
  get errors(): number {
    return this.#errors;
  }

  /** @returns what ends the listening */
  add(listener: ReflectorListener<T>): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  deliver(event: ReflectorEvent<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#errors++;
        this.#logger.error('a listener of the reflector threw', { resource: this.#resource, type: event.type, error });
      }
    }
  }
}
