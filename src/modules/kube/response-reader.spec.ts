import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chunksOf } from '../../../test/support/chunks.js';
import { type Answer, ProtocolError, ResponseReader } from './response-reader.js';

/** Feeds bytes in these pieces. @returns the answer, or undefined while it isn't complete */
function read(
  text: string,
  sizes: readonly number[] = [1_000_000],
): { reader: ResponseReader; answer: Answer | undefined } {
  const reader = new ResponseReader();
  for (const chunk of chunksOf(Buffer.from(text), sizes)) reader.feed(chunk);
  return { reader, answer: reader.done ? reader.answer() : undefined };
}

const head = (lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
const sizes = fc.array(fc.integer({ min: 1, max: 31 }), { minLength: 1 });
const body = fc.string({ unit: 'grapheme', maxLength: 200 });

describe('ResponseReader', () => {
  it('reads a body of known length however the bytes are cut', () => {
    fc.assert(
      fc.property(body, sizes, (text, pieces) => {
        const start = head([
          'HTTP/1.1 201 Created',
          'Content-Type: application/json',
          `Content-Length: ${Buffer.byteLength(text)}`,
        ]);
        const { reader, answer } = read(start + text, pieces);
        expect(answer).toEqual({ code: 201, text, retryAfter: undefined });
        expect(reader.reusable).toBe(true);
      }),
    );
  });

  it('reads a chunked body however it is chunked and however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 6 }), sizes, (parts, pieces) => {
        const chunks = parts.map((part) => `${Buffer.byteLength(part).toString(16)};ext=1\r\n${part}\r\n`).join('');
        const start = head(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked']);
        const { reader, answer } = read(`${start}${chunks}0\r\nTrailer: x\r\n\r\n`, pieces);
        expect(answer?.text).toBe(parts.join(''));
        expect(reader.reusable).toBe(true);
      }),
    );
  });

  it('reads to the end of the connection where no length is given, and does not use it again', () => {
    const { reader } = read(`${head(['HTTP/1.1 200 OK'])}all there is`);
    expect(reader.done).toBe(false);
    expect(reader.close()).toBe(true);
    expect(reader.answer().text).toBe('all there is');
    expect(reader.reusable).toBe(false);
  });

  it('is not complete when the connection ends early', () => {
    for (const text of [
      head(['HTTP/1.1 200 OK', 'Content-Length: 5']) + 'ab',
      'HTTP/1.1 200 OK\r\n',
      `${head(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'])}3\r\nabc\r\n`,
    ]) {
      const { reader } = read(text);
      expect(reader.close()).toBe(false);
      expect(reader.started).toBe(true);
    }
  });

  it('passes over interim answers and reads answers without a body', () => {
    const interim = head(['HTTP/1.1 103 Early Hints', 'Link: x']);
    expect(read(interim + head(['HTTP/1.1 204 No Content'])).answer).toMatchObject({ code: 204, text: '' });
    expect(read(head(['HTTP/1.1 200 OK', 'Content-Length: 0'])).answer).toMatchObject({ code: 200, text: '' });
  });

  it('hands over Retry-After', () => {
    const { answer } = read(head(['HTTP/1.1 429 Too Many Requests', 'retry-after: 3', 'Content-Length: 0']));
    expect(answer).toMatchObject({ code: 429, retryAfter: '3' });
  });

  it.each([
    ['the server says so', head(['HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 0'])],
    ['it speaks HTTP/1.0', head(['HTTP/1.0 200 OK', 'Content-Length: 0'])],
    ['more arrives than belongs to it', `${head(['HTTP/1.1 200 OK', 'Content-Length: 1'])}ab`],
  ])('does not use a connection again when %s', (_why, text) => {
    const { reader } = read(text);
    expect(reader.done).toBe(true);
    expect(reader.reusable).toBe(false);
  });

  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['two lengths', `${head(['HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2'])}a`],
    ['a length that is no number', head(['HTTP/1.1 200 OK', 'Content-Length: -1'])],
    ['a chunk size that is no number', `${head(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'])}zz\r\n`],
    ['a chunk longer than it says', `${head(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'])}1\r\nabc\r\n`],
    [
      'a body in an encoding nobody asked for',
      head(['HTTP/1.1 200 OK', 'Content-Encoding: gzip', 'Content-Length: 3']),
    ],
    ['a header without a name', head(['HTTP/1.1 200 OK', 'nonsense'])],
    ['a head without end', 'HTTP/1.1 200 OK\r\nX: '.padEnd(70_000, 'x')],
  ])('refuses %s', (_what, text) => {
    expect(() => read(text)).toThrow(ProtocolError);
  });
});
