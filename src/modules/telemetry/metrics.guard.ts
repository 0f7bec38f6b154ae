import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { originOf } from '../api/access.guard.js';
import { AccessService } from '../api/access.service.js';
import { Problem } from '../api/problem.js';

/** Lets those scrape who may `get` the path /metrics, as controllers in this field do. */
@Injectable()
export class MetricsGuard implements CanActivate {
  constructor(private readonly access: AccessService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const caller = await this.access.identify(originOf(context.switchToHttp().getRequest<FastifyRequest>()));
    if (await this.access.may(caller, [{ path: '/metrics', verb: 'get' }])) return true;
    throw new Problem('forbidden', 'The token may not get the path /metrics');
  }
}
