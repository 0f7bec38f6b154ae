import type { KubeObject } from '../kube/resource.js';
import { isSame } from './predicates.js';
import type { WithStatus } from './status-writer.js';

/**
 * Why handlers of causes run for an object. Told from the object itself, so that a restart repeats and forgets nothing:
 *
 * - `create`: no generation of it was handled (`status.observedGeneration` is missing).
 * - `update`: its generation is newer than the one that was handled.
 * - `resume`: it was handled, by a process before this one or before this one led.
 * - `delete`: it is being deleted, and our finalizer holds it.
 * - `none`: nothing but time or its status changed.
 */
export type Cause = 'create' | 'update' | 'resume' | 'delete' | 'none';

/** When a timer is due that was given up: not before the object changes. */
export const NEVER = Number.POSITIVE_INFINITY;

/** What this process remembers of an object since it leads. All of it may be lost: the object then tells it anew, or work is repeated. */
export class Progress {
  /** The generation, or the content where the kind has none, that was handled here. */
  handledGeneration: number | undefined = undefined;
  handledContent: unknown = undefined;
  /** Whether the handlers of `resume`, or the first ones, ran here. */
  resumed = false;
  /** What `done` and `tries` are about. */
  epoch: unknown = undefined;
  /** Handlers that succeeded or were given up for this epoch. */
  readonly done = new Set<string>();
  readonly tries = new Map<string, number>();
  /** The values that handlers of fields last succeeded with, or were given up at. */
  readonly fields = new Map<string, unknown>();
  /** When each timer is due, monotonic milliseconds; {@link NEVER} once it was given up. */
  readonly timers = new Map<string, number>();

  constructor(readonly uid: string) {}

  /** Begins to count anew when the object has another generation, or is to be handled for another cause. */
  enter(epoch: unknown): void {
    if (isSame(this.epoch, epoch)) return;
    this.epoch = epoch;
    this.done.clear();
    this.tries.clear();
    for (const [id, due] of this.timers) if (due === NEVER) this.timers.delete(id);
  }
}

/** Whether causes can be told from the object, or only from memory: some kinds (ConfigMap, Secret, …) have no generation. */
export function hasGeneration(object: KubeObject): boolean {
  return object.metadata.generation !== undefined;
}

/**
 * The cause for a live object.
 *
 * @param fromStatus whether `status.observedGeneration` is this operator's own
 */
export function causeOf(object: WithStatus, progress: Progress, fromStatus: boolean): Exclude<Cause, 'delete'> {
  const { generation } = object.metadata;
  if (generation === undefined) {
    if (progress.handledContent === undefined) return 'create';
    return isSame(progress.handledContent, contentOf(object)) ? 'none' : 'update';
  }
  const observed = fromStatus ? object.status?.observedGeneration : undefined;
  const handled = Math.max(
    observed ?? Number.NEGATIVE_INFINITY,
    progress.handledGeneration ?? Number.NEGATIVE_INFINITY,
  );
  if (handled === Number.NEGATIVE_INFINITY) return 'create';
  if (handled < generation) return 'update';
  return progress.resumed ? 'none' : 'resume';
}

/** What a user sets of an object that has no generation: everything but its status and the server's part of its metadata. */
export function contentOf(object: KubeObject): unknown {
  const { status: _, metadata, ...rest } = object as WithStatus;
  return { ...rest, labels: metadata.labels, annotations: metadata.annotations };
}
