/** HTTP/1.1 by hand (RFC 9112): one request, one response. No proxy variables, no redirects, no pooling, nothing hidden. Pure. */

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
}

export interface HttpHead {
  readonly status: number;
  /** By lower-case name; the first where a name comes twice. */
  readonly headers: ReadonlyMap<string, string>;
}

/** The peer's answer isn't HTTP, or breaks a bound. */
export class HttpProtocolError extends Error {
  override readonly name = 'HttpProtocolError';
}

const MAX_HEAD_BYTES = 64 * 1024;

/** Interim responses before the response proper: a server that sends them without end would keep the reporter busy with nothing else. */
const MAX_INTERIM = 16;

/** A Pod is at most 1.5 MB in etcd; JSON is somewhat longer than that. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

export function encodeRequest(request: HttpRequest): string {
  const lines = [
    `${request.method} ${request.path} HTTP/1.1`,
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
  ];
  if (request.body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(request.body)}`);
  return `${lines.join('\r\n')}\r\n\r\n${request.body ?? ''}`;
}

type BodyState =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'untilClose' };

/** Takes a response apart as it arrives. Interim responses (1xx) are skipped. */
export class HttpResponseParser {
  head: HttpHead | undefined;
  /** Set when the whole response has arrived. */
  complete = false;
  private buffer: Buffer = Buffer.alloc(0);
  private body: BodyState = { kind: 'none' };
  private readonly chunks: Buffer[] = [];
  private chunkedBytes = 0;
  private interim = 0;

  /** Whether the connection may carry another request afterwards. */
  get reusable(): boolean {
    return (
      this.complete &&
      this.body.kind !== 'untilClose' &&
      this.head?.headers.get('connection')?.toLowerCase() !== 'close'
    );
  }

  /** @throws HttpProtocolError */
  push(chunk: Uint8Array): void {
    this.buffer = this.buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.buffer, chunk]);
    while (this.head === undefined) if (!this.takeHead()) return;
    this.takeBody();
  }

  /** The peer closed: that ends a body without a length. Returns whether the response is whole. */
  end(): boolean {
    if (this.head !== undefined && this.body.kind === 'untilClose') {
      this.chunks.push(this.buffer);
      this.complete = true;
    }
    return this.complete;
  }

  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  private takeHead(): boolean {
    const end = this.buffer.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.buffer.length > MAX_HEAD_BYTES)
        throw new HttpProtocolError('the head of the response is longer than 64 KiB');
      const start = this.buffer.subarray(0, 5).toString('latin1');
      if (!'HTTP/'.startsWith(start)) throw new HttpProtocolError('the answer is not HTTP');
      return false;
    }
    const [statusLine = '', ...fields] = this.buffer.subarray(0, end).toString('latin1').split('\r\n');
    this.buffer = this.buffer.subarray(end + 4);
    const match = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine);
    if (match === null) throw new HttpProtocolError('the answer is not HTTP/1');
    const status = Number(match[1]);
    if (status >= 100 && status < 200 && status !== 101) {
      this.interim += 1;
      if (this.interim > MAX_INTERIM) throw new HttpProtocolError(`more than ${MAX_INTERIM} interim responses`);
      return true;
    }
    const headers = new Map<string, string>();
    for (const field of fields) {
      const colon = field.indexOf(':');
      const name = field.slice(0, colon).trim().toLowerCase();
      if (colon > 0 && !headers.has(name)) headers.set(name, field.slice(colon + 1).trim());
    }
    this.head = { status, headers };
    this.body = bodyOf(status, headers);
    return true;
  }

  private takeBody(): void {
    switch (this.body.kind) {
      case 'none':
        this.complete = true;
        return;
      case 'length':
        if (this.buffer.length >= this.body.bytes) {
          this.chunks.push(this.buffer.subarray(0, this.body.bytes));
          this.complete = true;
        }
        return;
      case 'untilClose':
        if (this.buffer.length > MAX_BODY_BYTES) throw new HttpProtocolError('the body is longer than 8 MiB');
        return;
      case 'chunked':
        while (!this.complete && this.takeChunk());
        return;
      default: {
        const exhaustiveCheck: never = this.body;
        return exhaustiveCheck;
      }
    }
  }

  private takeChunk(): boolean {
    const end = this.buffer.indexOf('\r\n');
    if (end < 0) return false;
    const match = /^([0-9A-Fa-f]{1,8})\s*(?:;|$)/.exec(this.buffer.subarray(0, end).toString('latin1'));
    if (match === null) throw new HttpProtocolError('a chunk has no length');
    const size = Number.parseInt(match[1] ?? '', 16);
    this.chunkedBytes += size;
    if (this.chunkedBytes > MAX_BODY_BYTES) throw new HttpProtocolError('the body is longer than 8 MiB');
    if (size === 0) {
      // Trailers may follow; they end with an empty line.
      const trailers = this.buffer.subarray(end).indexOf('\r\n\r\n');
      if (trailers < 0) return false;
      this.complete = true;
      return false;
    }
    if (this.buffer.length < end + 2 + size + 2) return false;
    this.chunks.push(this.buffer.subarray(end + 2, end + 2 + size));
    this.buffer = this.buffer.subarray(end + 2 + size + 2);
    return true;
  }
}

function bodyOf(status: number, headers: ReadonlyMap<string, string>): BodyState {
  if (status === 204 || status === 304) return { kind: 'none' };
  if (headers.get('transfer-encoding')?.toLowerCase().includes('chunked') === true) return { kind: 'chunked' };
  const length = headers.get('content-length');
  if (length === undefined) return { kind: 'untilClose' };
  const bytes = /^\d{1,10}$/.test(length) ? Number(length) : -1;
  if (bytes < 0 || bytes > MAX_BODY_BYTES) throw new HttpProtocolError('Content-Length is no number up to 8 MiB');
  return bytes === 0 ? { kind: 'none' } : { kind: 'length', bytes };
}
