import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { originOf } from '../api/access.guard.js';
import { AccessService } from '../api/access.service.js';
import { Problem } from '../api/problem.js';
import { DATAPATH_RUNS } from './datapath-run.resource.js';

/** Lets a caller ask about runs who may list DatapathRuns: they are cluster-scoped, and name Pods of all namespaces. */
@Injectable()
export class RunAccessGuard implements CanActivate {
  constructor(private readonly access: AccessService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const caller = await this.access.identify(originOf(context.switchToHttp().getRequest<FastifyRequest>()));
    if (caller === undefined) return true;
    const { group, plural } = DATAPATH_RUNS;
    if (await this.access.may(caller, [{ group, resource: plural, verb: 'list' }])) return true;
    throw new Problem('forbidden', 'The token may not list datapathruns');
  }
}
