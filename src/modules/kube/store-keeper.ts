import type { EventLoopBudget } from './event-loop-budget.js';
import type { ListenerSet } from './listener-set.js';
import type { StructuredLogger } from './logger.js';
import { ObjectStore } from './object-store.js';
import type { KubeObject, Projected } from './resource.js';

export interface StoreKeeperOptions<T extends Projected> {
  readonly resource: string;
  readonly project: (raw: KubeObject) => T;
  readonly listeners: ListenerSet<T>;
  readonly logger: StructuredLogger;
}

/**
 * Keeps a store equal to what the API server says, and tells each difference: one state at a time from a watch, or all at once from a list, which gathers in a
 * shadow until it is complete.
 *
 * The first list needs no shadow: it fills the empty store as it arrives, since nobody takes a store for complete before it is synced. So its work is done while
 * the server still sends. When it breaks off, the next list gathers in the shadow, and what is gone by then is told as gone.
 */
export class StoreKeeper<T extends Projected> {
  readonly store = new ObjectStore<T>();
  readonly #options: StoreKeeperOptions<T>;
  #shadow = new Map<string, T>();
  /** Whether the list under way fills the store itself. */
  #filling = true;
  /** Versions that couldn't be projected, by uid, until a later one of the object can be: the store is behind them, but not the watch. */
  #refused = new Map<string, string>();
  #shadowRefused = new Map<string, string>();
  #projectionErrors = 0;

  /** Told of each object that a watch deleted, for a verification that is under way. */
  onDeleted: ((uid: string) => void) | undefined;

  constructor(options: StoreKeeperOptions<T>) {
    this.#options = options;
  }

  /** How often an object couldn't be projected. */
  get projectionErrors(): number {
    return this.#projectionErrors;
  }

  /** The newest version of an object that arrived, also where it couldn't be projected. */
  newestVersion(uid: string): string | undefined {
    return this.#refused.get(uid) ?? this.store.getByUid(uid)?.resourceVersion;
  }

  /** Forgets what a list gathered that is over or broke off. */
  forgetList(): void {
    this.#filling = !this.store.synced && this.store.size === 0;
    this.#shadow = new Map();
    this.#shadowRefused = new Map();
  }

  /** Takes an object of a list in. */
  gather(raw: KubeObject, receivedAt: bigint): void {
    const { uid = '', resourceVersion } = raw.metadata;
    const known = this.store.getByUid(uid);
    const object =
      known?.resourceVersion === resourceVersion ? known : (this.#project(raw, this.#shadowRefused) ?? known);
    if (object === undefined) return;
    if (this.#filling) this.#takeListed(object, receivedAt);
    else this.#shadow.set(object.uid, object);
  }

  /** Takes a state from the watch into the store and delivers what it changes. */
  apply(type: string, raw: KubeObject, receivedAt: bigint): void {
    const { listeners } = this.#options;
    const object = this.#project(raw, this.#refused);
    if (type === 'DELETED') {
      const { uid = '' } = raw.metadata;
      const known = this.store.remove(uid);
      this.#refused.delete(uid);
      this.onDeleted?.(uid);
      // A last state that can't be projected still is a deletion.
      if (known !== undefined)
        listeners.deliver({ type: 'Deleted', object: object ?? known, stale: false, receivedAt });
      return;
    }
    if (object === undefined) return;
    const change = this.store.applyLive(object);
    if (change.kind === 'added') {
      if (change.replaced !== undefined) {
        this.onDeleted?.(change.replaced.uid);
        listeners.deliver({ type: 'Deleted', object: change.replaced, stale: true, receivedAt });
      }
      listeners.deliver({ type: 'Added', object, live: true, receivedAt });
    } else if (change.kind === 'modified') {
      listeners.deliver({ type: 'Modified', object, previous: change.previous, live: true, receivedAt });
    }
  }

  /**
   * The list is complete: makes the store equal to the shadow, delivering each difference; deletions first, so that a name is free before its new owner
   * comes. Yields to the event loop and asks `wanted` afterwards whether to go on.
   *
   * @returns false when it was broken off
   */
  async swap(receivedAt: bigint, budget: EventLoopBudget, wanted: () => boolean): Promise<boolean> {
    const { listeners } = this.#options;
    const shadow = this.#shadow;
    const gone: string[] = [];
    if (!this.#filling) for (const known of this.store.values()) if (!shadow.has(known.uid)) gone.push(known.uid);
    for (const uid of gone) {
      if (budget.spent()) await budget.nextTurn();
      if (!wanted()) return false;
      const object = this.store.remove(uid);
      if (object !== undefined) listeners.deliver({ type: 'Deleted', object, stale: true, receivedAt });
    }
    for (const object of shadow.values()) {
      if (budget.spent()) await budget.nextTurn();
      if (!wanted()) return false;
      this.#takeListed(object, receivedAt);
    }
    this.#refused = this.#shadowRefused;
    this.forgetList();
    return true;
  }

  #takeListed(object: T, receivedAt: bigint): void {
    const { listeners } = this.#options;
    const change = this.store.applyListed(object);
    if (change.kind === 'added') {
      listeners.deliver({ type: 'Added', object, live: false, receivedAt });
    } else if (change.kind === 'modified') {
      listeners.deliver({ type: 'Modified', object, previous: change.previous, live: false, receivedAt });
    }
  }

  /** An object that can't be projected is left out, or stays as it was when it last could be. */
  #project(raw: KubeObject, refused: Map<string, string>): T | undefined {
    const { uid = '', resourceVersion = '' } = raw.metadata;
    try {
      const object = this.#options.project(raw);
      if (refused.size > 0) refused.delete(uid);
      return object;
    } catch (error) {
      this.#projectionErrors++;
      refused.set(uid, resourceVersion);
      this.#options.logger.error('an object could not be projected', {
        resource: this.#options.resource,
        namespace: raw.metadata.namespace,
        object: raw.metadata.name,
        error,
      });
      return undefined;
    }
  }
}
