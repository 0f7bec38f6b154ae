import { Inject, Injectable } from '@nestjs/common';
import { OperatorEngine } from './operator-engine.service.js';
import type { HistoryRecord } from './reconcile-history.js';

/** What one operator knows of a key. */
export interface KeyReport {
  readonly operator: string;
  /** Whether the key waits, runs, or is delayed now. */
  readonly queued: boolean;
  /** How long its run is under way, milliseconds; null where none is. */
  readonly runningMs: number | null;
  /** Errors since the last success. */
  readonly failures: number;
  /** The runs that are still remembered, newest first. */
  readonly runs: readonly HistoryRecord[];
}

/** Why a key ran, how its runs ended, and when it runs next: for `GET /debug/operator/keys/{key}`. */
@Injectable()
export class OperatorDebugService {
  readonly #engine: OperatorEngine;

  constructor(@Inject(OperatorEngine) engine: OperatorEngine) {
    this.#engine = engine;
  }

  /** What each operator knows of a key; operators that know nothing of it are left out. */
  key(key: string): readonly KeyReport[] {
    return [...this.#engine.runners.values()]
      .map(({ name, pool }) => ({
        operator: name,
        queued: pool.queue.has(key),
        runningMs: pool.runningMs(key) ?? null,
        failures: pool.queue.failures(key),
        runs: pool.history.of(key),
      }))
      .filter(({ queued, runs }) => queued || runs.length > 0);
  }
}
