import { Controller, ForbiddenException, Get, Inject, NotFoundException, Param, Req } from '@nestjs/common';
import { cameThroughPortForward, type RequestOrigin } from '../kube/port-forward.js';
import { type KeyReport, OperatorDebugService } from './operator-debug.service.js';

/** What is read of a request; Fastify's and Express's have both. */
interface HttpRequest {
  readonly socket: { readonly remoteAddress?: string };
  readonly headers: RequestOrigin['headers'];
}

/** The answer to `GET /debug/operator/keys/{key}`. */
interface KeyAnswer {
  readonly key: string;
  readonly operators: readonly KeyReport[];
}

/**
 * The debug pages of the engine. Only for callers on this machine, which includes `kubectl port-forward`: names of objects and messages of errors are nobody
 * else's business.
 */
@Controller('debug/operator')
export class OperatorDebugController {
  readonly #debug: OperatorDebugService;

  constructor(@Inject(OperatorDebugService) debug: OperatorDebugService) {
    this.#debug = debug;
  }

  @Get('keys/:name')
  clusterKey(@Param('name') name: string, @Req() request: HttpRequest): KeyAnswer {
    return this.#answer(name, request);
  }

  @Get('keys/:namespace/:name')
  key(@Param('namespace') namespace: string, @Param('name') name: string, @Req() request: HttpRequest): KeyAnswer {
    return this.#answer(`${namespace}/${name}`, request);
  }

  #answer(key: string, request: HttpRequest): KeyAnswer {
    const { socket, headers } = request;
    if (!cameThroughPortForward({ remoteAddress: socket.remoteAddress, headers })) {
      throw new ForbiddenException('debug pages are served to callers on this machine only');
    }
    const operators = this.#debug.key(key);
    if (operators.length === 0) {
      throw new NotFoundException(`no operator has run "${key}" lately; a key is <namespace>/<name>, or <name>`);
    }
    return { key, operators };
  }
}
