import type { KubeObject, Projected, ReflectorEvent } from '../kube/resource.js';
import type { Whole } from './operator-options.js';

/**
 * Decides whether a change puts its keys into the queue. Additions and deletions are changes too; an event of `Synced` is never asked.
 *
 * A predicate saves work, it must not carry meaning: after a restart every key runs, whatever the predicate said before.
 */
export type Predicate<T extends Projected> = (event: Exclude<ReflectorEvent<T>, { type: 'Synced' }>) => boolean;

/** Passes additions, deletions, and modifications in which `select` gives another value (compared as JSON). */
export function changed<T extends Projected>(select: (object: T) => unknown): Predicate<T> {
  return (event) => event.type !== 'Modified' || !isSame(select(event.previous), select(event.object));
}

/** Passes objects for which `accept` is true; of a modification, when it is true before or after. */
export function when<T extends Projected>(accept: (object: T) => boolean): Predicate<T> {
  return (event) => accept(event.object) || (event.type === 'Modified' && accept(event.previous));
}

export function anyOf<T extends Projected>(...predicates: readonly Predicate<T>[]): Predicate<T> {
  return (event) => predicates.some((predicate) => predicate(event));
}

export function allOf<T extends Projected>(...predicates: readonly Predicate<T>[]): Predicate<T> {
  return (event) => predicates.every((predicate) => predicate(event));
}

/**
 * Passes changes of `metadata.generation`: of the spec, or the beginning of deletion. Labels, annotations and status don't move it, and
 * some kinds have no generation at all: combine it with the others.
 */
export const generationChanged: Predicate<Whole> = changed(({ object }) => [
  object.metadata.generation,
  object.metadata.deletionTimestamp,
]);

export const labelsChanged: Predicate<Whole> = changed(({ object }) => object.metadata.labels ?? {});

export const annotationsChanged: Predicate<Whole> = changed(({ object }) => object.metadata.annotations ?? {});

export const finalizersChanged: Predicate<Whole> = changed(({ object }) => object.metadata.finalizers ?? []);

/** Passes changes of the value at `path`, such as `spec.replicas`. */
export function fieldChanged(path: string): Predicate<Whole> {
  return changed(({ object }) => valueAt(object, path));
}

/**
 * The value at a path of an object: names separated by dots; a name that holds dots itself stands in brackets.
 *
 * @example valueAt(pod, 'metadata.annotations[example.com/size]')
 */
export function valueAt(object: KubeObject, path: string): unknown {
  let value: unknown = object;
  for (const name of parsePath(path)) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

const PATHS = new Map<string, readonly string[]>();

function parsePath(path: string): readonly string[] {
  let names = PATHS.get(path);
  if (names === undefined) {
    names = Array.from(path.matchAll(/\[([^\]]*)\]|[^.[\]]+/g), (match) => match[1] ?? match[0]);
    PATHS.set(path, names);
  }
  return names;
}

/** Whether two values are the same as JSON; the order of an object's members doesn't count. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const keys = Object.keys(left).filter((key) => left[key] !== undefined);
  if (keys.length !== Object.keys(right).filter((key) => right[key] !== undefined).length) return false;
  return keys.every((key) => isSame(left[key], right[key]));
}
