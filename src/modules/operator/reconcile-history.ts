/** How one run of a key ended. */
export type RunOutcome = 'success' | 'requeue_after' | 'error' | 'terminal_error' | 'timeout' | 'fenced' | 'aborted';

/** One run of a key, as `GET /debug/operator/keys/{key}` shows it. */
export interface HistoryRecord {
  readonly key: string;
  /** When it ended, RFC 3339. */
  readonly at: string;
  readonly reason: string;
  readonly attempt: number;
  readonly outcome: RunOutcome;
  readonly durationMs: number;
  /** How long it waited in the queue before. */
  readonly waitedMs: number;
  /** After how long it was to run again; null where it was not. */
  readonly nextRunAfterMs: number | null;
  /** The message of the error, at most 512 characters; null where there was none. */
  readonly error: string | null;
}

interface Slot {
  key: string;
  epochMs: number;
  reason: string;
  attempt: number;
  outcome: RunOutcome;
  durationMs: number;
  waitedMs: number;
  nextRunAfterMs: number | null;
  error: string | null;
}

const MAX_ERROR_LENGTH = 512;

/**
 * The last runs of one operator, in a ring of fixed size: memory doesn't grow with the number of keys, and a busy operator's
 * older runs are overwritten.
 */
export class ReconcileHistory {
  readonly #slots: Slot[] = [];
  readonly #capacity: number;
  #next = 0;

  /** @param capacity most runs that are remembered. Default 4,096: about 600 KB at the most. */
  constructor(capacity = 4_096) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#slots.length;
  }

  record(run: Slot): void {
    if (run.error !== null && run.error.length > MAX_ERROR_LENGTH) run.error = run.error.slice(0, MAX_ERROR_LENGTH);
    this.#slots[this.#next] = run;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** The runs of a key that are still remembered, newest first. */
  of(key: string): HistoryRecord[] {
    const found: HistoryRecord[] = [];
    const count = this.#slots.length;
    for (let back = 1; back <= count; back += 1) {
      const slot = this.#slots[(this.#next - back + count) % count];
      if (slot?.key !== key) continue;
      const { epochMs, ...rest } = slot;
      found.push({ ...rest, at: new Date(epochMs).toISOString() });
    }
    return found;
  }
}
