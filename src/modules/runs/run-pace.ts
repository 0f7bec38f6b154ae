/** When a run was written, when something of it moved, and whether it waits for a write: what is remembered of runs in this process. */
import { epochMsOf } from './run-view.js';
import type { RunView } from './run-view.js';

/**
 * The least time between two writes of a run's status, milliseconds: at most one every five seconds as the API server sees them, some
 * of whose requests are quicker on their way than others.
 */
export const WRITE_INTERVAL_MS = 5_100;

interface Memory {
  wroteMs: number | undefined;
  movedMs: number | undefined;
  touched: boolean;
}

export class RunPace {
  readonly #memories = new Map<string, Memory>();

  /**
   * Milliseconds until the run may be written. After a restart what the status says of its last write counts.
   *
   * @param nowMs monotonic milliseconds
   * @param epochMs milliseconds since the epoch
   */
  waitMs(run: RunView, nowMs: number, epochMs: number): number {
    const wroteMs = this.#memories.get(run.name)?.wroteMs;
    const sinceMs = wroteMs === undefined ? epochMs - (epochMsOf(run.status?.updatedAt) ?? 0) : nowMs - wroteMs;
    // A clock that was set back must not hold a run for longer.
    return sinceMs < 0 ? WRITE_INTERVAL_MS : Math.max(0, WRITE_INTERVAL_MS - sinceMs);
  }

  wrote(name: string, nowMs: number): void {
    this.#of(name).wroteMs = nowMs;
  }

  /** A Pod of the run came or had an end. */
  moved(name: string, nowMs: number): void {
    this.#of(name).movedMs = nowMs;
  }

  /** Milliseconds since something moved; where nothing is known of it, since this was first asked. */
  quietForMs(name: string, nowMs: number): number {
    const memory = this.#of(name);
    memory.movedMs ??= nowMs;
    return nowMs - memory.movedMs;
  }

  /** Marks the run as one that is to be looked at. @returns whether it wasn't marked yet */
  touch(name: string): boolean {
    const memory = this.#of(name);
    if (memory.touched) return false;
    memory.touched = true;
    return true;
  }

  /** It is looked at now: what changes from here on marks it again. */
  begin(name: string): void {
    this.#of(name).touched = false;
  }

  forget(name: string): void {
    this.#memories.delete(name);
  }

  #of(name: string): Memory {
    let memory = this.#memories.get(name);
    if (memory === undefined) {
      memory = { wroteMs: undefined, movedMs: undefined, touched: false };
      this.#memories.set(name, memory);
    }
    return memory;
  }
}
