/**
 * Since when a result says something else than what is stored: the clock of the write plan. Holds an entry only for results that
 * wait for their write, so that it doesn't grow with the number of results.
 */
import { isFinal } from '../../datapath/result-state.js';
import type { ResultChange } from './result-index.js';

interface Mark {
  readonly sinceMs: number;
  readonly final: boolean;
}

export class ChangeTimes {
  readonly #marks = new Map<string, Mark>();

  /** Takes a change of the index in, at `nowMs` of a monotonic clock. */
  onChange(change: ResultChange, nowMs: number): void {
    const { uid, next } = change;
    if (next === undefined) {
      this.#marks.delete(uid);
      return;
    }
    const mark = this.#marks.get(uid);
    const final = isFinal(next.outcome);
    // The end of the measurement starts the clock again: until then only what lasts is written.
    if (mark === undefined || (final && !mark.final)) this.#marks.set(uid, { sinceMs: nowMs, final });
  }

  /** Milliseconds since the change; infinite where none was noted, as on a leader that just began: then nothing is to be waited for. */
  elapsedMs(uid: string, nowMs: number): number {
    const mark = this.#marks.get(uid);
    return mark === undefined ? Number.POSITIVE_INFINITY : nowMs - mark.sinceMs;
  }

  /** What is stored is up to date. */
  settle(uid: string): void {
    this.#marks.delete(uid);
  }

  get size(): number {
    return this.#marks.size;
  }
}
