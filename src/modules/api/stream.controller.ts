import { Controller, Get, Headers, Inject, Query, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OutgoingHttpHeaders } from 'node:http';
import { formatSelector, matchesSelector } from '../../statistics/label-selector.js';
import type { Clock } from '../kube/clock.js';
import { AccessGuard } from './access.guard.js';
import { API_CLOCK } from './api-clock.js';
import { Produces } from './produces.js';
import { resultFilter } from './result-query.js';
import type { StreamFilter } from './result-stream.js';
import { StreamHub } from './stream-hub.service.js';
import { StreamQuery } from './stream.schema.js';
import { SyncedGuard } from './synced.guard.js';

const EVENT_STREAM = 'text/event-stream';

/** Changes as they happen, as Server-Sent Events. */
@Controller('api/v1')
@UseGuards(AccessGuard, SyncedGuard)
export class StreamController {
  constructor(
    private readonly hub: StreamHub,
    @Inject(API_CLOCK) private readonly clock: Clock,
  ) {}

  @Get('stream')
  @Produces(EVENT_STREAM)
  stream(
    @Query({ schema: StreamQuery }) query: StreamQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): void {
    this.hub.checkRoom();
    const headers = {
      ...reply.getHeaders(),
      'content-type': EVENT_STREAM,
      'cache-control': 'no-store',
      // Proxies that buffer would hold events back.
      'x-accel-buffering': 'no',
    } as OutgoingHttpHeaders;
    reply.hijack();
    reply.raw.writeHead(200, headers);
    if (request.method === 'HEAD') {
      reply.raw.end();
      return;
    }
    reply.raw.flushHeaders();
    const filter = resultFilter(query, this.clock.epochMs());
    this.hub.open(reply.raw, streamFilter(query), filter, lastEventId ?? query.lastEventId);
  }
}

function streamFilter({ namespace, run, node, labelSelector }: StreamQuery): StreamFilter {
  return {
    key: JSON.stringify([namespace, run, node, formatSelector(labelSelector)]),
    covers: (each) => namespace?.includes(each) ?? true,
    matches: (state) =>
      (namespace?.includes(state.namespace) ?? true) &&
      (run?.includes(state.runName) ?? true) &&
      (node === undefined || (state.nodeName !== undefined && node.includes(state.nodeName))) &&
      matchesSelector(labelSelector, state.labels),
  };
}
