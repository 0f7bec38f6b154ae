import type { ReflectorState } from './reflector-state.js';

/** How a reflector is. Times are milliseconds of the monotonic clock. */
export interface ReflectorStatus {
  readonly resource: string;
  readonly state: ReflectorState['name'];
  readonly synced: boolean;
  /** Objects in the store. */
  readonly size: number;
  /** Undefined before the first line. */
  readonly lastLineAt: number | undefined;
  /** The newest version that was taken in; `''` before the first list. */
  readonly resourceVersion: string;
  /** How often a watch was opened anew, by reason. */
  readonly restarts: Readonly<Record<string, number>>;
  /** How often the state was listed anew, by reason. */
  readonly relistsByReason: Readonly<Record<string, number>>;
  readonly relists: number;
  /** Differences that verifications found: what the watch should have delivered and didn't. */
  readonly missedEvents: number;
  readonly verifications: number;
  /** Objects that couldn't be projected and were left out. */
  readonly projectionErrors: number;
  /** How often a listener threw. */
  readonly listenerErrors: number;
  /** Whether this reflector has done nothing for longer than any of its own limits: a fault of this process. */
  readonly stuck: boolean;
}

/** Counts by a label. */
export class LabelCounter {
  readonly #counts: Record<string, number> = {};

  add(label: string): void {
    this.#counts[label] = (this.#counts[label] ?? 0) + 1;
  }

  get total(): number {
    return Object.values(this.#counts).reduce((sum, count) => sum + count, 0);
  }

  snapshot(): Readonly<Record<string, number>> {
    return { ...this.#counts };
  }
}
