import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chunksOf, cutAll } from '../../../test/support/chunks.js';
import { decodeWhole } from './cutter.js';
import { LineSplitter } from './line-splitter.js';

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut, also within a character', () => {
    const lines = fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\n', ' ')));
    fc.assert(
      fc.property(lines, fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1 }), (expected, sizes) => {
        const bytes = Buffer.from(expected.map((line) => `${line}\n`).join(''));
        expect(cutAll(new LineSplitter(), chunksOf(bytes, sizes))).toEqual(expected);
      }),
    );
  });

  it('keeps a line that has not ended', () => {
    const splitter = new LineSplitter();
    expect(cutAll(splitter, [Buffer.from('whole\nhal')])).toEqual(['whole']);
    expect(cutAll(splitter, [Buffer.from('f\n')])).toEqual(['half']);
  });

  it('refuses a line beyond its limit', () => {
    expect(() => cutAll(new LineSplitter(decodeWhole, 10), [Buffer.alloc(6, 'x'), Buffer.alloc(6, 'x')])).toThrow(
      RangeError,
    );
  });
});
