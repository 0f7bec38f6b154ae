import { Controller, Get, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Registry } from 'prom-client';
import { MetricsGuard } from './metrics.guard.js';

/** What Prometheus scrapes. */
@Controller()
export class MetricsController {
  constructor(private readonly registry: Registry) {}

  @Get('metrics')
  @UseGuards(MetricsGuard)
  async metrics(@Req() _request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.type(this.registry.contentType).header('cache-control', 'no-store');
    return this.registry.metrics();
  }
}
