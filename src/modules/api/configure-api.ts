/**
 * Sets up the HTTP application that carries the API: limits, headers, problem documents for whatever goes wrong before a
 * controller is reached.
 */
import type { Socket } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyHttpOptions, FastifyReply, FastifyRequest } from 'fastify';
import type { Server } from 'node:http';
import { finishAnswer } from './http-answer.js';
import { ParameterPipe } from './parameter.pipe.js';
import { Problem, PROBLEM_TYPE } from './problem.js';
import type { ProblemName } from './problem.js';
import { notFound, ProblemFilter, sendProblem, toProblem } from './problem.filter.js';
import { RouteTable } from './route-table.js';

/** Bytes of a request's header, Node's own default. */
export const MAX_HEADER_BYTES = 16_384;
/** Characters of an address; a longer one is 414. */
export const MAX_URL_LENGTH = 8192;
/** Bytes of a request's body. No call reads one. */
export const MAX_BODY_BYTES = 65_536;
/** Questions under way at once: a caller beyond them is told to come back. Streams have a bound of their own. */
export const MAX_QUESTIONS = 200;
/** Milliseconds in which a connection must take in or give something: who reads nothing of an answer holds its memory. */
const IDLE_MS = 60_000;

/** What the Fastify adapter must be made with: `new FastifyAdapter(API_ADAPTER_OPTIONS)`. */
export const API_ADAPTER_OPTIONS: FastifyHttpOptions<Server> = {
  bodyLimit: MAX_BODY_BYTES,
  routerOptions: { maxParamLength: 500 },
  // Milliseconds. A request is one header; whoever takes longer is stuck or means harm.
  requestTimeout: 15_000,
  connectionTimeout: IDLE_MS,
  keepAliveTimeout: 75_000,
  // A stream that nobody ends would keep the process from stopping.
  forceCloseConnections: true,
  // Fastify's own 503 is no problem document.
  return503OnClosing: false,
  // Node looks for requests that take too long every 30 s unless told otherwise.
  http: { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: 5000 },
  frameworkErrors: (error, request, reply) => {
    securityHeaders(reply as FastifyReply);
    sendProblem(reply as FastifyReply, toProblem(error, request));
  },
  clientErrorHandler: answerBrokenRequest,
};

/** Call it before `app.init()`: routes made earlier are not seen. */
export function configureApi(app: NestFastifyApplication): void {
  const server = app.getHttpAdapter().getInstance();
  const routes = new RouteTable();
  let questions = 0;
  server.addHook('onRoute', ({ method, url }) => {
    routes.add(method, url);
  });
  server.addHook('onRequest', (request, reply, done) => {
    securityHeaders(reply);
    // An answer of the API is data: whatever it holds, a browser that is made to show it as a page runs nothing.
    if (request.url.startsWith('/api/')) {
      void reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'; sandbox");
    }
    const problem = refuse(request, routes) ?? (isQuestion(request) && questions >= MAX_QUESTIONS ? busy() : undefined);
    if (problem !== undefined) {
      sendProblem(reply, problem);
      return;
    }
    if (isQuestion(request)) {
      questions++;
      reply.raw.once('close', () => questions--);
    }
    done();
  });
  server.addHook('onSend', finishAnswer);
  app.useGlobalPipes(new ParameterPipe());
  app.useGlobalFilters(new ProblemFilter());
}

/** What can be said of a request from its first line and header alone. */
function refuse(request: FastifyRequest, routes: RouteTable): Problem | undefined {
  if (request.url.length > MAX_URL_LENGTH) {
    return new Problem('uri-too-long', `The address has more than ${String(MAX_URL_LENGTH)} characters`);
  }
  // Node takes the first of several; who stands in front may have looked at another (RFC 9112 section 3.2).
  if (request.raw.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length > 1) {
    return new Problem('bad-request', 'The header Host is given more than once', { headers: { connection: 'close' } });
  }
  if (request.is404) {
    const methods = routes.methodsOf(request.url.split('?', 1)[0] as string);
    if (methods.length === 0) return notFound(request);
    return new Problem('method-not-allowed', `This path answers ${methods.join(', ')}`, {
      headers: { allow: methods.join(', ') },
    });
  }
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > MAX_BODY_BYTES) {
    return new Problem('content-too-large', 'No call takes a body', { headers: { connection: 'close' } });
  }
  // A filter in a body would be dropped in silence, and the answer show the wrong Pods.
  if (length > 0 || request.headers['transfer-encoding'] !== undefined) {
    return new Problem('unsupported-media-type', 'No call reads a body; parameters belong in the query', {
      headers: { connection: 'close' },
    });
  }
  return undefined;
}

/** Whether the answer is computed and then over, unlike a stream. */
function isQuestion({ routeOptions: { url = '' } }: FastifyRequest): boolean {
  return url.startsWith('/api/') && !url.endsWith('/stream');
}

function busy(): Problem {
  return new Problem('too-many-requests', `At most ${String(MAX_QUESTIONS)} questions are answered at once`, {
    headers: { 'retry-after': '1' },
  });
}

/** No answer carries a CORS header: a web page of another origin never reads one. */
function securityHeaders(reply: FastifyReply): void {
  void reply.headers({
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'x-frame-options': 'DENY',
    'cross-origin-resource-policy': 'same-origin',
  });
}

/** Answers what never became a request: broken syntax, too large a header, a header that doesn't come. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const kinds: Record<string, ProblemName> = {
    HPE_HEADER_OVERFLOW: 'header-too-large',
    ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  };
  const kind = kinds[error.code ?? ''] ?? 'bad-request';
  const { document } = new Problem(
    kind,
    kind === 'bad-request' ? 'This is no HTTP request' : 'The request was refused',
  );
  const body = JSON.stringify(document);
  socket.end(
    `HTTP/1.1 ${String(document.status)} ${document.title}\r\n` +
      `content-type: ${PROBLEM_TYPE}\r\ncontent-length: ${String(Buffer.byteLength(body))}\r\nconnection: close\r\n\r\n${body}`,
  );
}
