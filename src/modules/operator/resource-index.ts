import { formatKey, type Projected, type ReflectorEvent } from '../kube/resource.js';

const NOTHING: ReadonlySet<string> = new Set();

/** Finds the keys of objects by a value that a method of `@Index` gives them. Kept in step with the cache, event by event. */
export class ResourceIndex {
  readonly #keysByValue = new Map<string, Set<string>>();

  constructor(readonly name: string) {}

  /** Values that have at least one object. */
  get size(): number {
    return this.#keysByValue.size;
  }

  /** The keys of the objects that have the value. The set changes with the cache: copy it to keep it. */
  keys(value: string): ReadonlySet<string> {
    return this.#keysByValue.get(value) ?? NOTHING;
  }

  values(): IterableIterator<string> {
    return this.#keysByValue.keys();
  }

  /** Takes in one event. `select` must give the same values for the same object each time. */
  apply<T extends Projected>(
    event: ReflectorEvent<T>,
    select: (object: T) => string | readonly string[] | undefined,
  ): void {
    switch (event.type) {
      case 'Added':
        this.#put(event.object, select);
        return;
      case 'Modified':
        this.#remove(event.previous, select);
        this.#put(event.object, select);
        return;
      case 'Deleted':
        this.#remove(event.object, select);
        return;
      case 'Synced':
        return;
      default: {
        const exhaustiveCheck: never = event;
        return exhaustiveCheck;
      }
    }
  }

  #put<T extends Projected>(object: T, select: (object: T) => string | readonly string[] | undefined): void {
    for (const value of listOf(select(object))) {
      const keys = this.#keysByValue.get(value);
      if (keys === undefined) this.#keysByValue.set(value, new Set([formatKey(object)]));
      else keys.add(formatKey(object));
    }
  }

  #remove<T extends Projected>(object: T, select: (object: T) => string | readonly string[] | undefined): void {
    for (const value of listOf(select(object))) {
      const keys = this.#keysByValue.get(value);
      keys?.delete(formatKey(object));
      if (keys?.size === 0) this.#keysByValue.delete(value);
    }
  }
}

function listOf(values: string | readonly string[] | undefined): readonly string[] {
  if (values === undefined) return [];
  return typeof values === 'string' ? [values] : values;
}
