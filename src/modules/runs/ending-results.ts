/** The results that are being deleted and wait for their run to keep their numbers, by run. */
import { formatKey } from '../kube/resource.js';
import type { ReflectorEvent } from '../kube/resource.js';
import type { ResultView } from '../results/result-conversion.js';
import { isHeld } from './run-view.js';

/** How long the first deletion waits for those that come with it, so that they share one write. Milliseconds. */
export const GATHER_MS = 1_000;

interface Ending {
  readonly keys: Set<string>;
  readonly sinceMs: number;
}

export class EndingResults {
  readonly #byRun = new Map<string, Ending>();

  /** @param nowMs monotonic milliseconds */
  onEvent(event: ReflectorEvent<ResultView>, nowMs: number): void {
    if (event.type === 'Synced') return;
    const { object } = event;
    const run = object.runName;
    if (run === undefined) return;
    const key = formatKey(object);
    if (event.type !== 'Deleted' && object.deletionTimestamp !== undefined && isHeld(object)) {
      const ending = this.#byRun.get(run);
      if (ending === undefined) this.#byRun.set(run, { keys: new Set([key]), sinceMs: nowMs });
      else ending.keys.add(key);
      return;
    }
    const ending = this.#byRun.get(run);
    if (ending?.keys.delete(key) === true && ending.keys.size === 0) this.#byRun.delete(run);
  }

  has(run: string): boolean {
    return this.#byRun.has(run);
  }

  keys(run: string): Iterable<string> {
    return this.#byRun.get(run)?.keys ?? [];
  }

  /** Milliseconds until those that come together have come. */
  gatherMs(run: string, nowMs: number): number {
    const ending = this.#byRun.get(run);
    return ending === undefined ? 0 : Math.max(0, ending.sinceMs + GATHER_MS - nowMs);
  }
}
