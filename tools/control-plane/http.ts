/** The calls that the launcher and the tests make by themselves. Bounded; the caller retries. */
import { request as plainRequest } from 'node:http';
import { Agent, request as secureRequest } from 'node:https';

/** A handshake with client certificate costs both sides some 10 ms of CPU, and tests poll. An idle connection keeps no process alive. */
const agent = new Agent({ keepAlive: true });

export interface Call {
  readonly url: string;
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON; of a PATCH, as a JSON merge patch (RFC 7396). */
  readonly body?: unknown;
  readonly authority?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly token?: string;
  /** Milliseconds until the call is given up. */
  readonly timeoutMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** @throws Error when no complete answer arrives in time. */
export async function call(options: Call): Promise<Answer> {
  try {
    return await exchange(options, agent);
  } catch (error) {
    // The server had closed the idle connection, as one does that was killed.
    if (!(error instanceof StaleConnection)) throw error;
    return exchange(options, false);
  }
}

/** A connection that was used before ended without a byte of an answer. */
class StaleConnection extends Error {}

function exchange(options: Call, connections: Agent | false): Promise<Answer> {
  const url = new URL(options.url);
  const method = options.method ?? 'GET';
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const timeoutMs = options.timeoutMs ?? 10_000;
  const isSecure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const request = (isSecure ? secureRequest : plainRequest)(
      url,
      {
        method,
        agent: isSecure ? connections : false,
        ...(options.authority === undefined ? {} : { ca: options.authority }),
        ...(options.certificate === undefined ? {} : { cert: options.certificate, key: options.key }),
        headers: {
          accept: 'application/json',
          ...(body === undefined
            ? {}
            : {
                'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
                'content-length': Buffer.byteLength(body),
              }),
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        },
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
      },
    );
    request.on('error', (error: NodeJS.ErrnoException) => {
      // A write that was lost may have been done: it isn't said twice.
      const isStale = method === 'GET' && request.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
      reject(isStale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    request.end(body);
  });
}
