/**
 * zod schema → structural OpenAPI v3 schema, the subset that a CustomResourceDefinition may hold: no `$ref`, no `$schema`, no
 * `additionalProperties: false` (the API server prunes unknown fields), no union, every node with its type.
 *
 * Source of the rules: "Specifying a structural schema" of the Kubernetes documentation of custom resources.
 */
import { z } from 'zod';

export interface StructuralSchema {
  readonly [key: string]: unknown;
}

/** The keys of a structural schema that we write, in the order in which a reader expects them. */
const ORDER = [
  'description',
  'type',
  'format',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'required',
  'properties',
  'items',
  'additionalProperties',
  'maxProperties',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
] as const;

/** Keys of JSON Schema that say nothing a structural schema could hold. */
const DROPPED: ReadonlySet<string> = new Set(['$schema', '$id', 'id', 'title', 'propertyNames']);

/**
 * @throws Error where the schema says something that a structural schema can't, with the path of it; or where a string, list or
 *   number has no bound
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' });
  return convert(json as Record<string, unknown>, '');
}

function convert(json: Record<string, unknown>, path: string): StructuralSchema {
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(json)) {
    if (DROPPED.has(key) || (key === 'additionalProperties' && json[key] === false)) continue;
    if (!(ORDER as readonly string[]).includes(key)) throw new Error(`${path || 'schema'}: ${key} is not supported`);
  }
  for (const key of ORDER) {
    const value = json[key];
    if (value === undefined || (key === 'additionalProperties' && value === false)) continue;
    if (key === 'properties') {
      result[key] = Object.fromEntries(
        Object.entries(value as Record<string, Record<string, unknown>>).map(([name, child]) => [
          name,
          convert(child, `${path}.${name}`),
        ]),
      );
    } else if (key === 'items' || key === 'additionalProperties') {
      result[key] = convert(value as Record<string, unknown>, `${path}.${key}`);
    } else {
      result[key] = value;
    }
  }
  requireBounds(result, path);
  return result;
}

/** Unbounded fields would let one object grow to megabytes and make the cost of a CEL rule incalculable. */
function requireBounds(schema: StructuralSchema, path: string): void {
  const missing = (...keys: readonly string[]): void => {
    const key = keys.find((one) => schema[one] === undefined);
    if (key !== undefined) throw new Error(`${path || 'schema'}: ${String(schema['type'])} must have ${key}`);
  };
  switch (schema['type']) {
    case 'string':
      if (schema['enum'] === undefined) missing('maxLength');
      return;
    case 'integer':
      missing('format', 'minimum', 'maximum');
      return;
    case 'array':
      missing('maxItems', 'x-kubernetes-list-type');
      return;
    case 'object':
      if (schema['additionalProperties'] !== undefined) missing('maxProperties');
      return;
    case 'boolean':
      return;
    default:
      throw new Error(`${path || 'schema'}: type ${String(schema['type'])} is not supported`);
  }
}
