/** When a run was written, when something of it moved, and whether it waits for a write: what is remembered of runs in this process. */
import { epochMsOf } from './run-view.js';
import type { RunView } from './run-view.js';

/** The least time between two writes of a run's status, milliseconds: at most one every five seconds as the API server sees them. */
export const WRITE_INTERVAL_MS = 5_100;
/**
 * A status that says it is older than this, milliseconds, was written long ago by any measure: a request on its way takes at most 30 s.
 */
const LONG_AGO_MS = 30_000 + WRITE_INTERVAL_MS;

interface Memory {
  /** When the API server had the last write, at the latest; monotonic milliseconds. */
  wroteMs: number | undefined;
  /** What the last status that was seen says of itself, milliseconds since the epoch. */
  updatedMs: number | undefined;
  movedMs: number | undefined;
  touched: boolean;
}

export class RunPace {
  readonly #memories = new Map<string, Memory>();

  /** Milliseconds until the run may be written. @param nowMs monotonic milliseconds */
  waitMs(name: string, nowMs: number): number {
    const wroteMs = this.#memories.get(name)?.wroteMs;
    return wroteMs === undefined ? 0 : Math.max(0, wroteMs + WRITE_INTERVAL_MS - nowMs);
  }

  /**
   * A version of the run came. The interval begins when a write is seen, not when its author sent it: a process that was killed, or an
   * answer that was lost, leaves no other word of when the API server took it.
   *
   * @param nowMs monotonic milliseconds
   * @param epochMs milliseconds since the epoch
   */
  saw({ name, status }: Pick<RunView, 'name' | 'status'>, nowMs: number, epochMs: number): void {
    const updatedMs = epochMsOf(status?.updatedAt);
    const memory = this.#of(name);
    if (updatedMs === undefined || updatedMs === memory.updatedMs) return;
    memory.updatedMs = updatedMs;
    if (epochMs - updatedMs <= LONG_AGO_MS) memory.wroteMs = nowMs;
  }

  /** The answer to a write came. */
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
      memory = { wroteMs: undefined, updatedMs: undefined, movedMs: undefined, touched: false };
      this.#memories.set(name, memory);
    }
    return memory;
  }
}
