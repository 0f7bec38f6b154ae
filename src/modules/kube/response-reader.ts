/** The answer to one request, with its body read to the end. */
export interface Answer {
  readonly code: number;
  readonly text: string;
  readonly retryAfter: string | undefined;
}

/** An answer that breaks RFC 9112, so that nothing after it on the same connection can be trusted. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

const CR = 13;
const LF = 10;
const HEAD_END = Buffer.from('\r\n\r\n');
/** Longest head that is taken, in bytes: Go's own limit is 1 MiB, what the API server sends is below 2 KiB. */
const MAX_HEAD = 64 * 1024;
/** Longest body that is taken, in bytes. */
const MAX_BODY = 256 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

type Stage = 'head' | 'length' | 'chunkSize' | 'chunkData' | 'chunkEnd' | 'trailer' | 'untilClose' | 'done';

/**
 * Reads one HTTP/1.1 answer from the bytes of a connection: RFC 9112 with content-length, chunked and close-delimited bodies.
 * Interim answers (1xx) are passed over. The common case, an answer that came in one piece, is read without copying.
 */
export class ResponseReader {
  #stage: Stage = 'head';
  #pending: Buffer = EMPTY;
  #code = 0;
  #retryAfter: string | undefined;
  #keepAlive = true;
  #remaining = 0;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** Whether any byte has arrived. */
  get started(): boolean {
    return this.#stage !== 'head' || this.#pending.length > 0 || this.#code !== 0;
  }

  get done(): boolean {
    return this.#stage === 'done';
  }

  /** Whether the connection can carry another request after this answer. */
  get reusable(): boolean {
    return this.#stage === 'done' && this.#keepAlive && this.#pending.length === 0;
  }

  /**
   * Takes the next bytes. @returns whether the answer is complete
   *
   * @throws ProtocolError when they can't belong to an answer
   */
  feed(chunk: Buffer): boolean {
    let rest: Buffer = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = EMPTY;
    while (this.#stage !== 'done') {
      const used = this.#consume(rest);
      if (used < 0) break;
      rest = rest.subarray(used);
    }
    this.#pending = rest;
    return this.#stage === 'done';
  }

  /** The connection was closed properly. @returns whether that completed the answer */
  close(): boolean {
    if (this.#stage === 'untilClose') this.#stage = 'done';
    this.#keepAlive = false;
    return this.#stage === 'done';
  }

  answer(): Answer {
    const [first] = this.#parts;
    const body = this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts);
    return { code: this.#code, text: body.toString('utf8'), retryAfter: this.#retryAfter };
  }

  /** Does one step. @returns the bytes that were used; -1 when more are needed to go on */
  #consume(bytes: Buffer): number {
    switch (this.#stage) {
      case 'head':
        return this.#readHead(bytes);
      case 'length':
        return this.#readBody(bytes, 'done');
      case 'chunkData':
        return this.#readBody(bytes, 'chunkEnd');
      case 'chunkSize':
        return this.#readChunkSize(bytes);
      case 'chunkEnd':
        return this.#readChunkEnd(bytes);
      case 'trailer':
        return this.#readTrailer(bytes);
      case 'untilClose':
        if (bytes.length === 0) return -1;
        this.#keep(bytes);
        return bytes.length;
      case 'done':
        return -1;
      default: {
        const unknown: never = this.#stage;
        return unknown;
      }
    }
  }

  #readHead(bytes: Buffer): number {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) {
      if (bytes.length > MAX_HEAD) throw new ProtocolError('the head of the answer is too long');
      return -1;
    }
    const lines = bytes.toString('latin1', 0, end).split('\r\n');
    this.#readStatusLine(lines[0] ?? '');
    let length = -1;
    let chunked = false;
    for (let index = 1; index < lines.length; index++) {
      const line = lines[index] ?? '';
      const colon = line.indexOf(':');
      if (colon <= 0) throw new ProtocolError('a header of the answer has no name');
      // Only these five decide anything; the others aren't even cut out.
      switch (line.slice(0, colon).toLowerCase()) {
        case 'content-length':
          length = parseLength(line.slice(colon + 1).trim(), length);
          break;
        case 'transfer-encoding':
          if (
            line
              .slice(colon + 1)
              .trim()
              .toLowerCase() !== 'chunked'
          )
            throw new ProtocolError('an unknown transfer encoding');
          chunked = true;
          break;
        case 'connection':
          if (/\bclose\b/i.test(line.slice(colon + 1))) this.#keepAlive = false;
          break;
        case 'retry-after':
          this.#retryAfter = line.slice(colon + 1).trim();
          break;
        case 'content-encoding':
          throw new ProtocolError('the answer is compressed, which was not asked for');
        default:
      }
    }
    this.#begin(length, chunked);
    return end + HEAD_END.length;
  }

  #readStatusLine(line: string): void {
    const match = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(line);
    if (match === null) throw new ProtocolError('what arrived is no answer of HTTP/1');
    if (match[1] === '0') this.#keepAlive = false;
    this.#code = Number(match[2]);
  }

  #begin(length: number, chunked: boolean): void {
    const code = this.#code;
    if (code >= 100 && code < 200) {
      if (code === 101) throw new ProtocolError('the server switched protocols unasked');
      return;
    }
    if (code === 204 || code === 304) this.#stage = 'done';
    else if (chunked) this.#stage = 'chunkSize';
    else if (length === 0) this.#stage = 'done';
    else if (length > 0) {
      this.#remaining = length;
      this.#stage = 'length';
    } else {
      this.#keepAlive = false;
      this.#stage = 'untilClose';
    }
  }

  #readBody(bytes: Buffer, next: Stage): number {
    if (bytes.length === 0) return -1;
    const take = Math.min(bytes.length, this.#remaining);
    this.#keep(take === bytes.length ? bytes : bytes.subarray(0, take));
    this.#remaining -= take;
    if (this.#remaining === 0) this.#stage = next;
    return take;
  }

  #readChunkSize(bytes: Buffer): number {
    const end = bytes.indexOf(LF);
    if (end < 0) {
      if (bytes.length > 1_024) throw new ProtocolError('the size of a chunk is too long');
      return -1;
    }
    const match = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?\r?$/.exec(bytes.toString('latin1', 0, end));
    if (match === null) throw new ProtocolError('the size of a chunk is no number');
    this.#remaining = Number.parseInt(match[1] ?? '', 16);
    this.#stage = this.#remaining === 0 ? 'trailer' : 'chunkData';
    return end + 1;
  }

  #readChunkEnd(bytes: Buffer): number {
    if (bytes.length < 2) return -1;
    if (bytes[0] !== CR || bytes[1] !== LF) throw new ProtocolError('a chunk is longer than it says');
    this.#stage = 'chunkSize';
    return 2;
  }

  #readTrailer(bytes: Buffer): number {
    const end = bytes.indexOf(LF);
    if (end < 0) {
      if (bytes.length > MAX_HEAD) throw new ProtocolError('the trailer of the answer is too long');
      return -1;
    }
    if (end === 0 || (end === 1 && bytes[0] === CR)) this.#stage = 'done';
    return end + 1;
  }

  #keep(part: Buffer): void {
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes > MAX_BODY) throw new ProtocolError(`the answer is longer than ${MAX_BODY} bytes`);
  }
}

function parseLength(text: string, before: number): number {
  const length = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (length < 0 || (before >= 0 && before !== length))
    throw new ProtocolError('the length of the answer is no number');
  return length;
}
