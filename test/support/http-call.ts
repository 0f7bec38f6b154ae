/** One HTTP request with exactly these headers and this path, as no browser or fetch would send it. */
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  json<T>(): T;
}

export interface HttpCall {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 20 });

/** Rejects when nothing is answered within ten seconds. */
export function httpCall(base: string, path: string, call: HttpCall = {}): Promise<HttpAnswer> {
  const { hostname, port } = new URL(base);
  // Node names no length for methods that have no body as a rule, and the body would be taken for the next request.
  const length = call.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(call.body)) };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: hostname, port, path, method: call.method ?? 'GET', headers: { ...length, ...call.headers }, agent },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: <T>() => JSON.parse(text) as T,
          });
        });
      },
    );
    outgoing.setTimeout(10_000, () => outgoing.destroy(new Error(`no answer to ${path.slice(0, 200)}`)));
    outgoing.on('error', reject);
    outgoing.end(call.body);
  });
}
