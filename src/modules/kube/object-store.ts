import { formatKey, type Projected, type Store } from './resource.js';
import { compareVersions } from './resource-version.js';

/** What taking in an object changed. `replaced` is the object of the same key and another uid that had to go first. */
export type Change<T extends Projected> =
  | { readonly kind: 'added'; readonly replaced: T | undefined }
  | { readonly kind: 'modified'; readonly previous: T }
  | { readonly kind: 'unchanged' };

const UNCHANGED = { kind: 'unchanged' } as const;

/** The cache of one reflector: the newest known state of each object, by key and by uid. */
export class ObjectStore<T extends Projected> implements Store<T> {
  readonly #byKey = new Map<string, T>();
  readonly #byUid = new Map<string, T>();
  #synced = false;

  get synced(): boolean {
    return this.#synced;
  }

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): T | undefined {
    return this.#byKey.get(key);
  }

  getByUid(uid: string): T | undefined {
    return this.#byUid.get(uid);
  }

  values(): IterableIterator<T> {
    return this.#byKey.values();
  }

  markSynced(): void {
    this.#synced = true;
  }

  /**
   * Takes in a state that the watch delivered. One that isn't newer than the kept one of the same uid is a replay after a
   * reconnect and changes nothing.
   */
  applyLive(object: T): Change<T> {
    const known = this.#byUid.get(object.uid);
    if (known !== undefined && compareVersions(object.resourceVersion, known.resourceVersion) <= 0) return UNCHANGED;
    return this.#put(object, known);
  }

  /** Takes in a state that a list delivered. A list is the truth: only the same version changes nothing, even if versions went back. */
  applyListed(object: T): Change<T> {
    const known = this.#byUid.get(object.uid);
    if (known !== undefined && known.resourceVersion === object.resourceVersion) return UNCHANGED;
    return this.#put(object, known);
  }

  /** @returns what was kept under the uid, or nothing when it was unknown: a deletion of a predecessor of the same name does no harm */
  remove(uid: string): T | undefined {
    const known = this.#byUid.get(uid);
    if (known === undefined) return undefined;
    this.#byUid.delete(uid);
    const key = formatKey(known);
    if (this.#byKey.get(key)?.uid === uid) this.#byKey.delete(key);
    return known;
  }

  #put(object: T, known: T | undefined): Change<T> {
    const key = formatKey(object);
    this.#byUid.set(object.uid, object);
    if (known !== undefined) {
      this.#byKey.set(key, object);
      return { kind: 'modified', previous: known };
    }
    const replaced = this.#byKey.get(key);
    if (replaced !== undefined) this.#byUid.delete(replaced.uid);
    this.#byKey.set(key, object);
    return { kind: 'added', replaced };
  }
}
