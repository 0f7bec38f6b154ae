import { Controller, Get, Headers, Inject, Param, Query, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { formatInstant, fromEpochMs } from '../../datapath/instant.js';
import { formatSelector } from '../../statistics/label-selector.js';
import { markMatching } from '../../statistics/result-filter.js';
import type { ResultFilter } from '../../statistics/result-filter.js';
import type { Clock } from '../kube/clock.js';
import { AccessGuard } from './access.guard.js';
import { negotiate } from './accept.js';
import { API_CLOCK } from './api-clock.js';
import { CSV_HEADER, csvLine } from './csv.js';
import { readCursor, writeCursor } from './cursor.js';
import { Problem } from './problem.js';
import { Produces } from './produces.js';
import { ReadModel } from './read-model.js';
import { ResultEventLog } from './result-event-log.js';
import { KeptLists, pageByFixedKey } from './result-order.js';
import type { Page, Place } from './result-order.js';
import { resultFilter } from './result-query.js';
import { resultRecord, timelineOf } from './result-record.js';
import { PodUid } from './result-record.schema.js';
import type { ResultDetail, ResultRecord } from './result-record.schema.js';
import { FORMATS, ResultsQuery } from './results.schema.js';
import type { Format, ResultsAnswer } from './results.schema.js';
import { SyncedGuard } from './synced.guard.js';

const PAGE = 100;
/** Results in one piece of a stream: a few milliseconds of work, then others get their turn. */
const PIECE = 500;
/** Exports at once: each takes a part of the event loop. */
const MAX_EXPORTS = 10;

/** The records themselves. */
@Controller('api/v1')
@UseGuards(AccessGuard, SyncedGuard)
export class ResultsController {
  #exports = 0;

  constructor(
    private readonly model: ReadModel,
    private readonly log: ResultEventLog,
    private readonly lists: KeptLists,
    @Inject(API_CLOCK) private readonly clock: Clock,
  ) {}

  @Get('results')
  @Produces(FORMATS.json, FORMATS.ndjson, FORMATS.csv)
  async results(
    @Query({ schema: ResultsQuery }) query: ResultsQuery,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResultsAnswer | undefined> {
    const filter = resultFilter(query, this.clock.epochMs());
    const format = query.format ?? formatOf(accept);
    if (format === 'json') return this.#page(query, filter, reply);
    // The first piece is made before the header is sent, so that a wrong cursor is still a problem document.
    const after = query.cursor === undefined ? undefined : readCursor(query.cursor, questionOf(query));
    const first = this.#piece(query, filter, after, query.limit ?? Infinity);
    this.#beginExport(reply);
    const pieces = this.#pieces(query, filter, first, format === 'csv' ? csvLine : ndjsonLine);
    void reply.type(format === 'csv' ? `${FORMATS.csv}; charset=utf-8; header=present` : FORMATS.ndjson);
    if (format === 'csv') void reply.header('content-disposition', 'attachment; filename="datapath-results.csv"');
    await reply.send(Readable.from(withHeader(format === 'csv' ? CSV_HEADER : '', pieces), { objectMode: false }));
    return undefined;
  }

  @Get('results/:uid')
  @Produces(FORMATS.json)
  result(@Param('uid', { schema: PodUid }) uid: string): ResultDetail {
    const state = this.model.index.get(uid);
    if (state === undefined) throw new Problem('not-found', `No result has the uid ${uid}`);
    return {
      ...resultRecord(state),
      timeline: timelineOf(state.milestones, state.createdAt),
      generatedAt: formatInstant(fromEpochMs(this.clock.epochMs())),
      synced: this.model.synced,
    };
  }

  #page(query: ResultsQuery, filter: ResultFilter, reply: FastifyReply): ResultsAnswer {
    const { table } = this.model.index;
    // The id comes first: what changes later is in the stream from it on, and at worst told twice.
    const lastEventId = this.log.lastEventId;
    const question = questionOf(query);
    const marks = markMatching(table, filter);
    const after = query.cursor === undefined ? undefined : readCursor(query.cursor, question);
    const page = this.#uids(query, marks, query.limit ?? PAGE, after);
    const cursor = page.next === undefined ? null : writeCursor(page.next, question);
    if (cursor !== null) void reply.header('link', `<?${nextQuery(reply, cursor)}>; rel="next"`);
    return {
      items: this.#records(page.uids),
      total: countMarks(marks),
      cursor,
      lastEventId,
      generatedAt: formatInstant(fromEpochMs(this.clock.epochMs())),
      synced: this.model.synced,
    };
  }

  #uids(query: ResultsQuery, marks: Uint8Array, limit: number, after: Place | undefined): Page {
    const { table } = this.model.index;
    const { sort } = query;
    if (sort.by === 'createdAt' || sort.by === 'name') {
      return pageByFixedKey(table, marks, sort, limit, after !== undefined && 'uid' in after ? after : undefined);
    }
    const nowMs = this.clock.monotonicMs();
    const question = questionOf(query);
    return after !== undefined && 'list' in after
      ? this.lists.next(after.list, after.at, limit, question, nowMs)
      : this.lists.first(table, marks, sort, limit, question, nowMs);
  }

  #records(uids: readonly string[]): ResultRecord[] {
    return uids.flatMap((uid) => {
      const state = this.model.index.get(uid);
      return state === undefined ? [] : [resultRecord(state)];
    });
  }

  /** @throws Problem when too many are under way */
  #beginExport(reply: FastifyReply): void {
    if (this.#exports >= MAX_EXPORTS) {
      throw new Problem('too-many-requests', `At most ${String(MAX_EXPORTS)} exports are made at once`, {
        headers: { 'retry-after': '5' },
      });
    }
    this.#exports++;
    reply.raw.once('close', () => {
      this.#exports--;
    });
  }

  #piece(query: ResultsQuery, filter: ResultFilter, after: Place | undefined, left: number): Page {
    return this.#uids(query, markMatching(this.model.index.table, filter), Math.min(PIECE, left), after);
  }

  async *#pieces(
    query: ResultsQuery,
    filter: ResultFilter,
    first: Page,
    line: (record: ResultRecord) => string,
  ): AsyncGenerator<string> {
    let left = query.limit ?? Infinity;
    let page = first;
    for (;;) {
      left -= page.uids.length;
      const text = this.#records(page.uids).map(line).join('');
      if (text !== '') yield text;
      if (page.next === undefined || left <= 0) return;
      await setImmediate();
      page = this.#piece(query, filter, page.next, left);
    }
  }
}

function countMarks(marks: Uint8Array): number {
  let total = 0;
  for (let slot = 0; slot < marks.length; slot++) total += marks[slot] as number;
  return total;
}

async function* withHeader(header: string, pieces: AsyncIterable<string>): AsyncGenerator<string> {
  if (header !== '') yield header;
  yield* pieces;
}

function ndjsonLine(record: ResultRecord): string {
  return `${JSON.stringify(record)}\n`;
}

function formatOf(accept: string | undefined): Format {
  const type = negotiate(accept, Object.values(FORMATS));
  return (Object.keys(FORMATS) as Format[]).find((format) => FORMATS[format] === type) ?? 'json';
}

/** What a cursor belongs to: every parameter but those that may change from page to page. */
function questionOf({ limit: _limit, cursor: _cursor, format: _format, labelSelector, ...rest }: ResultsQuery): string {
  return JSON.stringify([rest, formatSelector(labelSelector)]);
}

function nextQuery(reply: FastifyReply, cursor: string): string {
  const parameters = new URLSearchParams(reply.request.url.split('?')[1] ?? '');
  parameters.set('cursor', cursor);
  return parameters.toString();
}
