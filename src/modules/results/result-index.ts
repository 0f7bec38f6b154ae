/**
 * The in-memory index of everything measured: one {@link ResultState} per Pod UID, kept up to date per event. The reconciler and
 * the Pod watcher write it; the API, the stream, the statistics and the telemetry read it. Every replica has one.
 */
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import type { ResultState } from '../../datapath/result-state.js';

/** One change of the index. Without `next` the result is gone; without `previous` it is new. */
export interface ResultChange {
  readonly uid: string;
  readonly previous?: ResultState;
  readonly next?: ResultState;
}

export class ResultIndex {
  readonly #states = new Map<string, ResultState>();
  readonly #changes = new Subject<ResultChange>();

  /** Emitted synchronously, after the index was changed. */
  readonly changes: Observable<ResultChange> = this.#changes.asObservable();

  get size(): number {
    return this.#states.size;
  }

  get(uid: string): ResultState | undefined {
    return this.#states.get(uid);
  }

  values(): IterableIterator<ResultState> {
    return this.#states.values();
  }

  /** Puts a state in place of the one with the same uid; the same object again is no change. */
  put(next: ResultState): void {
    const previous = this.#states.get(next.uid);
    if (previous === next) return;
    this.#states.set(next.uid, next);
    this.#changes.next(previous === undefined ? { uid: next.uid, next } : { uid: next.uid, previous, next });
  }

  remove(uid: string): void {
    const previous = this.#states.get(uid);
    if (previous === undefined) return;
    this.#states.delete(uid);
    this.#changes.next({ uid, previous });
  }
}
