/**
 * What is done to an answer on its way out: a validator, so that an unchanged one isn't sent again (RFC 9110 section 13), and gzip
 * where it pays.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createGzip, gzip } from 'node:zlib';

/** Bytes below which compression costs more than it saves. */
const MIN_GZIP_BYTES = 2048;
const COMPRESSIBLE = /^(?:application\/(?:[\w.+-]*\+)?json|application\/x-ndjson|text\/)/;
const gzipBuffer = promisify(gzip);

/** An `onSend` hook. */
export async function finishAnswer(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  if (reply.statusCode !== 200 || (request.method !== 'GET' && request.method !== 'HEAD')) return payload;
  if (typeof payload === 'string' && request.url.startsWith('/api/')) {
    const etag = entityTag(payload);
    void reply.headers({ etag, 'cache-control': 'private, no-cache' });
    if (matchesTag(request.headers['if-none-match'], etag)) {
      void reply.code(304).removeHeader('content-type').removeHeader('content-length');
      return null;
    }
  }
  return compress(request, reply, payload);
}

/**
 * A weak tag: the same for answers that differ only in when they were made. A quote inside a value is escaped, so that nothing from
 * a Pod looks like that field.
 */
export function entityTag(payload: string): string {
  const content = payload.replace(/"generatedAt":"[^"]*"/g, '');
  return `W/"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
}

/** By weak comparison, as If-None-Match wants it. */
export function matchesTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === opaque);
}

async function compress(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  if (reply.hasHeader('content-encoding') || !COMPRESSIBLE.test(String(reply.getHeader('content-type'))))
    return payload;
  if (!acceptsGzip(request.headers['accept-encoding'])) return payload;
  if (payload instanceof Readable) {
    if (request.method === 'HEAD') return payload;
    encoded(reply);
    const zipped = createGzip({ level: constants.Z_BEST_SPEED });
    // An error of either end destroys the other; Fastify logs that of the end it sends.
    pipeline(payload, zipped, () => undefined);
    return zipped;
  }
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload;
  if (Buffer.byteLength(payload) < MIN_GZIP_BYTES) return payload;
  const zipped = await gzipBuffer(payload, { level: constants.Z_BEST_SPEED });
  encoded(reply);
  return zipped;
}

function encoded(reply: FastifyReply): void {
  void reply.header('content-encoding', 'gzip').removeHeader('content-length');
}

export function acceptsGzip(header: string | string[] | undefined): boolean {
  let any: boolean | undefined;
  for (const part of String(header ?? '').split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((each) => each.trim().toLowerCase());
    const accepted = !parameters.some((each) => /^q=0(?:\.0{0,3})?$/.test(each));
    if (coding === 'gzip' || coding === 'x-gzip') return accepted;
    if (coding === '*') any = accepted;
  }
  return any ?? false;
}
