import fc from 'fast-check';
import { encodeRequest, HttpProtocolError, HttpResponseParser } from './http-message.js';

function parse(text: string, cuts: readonly number[] = []): HttpResponseParser {
  const parser = new HttpResponseParser();
  const bytes = Buffer.from(text);
  let from = 0;
  for (const to of [...cuts].sort((a, b) => a - b)) {
    if (to <= from || to > bytes.length) continue;
    parser.push(bytes.subarray(from, to));
    from = to;
  }
  if (from < bytes.length) parser.push(bytes.subarray(from));
  return parser;
}

const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: z\r\n\r\n';
const SIZED =
  'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\nhello world';

describe('HttpResponseParser', () => {
  it.each([CHUNKED, SIZED])('reads a response however it is cut', (text) => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const parser = parse(text, cuts);
        expect([parser.complete, parser.text(), parser.reusable]).toEqual([true, 'hello world', true]);
      }),
    );
  });

  it('skips interim responses', () => {
    expect(parse(SIZED).head?.status).toBe(201);
  });

  it('reads a body without a length until the peer closes', () => {
    const parser = parse('HTTP/1.0 200 OK\r\n\r\nhello');
    expect(parser.complete).toBe(false);
    expect([parser.end(), parser.text(), parser.reusable]).toEqual([true, 'hello', false]);
  });

  it('does not take a body that was cut for a whole one', () => {
    const parser = parse('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello');
    expect(parser.end()).toBe(false);
  });

  it('knows the status before the body has come', () => {
    expect(parse('HTTP/1.1 503 Unavailable\r\nContent-Length: 10\r\n\r\n').head?.status).toBe(503);
  });

  it('does not reuse a connection that the peer will close', () => {
    expect(parse('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n').reusable).toBe(false);
  });

  it.each([
    'SSH-2.0-OpenSSH\r\n',
    '220 mail\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 2x0 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`,
    'HTTP/1.1 100 Continue\r\n\r\n'.repeat(17),
  ])('refuses %.30j', (text) => {
    expect(() => parse(text)).toThrow(HttpProtocolError);
  });
});

describe('encodeRequest', () => {
  it('gives the length of a body in bytes', () => {
    const text = encodeRequest({ method: 'PATCH', path: '/x', headers: [['Host', 'h']], body: 'ä' });
    expect(text).toBe('PATCH /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nä');
  });
});
