import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import type { Subscription } from 'rxjs';
import { formatInstant, fromEpochMs } from '../../datapath/instant.js';
import { METRICS, OUTCOMES } from '../../datapath/vocabulary.js';
import { markMatching } from '../../statistics/result-filter.js';
import type { ResultFilter } from '../../statistics/result-filter.js';
import { computeStatistic } from '../../statistics/statistic.js';
import type { Clock, Timer } from '../kube/clock.js';
import { API_CLOCK } from './api-clock.js';
import { Problem } from './problem.js';
import { ReadModel } from './read-model.js';
import { ResultEventLog } from './result-event-log.js';
import { resultRecord } from './result-record.js';
import { ResultStream } from './result-stream.js';
import type { StreamFilter } from './result-stream.js';
import type { StreamSummary } from './stream.schema.js';

/** Milliseconds between frames: at most four a second. */
const TICK_MS = 250;
/** Milliseconds of work in one go: callers that aren't reached come first the next time, so that others get an answer meanwhile. */
const BUDGET_MS = 20;
/** Streams at once. */
export const MAX_STREAMS = 100;

/** Everyone who listens to /stream. One timer serves them all, and runs only while somebody listens. */
@Injectable()
export class StreamHub implements OnModuleInit, BeforeApplicationShutdown {
  readonly #streams = new Map<ResultStream, ResultFilter>();
  #timer: Timer | undefined;
  #subscription: Subscription | undefined;
  #stopping = false;

  constructor(
    private readonly model: ReadModel,
    private readonly log: ResultEventLog,
    @Inject(API_CLOCK) private readonly clock: Clock,
  ) {}

  /** How many listen now. */
  get size(): number {
    return this.#streams.size;
  }

  onModuleInit(): void {
    this.#subscription = this.log.changes.subscribe(({ entry, change: { previous, next } }) => {
      for (const stream of this.#streams.keys()) {
        const { filter } = stream;
        if ((next !== undefined && filter.matches(next)) || (previous !== undefined && filter.matches(previous))) {
          stream.add(entry);
        }
      }
    });
  }

  beforeApplicationShutdown(): void {
    this.#stopping = true;
    this.#subscription?.unsubscribe();
    this.#timer?.cancel();
    for (const stream of this.#streams.keys()) stream.end();
    this.#streams.clear();
  }

  /** @throws Problem when too many listen */
  open(response: ServerResponse, filter: StreamFilter, query: ResultFilter, lastEventId: string | undefined): void {
    this.checkRoom();
    const stream = new ResultStream(response, this.log, filter, this.clock.monotonicMs());
    this.#streams.set(stream, query);
    response.on('close', () => {
      this.#streams.delete(stream);
    });
    stream.open(lastEventId);
    this.#schedule();
  }

  /** @throws Problem when too many listen */
  checkRoom(): void {
    if (this.#streams.size < MAX_STREAMS && !this.#stopping) return;
    throw new Problem('too-many-requests', `At most ${String(MAX_STREAMS)} streams are open at once`, {
      headers: { 'retry-after': '10' },
    });
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#stopping || this.#streams.size === 0) return;
    this.#timer = this.clock.setTimer(() => {
      this.#timer = undefined;
      this.#tick();
      this.#schedule();
    }, TICK_MS);
  }

  #tick(): void {
    const nowMs = this.clock.monotonicMs();
    const { table } = this.model.index;
    const records = new Map<string, string>();
    const made = new Map<string, string>();
    const inTurn = Array.from(this.#streams);
    for (const [stream, query] of inTurn) {
      if (this.clock.monotonicMs() - nowMs > BUDGET_MS) return;
      const { filter } = stream;
      const recordOf = (uid: string): string | undefined => {
        const state = table.get(uid);
        if (state === undefined || !filter.matches(state)) return undefined;
        const known = records.get(uid) ?? JSON.stringify(resultRecord(state));
        records.set(uid, known);
        return known;
      };
      let summary: { version: number; json: string } | undefined;
      if (stream.wantsSummary(table.version, nowMs)) {
        const json = made.get(filter.key) ?? JSON.stringify(this.#summary(query));
        made.set(filter.key, json);
        summary = { version: table.version, json };
      }
      // Taken out and put in again: who was served goes behind who wasn't.
      this.#streams.delete(stream);
      if (stream.tick(nowMs, recordOf, summary)) this.#streams.set(stream, query);
    }
  }

  #summary(query: ResultFilter): StreamSummary {
    const { table } = this.model.index;
    const marks = markMatching(table, query);
    const nowMs = this.clock.epochMs();
    const [first, ...rest] = METRICS.map((metric) => ({
      metric,
      statistic: computeStatistic(table, marks, {
        metric,
        method: 'nearest-rank',
        quantiles: [0.5, 0.9, 0.99],
        topN: 0,
        nowMs,
      }).whole,
    }));
    const all = first === undefined ? [] : [first, ...rest];
    return {
      total: OUTCOMES.reduce((sum, outcome) => sum + (first?.statistic.outcomes[outcome] ?? 0), 0),
      outcomes: { ...first?.statistic.outcomes },
      metrics: Object.fromEntries(
        all.map(({ metric, statistic: { measured, quantiles, max } }) => [
          metric,
          { count: measured, p50: quantiles[0] ?? null, p90: quantiles[1] ?? null, p99: quantiles[2] ?? null, max },
        ]),
      ),
      listeners: this.size,
      synced: this.model.synced,
      generatedAt: formatInstant(fromEpochMs(nowMs)),
    };
  }
}
