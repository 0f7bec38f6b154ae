import { Catch, HttpException, Logger } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem, PROBLEM_TYPE, problemOfStatus } from './problem.js';

/** Turns whatever was thrown into a problem document. What nobody foresaw is logged, and tells the caller nothing. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger = new Logger('Api');

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const report = healthReport(error);
    if (report !== undefined) {
      void reply.status(503).header('cache-control', 'no-store').send(report);
      return;
    }
    const problem = toProblem(error, request);
    if (problem.kind === 'internal-error') {
      this.#logger.error({
        message: 'A request failed',
        method: request.method,
        route: request.routeOptions.url ?? '',
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
    if (reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    sendProblem(reply, problem);
  }
}

export function sendProblem(reply: FastifyReply, problem: Problem): void {
  // Headers of the answer that was not to be, such as its ETag or its file name, don't belong to the error.
  for (const name of ['etag', 'content-disposition', 'link', 'content-encoding']) void reply.removeHeader(name);
  void reply
    .status(problem.document.status)
    .headers({ ...problem.headers })
    .header('content-type', PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .send(JSON.stringify(problem.document));
}

/** The problem that an error stands for. */
export function toProblem(error: unknown, request: Pick<FastifyRequest, 'method' | 'url'>): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof HttpException) {
    const status = error.getStatus();
    if (status === 404) return notFound(request);
    return new Problem(problemOfStatus(status), error.message, { cause: error });
  }
  const status = statusOf(error);
  if (status !== undefined && status < 500) {
    return new Problem(problemOfStatus(status), error instanceof Error ? error.message : 'The request was refused', {
      cause: error,
    });
  }
  return new Problem('internal-error', 'The server met an error it did not expect; its log says which', {
    cause: error,
  });
}

export function notFound(request: Pick<FastifyRequest, 'url'>): Problem {
  const path = request.url.split('?', 1)[0] as string;
  return new Problem('not-found', `${path.slice(0, 200)} does not exist; /openapi.json names every path`);
}

/** What terminus says of a probe that failed: it stays as it is, for it names what is down. */
function healthReport(error: unknown): object | undefined {
  if (!(error instanceof HttpException) || error.getStatus() !== 503) return undefined;
  const response = error.getResponse();
  return typeof response === 'object' && 'details' in response && 'status' in response ? response : undefined;
}

/** The status that Fastify's own errors carry. */
function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  const { statusCode } = error;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 600 ? statusCode : undefined;
}
