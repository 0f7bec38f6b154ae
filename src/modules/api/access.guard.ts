import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { AccessRequest } from './access-reviewer.js';
import { AccessService } from './access.service.js';
import { Problem } from './problem.js';
import { notFound } from './problem.filter.js';
import { ReadModel } from './read-model.js';
import type { RequestOrigin } from '../kube/port-forward.js';

const NAMESPACE = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
/** The same bound as that of the parameter. */
const MAX_NAMESPACES = 100;

/**
 * Lets a caller ask who may list DatapathResults in the namespaces of the question, or in all where it names none. Of a single
 * result nobody learns more than that it isn't there.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly access: AccessService,
    private readonly model: ReadModel,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const caller = await this.access.identify(originOf(request));
    if (caller === undefined) return true;
    const { uid } = (request.params ?? {}) as { uid?: string };
    if (uid !== undefined) {
      // Of a result that isn't known yet nobody can say whose it is, nor that it isn't there: the next guard says so.
      if (!this.model.synced) return true;
      const namespace = this.model.index.get(uid)?.namespace;
      if (namespace !== undefined && (await this.access.may(caller, [list(namespace)]))) return true;
      throw notFound(request);
    }
    const namespaces = namespacesOf(request.query);
    if (await this.access.may(caller, namespaces === undefined ? [list()] : namespaces.map(list))) return true;
    throw new Problem(
      'forbidden',
      namespaces === undefined
        ? 'The token may not list datapathresults in all namespaces; name those that it may see by the parameter namespace'
        : `The token may not list datapathresults in ${namespaces.length === 1 ? 'this namespace' : 'all of these namespaces'}`,
    );
  }
}

export function originOf(request: FastifyRequest): RequestOrigin {
  return { remoteAddress: request.raw.socket.remoteAddress, headers: request.headers };
}

function list(namespace?: string): AccessRequest {
  return {
    group: 'datapath.observer',
    resource: 'datapathresults',
    verb: 'list',
    ...(namespace === undefined ? {} : { namespace }),
  };
}

/** The namespaces of a question, by the rule of the parameter; `undefined` for all. A wrong one is refused later, as a parameter. */
function namespacesOf(query: unknown): string[] | undefined {
  const { namespace } = (query ?? {}) as { namespace?: string | string[] };
  const named = [namespace ?? []].flat().filter((each) => NAMESPACE.test(each));
  return named.length === 0 ? undefined : [...new Set(named)].slice(0, MAX_NAMESPACES);
}
