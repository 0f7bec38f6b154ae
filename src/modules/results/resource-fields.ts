/**
 * The field types that our custom resources share, as zod schemas that also say what OpenAPI knows of them. Every string and every
 * list is bounded, every number has its format and range: the API server refuses what is beyond, and can tell what a CEL rule costs.
 */
import { z } from 'zod';

/** RFC 3339 in UTC with 0 to 9 fraction digits, as `formatInstant` writes it. */
const INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$/;

/** The largest count: a report may say up to 2^31, one more than an int32 holds. */
const MAX_COUNT = 2 ** 32 - 1;

/** A string of `minimum` to `maximum` characters. */
export function text(maximum: number, description: string, minimum = 0): z.ZodString {
  const bounded = z.string().max(maximum);
  return (minimum === 0 ? bounded : bounded.min(minimum)).meta({ description });
}

/** One of a closed list of words. */
export function oneOf<const T extends readonly [string, ...string[]]>(
  words: T,
  description: string,
): z.ZodEnum<{ [W in T[number]]: W }> {
  return z.enum(words).meta({ description });
}

/** An instant as text. */
export function instant(description: string): z.ZodString {
  return z
    .string()
    .max(30)
    .regex(INSTANT)
    .meta({ description: `${description} RFC 3339, UTC.`, format: 'date-time' });
}

/** Whole milliseconds from one instant to another; negative where a clock is off. */
export function signedMilliseconds(description: string): z.ZodNumber {
  return z.int().meta({ description, format: 'int64' });
}

/** A length in whole milliseconds. */
export function milliseconds(description: string): z.ZodNumber {
  return z.int().min(0).meta({ description, format: 'int64' });
}

/** How often something happened. */
export function count(description: string): z.ZodNumber {
  return z.int().min(0).max(MAX_COUNT).meta({ description, format: 'int64' });
}

/** A rule of the API server over a field: a CEL expression that must hold, and what is said when it doesn't. */
export interface FieldRule {
  readonly rule: string;
  readonly message: string;
}

/** The extensions of a structural schema that we use, to be spread into `.meta()`. */
export const rules = (...list: readonly FieldRule[]): Record<string, unknown> => ({
  'x-kubernetes-validations': list,
});
export const mapListBy = (key: string): Record<string, unknown> => ({
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [key],
});

/**
 * Written as a whole, by one writer: the API server keeps one entry of ownership for it instead of one per field, which would take
 * more room than the data.
 */
export const atomicObject: Record<string, unknown> = { 'x-kubernetes-map-type': 'atomic' };
export const atomicList: Record<string, unknown> = { 'x-kubernetes-list-type': 'atomic' };

/** A field that, once it is set, stays as it is. */
export function neverChanges(field: string): FieldRule {
  return {
    rule: `!has(oldSelf.${field}) || (has(self.${field}) && self.${field} == oldSelf.${field})`,
    message: `${field} never changes once it is set`,
  };
}

/** The standard condition of the Kubernetes API (`metav1.Condition`). */
export const condition = z.object({
  type: z
    .string()
    .min(1)
    .max(316)
    .regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/)
    .meta({ description: 'Type of the condition.' }),
  status: oneOf(['True', 'False', 'Unknown'], 'Status of the condition.'),
  observedGeneration: z
    .int()
    .min(0)
    .exactOptional()
    .meta({ description: 'The metadata.generation that the condition was set upon.', format: 'int64' }),
  lastTransitionTime: instant('When the status changed last.'),
  reason: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .meta({ description: 'Why the condition has this status, one word in CamelCase.' }),
  message: text(1024, 'What a person should know about it; may be empty.'),
});
