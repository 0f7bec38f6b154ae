import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chunksOf, cutAll } from '../../../test/support/chunks.js';
import { ListSplitter } from './list-splitter.js';
import { parseEnvelope } from './watch-line.js';

const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' }), { maxKeys: 4 });

describe('ListSplitter', () => {
  it('gives the same items as parsing the whole page, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(object, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 23 }), { minLength: 1 }),
        (items, sizes) => {
          const page = { kind: 'PodList', metadata: { resourceVersion: '7', continue: 'a"b\\' }, items };
          const splitter = new ListSplitter();
          const texts = cutAll(splitter, chunksOf(Buffer.from(`${JSON.stringify(page)}\n`), sizes));
          expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual(JSON.parse(JSON.stringify(items)));
          expect(parseEnvelope(splitter.envelope)).toEqual({ version: '7', continueToken: 'a"b\\' });
        },
      ),
    );
  });

  it('tells the list of the page from others, nested or of another name', () => {
    const page = {
      first: [{ a: 1 }],
      metadata: { resourceVersion: '7', items: [{ b: 2 }] },
      items: [{ c: 3 }],
      last: [[{}]],
    };
    const splitter = new ListSplitter();
    expect(cutAll(splitter, [Buffer.from(JSON.stringify(page))])).toEqual(['{"c":3}']);
    expect(JSON.parse(splitter.envelope)).toEqual({ ...page, items: [] });
  });

  it('reads a page without items, and one whose list is null', () => {
    for (const items of [[], null, undefined]) {
      const splitter = new ListSplitter();
      const text = JSON.stringify({ metadata: { resourceVersion: '9' }, items });
      expect(cutAll(splitter, [Buffer.from(text)])).toEqual([]);
      expect(parseEnvelope(splitter.envelope)).toEqual({ version: '9', continueToken: '' });
    }
  });

  it('shows by its envelope that a page was cut', () => {
    const splitter = new ListSplitter();
    cutAll(splitter, [Buffer.from('{"metadata":{"resourceVersion":"9"},"items":[{"a":1},{"b"')]);
    expect(parseEnvelope(splitter.envelope)).toBeUndefined();
  });
});
