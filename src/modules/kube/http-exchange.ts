import { type Agent, type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from './clock.js';
import type { Credential } from './credentials.js';
import { STALE_CONNECTION } from './direct-connection.js';
import { errorFromTransport, KubeApiError } from './kube-api-error.js';
import { pathPrefix } from './request-text.js';
import type { Answer } from './response-reader.js';

/** One HTTP request, ready to be sent. */
export interface Exchange {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly body: string | undefined;
  readonly contentType: string;
  readonly accept: string;
  readonly userAgent: string;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds until the whole answer (for an endless stream: its headers) must be there. */
  readonly timeoutMs: number;
  /** Called just before the request is written to an open connection; what it throws refuses the request. */
  readonly beforeSend?: (() => void) | undefined;
  /** A stream that may stay open after its headers for as long as it likes. */
  readonly endless?: boolean | undefined;
}

/**
 * Sends a request by way of Node's client and reads the whole answer.
 *
 * @throws KubeApiError with code 0 when no complete answer arrives in time: refused, reset, truncated, timed out, aborted
 */
export function proxiedExchange(spec: Exchange, credential: Credential, agent: Agent, clock: Clock): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const conversation = begin(spec, credential, agent, clock, reject, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
      });
      response.on('end', () => {
        if (!response.complete) {
          conversation.fail(truncated());
          return;
        }
        conversation.finish();
        const first = chunks[0];
        const text =
          chunks.length === 1 && first !== undefined ? first.toString('utf8') : Buffer.concat(chunks).toString('utf8');
        resolve({ code: response.statusCode ?? 0, text, retryAfter: response.headers['retry-after'] });
      });
    });
  });
}

/**
 * Sends a request and gives the answer as a stream as soon as its headers are there. The signal and, unless the stream is endless,
 * the deadline still count afterwards: they destroy the stream.
 *
 * @throws KubeApiError with code 0 when no headers arrive in time
 */
export function openStream(
  spec: Exchange,
  credential: Credential,
  agent: Agent,
  clock: Clock,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const conversation = begin(spec, credential, agent, clock, reject, (response) => {
      // A refusal is short and has to arrive in time like any other answer.
      if (spec.endless === true && response.statusCode === 200) conversation.keepOpen();
      response.once('close', conversation.finish);
      resolve(response);
    });
  });
}

interface Conversation {
  /** Ends the deadline and stops listening to the signal. */
  finish(): void;
  /** Ends the deadline only. */
  keepOpen(): void;
  fail(cause: unknown): void;
}

function begin(
  spec: Exchange,
  credential: Credential,
  agent: Agent,
  clock: Clock,
  reject: (error: unknown) => void,
  onResponse: (response: IncomingMessage) => void,
): Conversation {
  const { server } = credential;
  const headers: Record<string, string | number> = {
    Host: server.host,
    Accept: spec.accept,
    'User-Agent': spec.userAgent,
    ...credential.headers,
  };
  if (spec.body !== undefined) {
    headers['Content-Type'] = spec.contentType;
    headers['Content-Length'] = Buffer.byteLength(spec.body);
  }
  const options: RequestOptions = {
    agent,
    hostname: server.hostname.startsWith('[') ? server.hostname.slice(1, -1) : server.hostname,
    port: server.port === '' ? (server.protocol === 'http:' ? 80 : 443) : server.port,
    method: spec.method,
    path: pathPrefix(credential) + spec.target,
    headers,
  };
  const request = server.protocol === 'http:' ? httpRequest(options) : httpsRequest(options);

  const abort = (): void => {
    conversation.fail(new KubeApiError({ code: 0, reason: 'Aborted', message: 'the caller ended the call' }));
  };
  const deadline = clock.setTimer(() => {
    const message = `no answer from the API server within ${spec.timeoutMs} ms`;
    conversation.fail(new KubeApiError({ code: 0, reason: 'Timeout', message }));
  }, spec.timeoutMs);
  const conversation: Conversation = {
    finish: () => {
      deadline.cancel();
      spec.signal?.removeEventListener('abort', abort);
    },
    keepOpen: () => {
      deadline.cancel();
    },
    fail: (cause) => {
      conversation.finish();
      reject(errorFromTransport(cause));
      request.destroy();
    },
  };

  request.on('error', (error) => {
    conversation.fail(request.reusedSocket && isReset(error) ? stale(error) : error);
  });
  request.on('response', (response) => {
    // Without a listener a reset in the middle of the body would end the process.
    response.on('error', (error) => {
      conversation.fail(error);
    });
    onResponse(response);
  });
  if (spec.signal?.aborted === true) {
    abort();
    return conversation;
  }
  spec.signal?.addEventListener('abort', abort, { once: true });
  try {
    spec.beforeSend?.();
    request.end(spec.body);
  } catch (error) {
    conversation.finish();
    reject(error);
    request.destroy();
  }
  return conversation;
}

/** The kept-alive connection had been closed by the server just before the request was written to it. */
function stale(cause: Error): KubeApiError {
  return new KubeApiError({ code: 0, reason: STALE_CONNECTION, message: cause.message, cause });
}

function isReset(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function truncated(): KubeApiError {
  return new KubeApiError({ code: 0, reason: 'Truncated', message: 'the answer ended before its end' });
}
