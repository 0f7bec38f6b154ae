import { z } from 'zod';
import { structuralSchema } from './structural-schema.js';

describe('a structural schema', () => {
  it('holds bounds, formats, extensions and descriptions, and nothing that the API server refuses', () => {
    const schema = z
      .object({
        name: z.string().min(1).max(63).meta({ description: 'Its name.' }),
        mode: z.enum(['On', 'Off']).exactOptional(),
        count: z.int().min(0).max(10).meta({ format: 'int32' }).exactOptional(),
        flag: z.boolean(),
        list: z
          .array(z.strictObject({ key: z.string().max(5) }))
          .max(3)
          .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['key'] }),
      })
      .meta({ 'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'no' }] });
    expect(structuralSchema(schema)).toEqual({
      type: 'object',
      required: ['name', 'flag', 'list'],
      properties: {
        name: { description: 'Its name.', type: 'string', minLength: 1, maxLength: 63 },
        mode: { type: 'string', enum: ['On', 'Off'] },
        count: { type: 'integer', format: 'int32', minimum: 0, maximum: 10 },
        flag: { type: 'boolean' },
        list: {
          type: 'array',
          maxItems: 3,
          items: { type: 'object', required: ['key'], properties: { key: { type: 'string', maxLength: 5 } } },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['key'],
        },
      },
      'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'no' }],
    });
  });

  it('holds a schema that is used twice in both places, without a reference', () => {
    const shared = z.object({ key: z.string().max(5) });
    const text = JSON.stringify(structuralSchema(z.object({ a: shared, b: shared })));
    expect(text).not.toContain('$ref');
    expect(text.match(/maxLength/g)).toHaveLength(2);
  });

  it.each([
    ['a string without a bound', z.object({ a: z.string() }), '.a: string must have maxLength'],
    ['a number without a format', z.object({ a: z.int() }), '.a: integer must have format'],
    ['a float', z.object({ a: z.number() }), '.a: type number is not supported'],
    ['a list without a bound', z.object({ a: z.array(z.string().max(1)) }), '.a: array must have maxItems'],
    ['a union', z.object({ a: z.union([z.string().max(1), z.boolean()]) }), '.a: anyOf is not supported'],
    [
      'a map without a bound',
      z.object({ a: z.record(z.string(), z.string().max(1)) }),
      '.a: object must have maxProperties',
    ],
  ])('is refused for %s, with its path', (_, schema, message) => {
    expect(() => structuralSchema(schema)).toThrow(message);
  });
});
