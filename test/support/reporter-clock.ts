import type { Clock, Timers } from '../../src/reporter/clock.js';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

/** A clock and timers that stand still until a test moves them; milliseconds from a start at 2026-01-01T00:00:00Z. */
export class ReporterClock implements Clock, Timers {
  readonly start = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;
  readonly monotonicStart = 0n;
  private nowMs = 0;
  private order = 0;
  private readonly pending = new Set<Pending>();

  at(monotonic: bigint): bigint {
    return this.start + monotonic;
  }

  now(): bigint {
    return this.at(this.monotonic());
  }

  monotonic(): bigint {
    return BigInt(Math.round(this.nowMs * 1e6));
  }

  after(ms: number, action: () => void): () => void {
    const pending = { at: this.nowMs + Math.max(0, ms), order: (this.order += 1), action };
    this.pending.add(pending);
    return () => void this.pending.delete(pending);
  }

  /** How many timers are set. */
  get timers(): number {
    return this.pending.size;
  }

  /** Moves on, calling what is due in its order; microtasks run in between. */
  async advance(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    for (;;) {
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      const due = [...this.pending].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.pending.delete(due);
      this.nowMs = Math.max(this.nowMs, due.at);
      due.action();
    }
    this.nowMs = end;
  }
}
