import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeWithoutManagedFields } from './managed-fields.js';

const decode = (value: unknown, before = '', after = ''): unknown => {
  const text = Buffer.from(before + JSON.stringify(value) + after);
  return JSON.parse(decodeWithoutManagedFields(text, before.length, text.length - after.length));
};

const json = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' });
const managedFields = fc.array(fc.dictionary(fc.string(), json, { maxKeys: 3 }), { maxLength: 3 });

describe('decodeWithoutManagedFields', () => {
  it('drops exactly the managed fields of the object itself, in lines and in items, typed or not', () => {
    const metadata = fc.record({
      name: fc.string(),
      annotations: fc.dictionary(fc.string(), fc.string()),
      managedFields,
      zone: fc.string(),
    });
    fc.assert(
      fc.property(metadata, json, fc.boolean(), fc.boolean(), (meta, spec, inLine, listed) => {
        const object = { ...(listed ? {} : { kind: 'Pod', apiVersion: 'v1' }), metadata: meta, spec };
        const expected = { ...object, metadata: { ...meta, managedFields: [] } };
        const [given, wanted] = inLine
          ? [
              { type: 'ADDED', object },
              { type: 'ADDED', object: expected },
            ]
          : [object, expected];
        expect(decode(given, '{"before":1}\n', '\n{"after":"managedFields"}')).toEqual(
          JSON.parse(JSON.stringify(wanted)),
        );
      }),
    );
  });

  it('leaves everything else alone, whatever has the same name', () => {
    const nested = { metadata: { managedFields: [{ a: 1 }] }, managedFields: [{ b: 2 }] };
    for (const object of [
      { kind: 'X', metadata: { name: 'a' }, spec: { template: nested } },
      { kind: 'X', metadata: { name: 'a', other: nested }, spec: {} },
      { kind: 'X', data: nested, metadata: { name: 'a', managedFields: [{ own: 1 }] } },
      { kind: 'X', metadata: { annotations: { text: '"metadata":{"managedFields":[1]}' } } },
      { kind: 'X', managedFields: [{ top: 1 }], metadata: { name: 'a' } },
      { kind: 'X', list: [{ metadata: { managedFields: [1] } }] },
      [1, 'managedFields'],
    ]) {
      expect(decode(object)).toEqual(object);
      expect(decode({ type: 'MODIFIED', object })).toEqual({ type: 'MODIFIED', object });
    }
  });

  it('leaves what is malformed malformed', () => {
    for (const text of [
      '{"metadata":{"managedFields":[{',
      '{"metadata":{"managedFields":[',
      '"metadata":{"managedFields":[]',
    ]) {
      expect(decodeWithoutManagedFields(Buffer.from(text), 0, text.length)).toBe(text);
    }
  });
});
