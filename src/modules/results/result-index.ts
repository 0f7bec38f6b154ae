/**
 * The in-memory index of everything measured: one {@link ResultState} per Pod UID, kept up to date per event. The reconciler and
 * the Pod watcher write it; the API, the stream, the statistics and the telemetry read it. Every replica has one.
 *
 * Inside it is a {@link ResultTable}: `get` and `values` may make a new object each time, so compare contents, not identities, and
 * ask {@link table} where many results are looked at.
 */
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import type { ResultState } from '../../datapath/result-state.js';
import { ResultTable } from '../../statistics/result-table.js';
import { sameContent } from '../../statistics/same-content.js';

/** One change of the index. Without `next` the result is gone; without `previous` it is new. */
export interface ResultChange {
  readonly uid: string;
  readonly previous?: ResultState;
  readonly next?: ResultState;
}

/** The states that changed last are kept as they came: what changes is soon looked at again, and reading it from the table makes it anew. */
const RECENT = 2_048;

export class ResultIndex {
  readonly #recent = new Map<string, ResultState>();
  /** Goes on where it was: from the beginning of the map it would pass all that was deleted, each time. */
  readonly #oldest = this.#recent.keys();
  readonly #changes = new Subject<ResultChange>();

  /** The results in columns, for queries. */
  readonly table = new ResultTable();

  /** Emitted synchronously, after the index was changed. */
  readonly changes: Observable<ResultChange> = this.#changes.asObservable();

  get size(): number {
    return this.table.size;
  }

  get(uid: string): ResultState | undefined {
    return this.#recent.get(uid) ?? this.table.get(uid);
  }

  *values(): IterableIterator<ResultState> {
    for (const uid of this.table.uids()) {
      const state = this.table.get(uid);
      if (state !== undefined) yield state;
    }
  }

  /** Puts a state in place of the one with the same uid; the same content again is no change. */
  put(next: ResultState): void {
    const previous = this.get(next.uid);
    if (previous !== undefined && (previous === next || sameContent(previous, next))) return;
    this.table.put(next);
    this.#remember(next);
    this.#changes.next(previous === undefined ? { uid: next.uid, next } : { uid: next.uid, previous, next });
  }

  remove(uid: string): void {
    const previous = this.get(uid);
    if (previous === undefined) return;
    this.table.remove(uid);
    this.#recent.delete(uid);
    this.#changes.next({ uid, previous });
  }

  #remember(state: ResultState): void {
    // Taken out first, so that the map stays in the order of the changes.
    this.#recent.delete(state.uid);
    this.#recent.set(state.uid, state);
    if (this.#recent.size <= RECENT) return;
    const oldest = this.#oldest.next().value;
    if (oldest !== undefined) this.#recent.delete(oldest);
  }
}
