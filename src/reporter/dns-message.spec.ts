import fc from 'fast-check';
import { decodeAnswer, encodeQuestion } from './dns-message.js';

const NAME = 'web.default.svc.cluster.local';

/** An answer to our question: its bytes, flags and records as given. */
function answer(type: 'A' | 'AAAA', flags: number, records: readonly (readonly number[])[]): Buffer {
  const question = Buffer.from(encodeQuestion(7, NAME, type));
  question.writeUInt16BE(flags, 2);
  question.writeUInt16BE(records.length, 6);
  return Buffer.concat([question, ...records.map((record) => Buffer.from(record))]);
}

const record = (type: number, data: readonly number[]): number[] => [
  0xc0,
  12,
  0,
  type,
  0,
  1,
  0,
  0,
  0,
  30,
  0,
  data.length,
  ...data,
];

describe('decodeAnswer', () => {
  it('reads IPv4 addresses and passes over other records', () => {
    const message = answer('A', 0x8180, [record(5, [1, 0x61, 0]), record(1, [10, 0, 0, 1]), record(1, [10, 0, 0, 2])]);
    expect(decodeAnswer(message, NAME)).toEqual({ id: 7, type: 'A', code: 0, addresses: ['10.0.0.1', '10.0.0.2'] });
  });

  it('reads IPv6 addresses', () => {
    const message = answer('AAAA', 0x8180, [record(28, [0xfd, ...Buffer.alloc(14), 1])]);
    expect(decodeAnswer(message, NAME)?.addresses).toEqual(['fd00:0:0:0:0:0:0:1']);
  });

  it('tells no such name and server failure', () => {
    expect(decodeAnswer(answer('A', 0x8183, []), NAME)?.code).toBe(3);
    expect(decodeAnswer(answer('A', 0x8182, []), NAME)?.code).toBe(2);
  });

  it('takes names without regard to case, with or without a final dot', () => {
    expect(decodeAnswer(answer('A', 0x8180, []), `${NAME.toUpperCase()}.`)).toBeDefined();
  });

  it('does not take questions, nor answers about another name', () => {
    expect(decodeAnswer(encodeQuestion(7, NAME, 'A'), NAME)).toBeUndefined();
    expect(decodeAnswer(answer('A', 0x8180, []), 'other')).toBeUndefined();
  });

  it('survives a loop of compression pointers', () => {
    const message = answer('A', 0x8180, [[0xc0, 47, 0, 1, 0, 1]]);
    message.writeUInt16BE(0xc000 | (message.length - 6), message.length - 6);
    expect(decodeAnswer(message, NAME)).toBeUndefined();
  });

  it('never throws on what comes from the network', () => {
    const whole = answer('A', 0x8180, [record(1, [10, 0, 0, 1])]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(whole.length), (noise, cut) => {
        decodeAnswer(noise, NAME);
        decodeAnswer(Buffer.concat([whole.subarray(0, cut), noise]), NAME);
      }),
    );
  });
});
