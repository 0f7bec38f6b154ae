/** The few calls that the launcher itself makes: readiness, tokens, compaction. Bounded, never retried here. */
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';

export interface Call {
  readonly url: string;
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
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
export function call(options: Call): Promise<Answer> {
  const url = new URL(options.url);
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const timeoutMs = options.timeoutMs ?? 10_000;
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? secureRequest : plainRequest)(
      url,
      {
        method: options.method ?? 'GET',
        agent: false,
        ...(options.authority === undefined ? {} : { ca: options.authority }),
        ...(options.certificate === undefined ? {} : { cert: options.certificate, key: options.key }),
        headers: {
          accept: 'application/json',
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
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
    request.on('error', reject);
    request.end(body);
  });
}
