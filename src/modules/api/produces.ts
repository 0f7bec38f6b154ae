import { applyDecorators, Injectable, SetMetadata, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { negotiate } from './accept.js';
import { Problem } from './problem.js';

const PRODUCES = 'datapath:produces';

/** Refuses a request that accepts none of the media types of the call. */
@Injectable()
export class ProducesGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const types = this.reflector.getAllAndOverride<readonly string[]>(PRODUCES, [
      context.getHandler(),
      context.getClass(),
    ]);
    const http = context.switchToHttp();
    void http.getResponse<FastifyReply>().header('vary', 'accept, accept-encoding, authorization');
    if (negotiate(http.getRequest<FastifyRequest>().headers.accept, types) !== undefined) return true;
    throw new Problem('not-acceptable', `This path gives ${types.join(', ')}`);
  }
}

/** The media types that a call gives; the first is the one given to who accepts anything. */
export function Produces(...types: readonly string[]): ClassDecorator & MethodDecorator {
  return applyDecorators(SetMetadata(PRODUCES, types), UseGuards(ProducesGuard));
}
