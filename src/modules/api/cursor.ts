/**
 * Cursors: where the next page begins. Opaque to callers, who get them from one answer and give them back with the next question;
 * a cursor belongs to the question that it came from.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Problem } from './problem.js';
import type { Place } from './result-order.js';

const Content = z.union([
  // Behind the result with this key: works on any replica, and never expires.
  z.strictObject({
    q: z.string(),
    createdMs: z.number(),
    namespace: z.string().max(253),
    name: z.string().max(253),
    uid: z.string().max(253),
  }),
  // At a place of a list that this replica keeps for a while.
  z.strictObject({ q: z.string(), list: z.string(), at: z.int().min(0) }),
]);

/** @param question everything that decides which results come, and in what order */
export function writeCursor(place: Place, question: string): string {
  return Buffer.from(JSON.stringify({ q: fingerprint(question), ...place })).toString('base64url');
}

/** @throws Problem where it is none, or belongs to another question */
export function readCursor(text: string, question: string): Place {
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch (error) {
    throw invalid('is not a cursor that an answer of this call gave', error);
  }
  const parsed = Content.safeParse(content);
  if (!parsed.success) throw invalid('is not a cursor that an answer of this call gave', parsed.error);
  const { q, ...place } = parsed.data;
  if (q !== fingerprint(question)) throw invalid('belongs to a question with other parameters', undefined);
  return place;
}

function invalid(detail: string, cause: unknown): Problem {
  return new Problem('invalid-parameter', `cursor ${detail}`, { errors: [{ parameter: 'cursor', detail }], cause });
}

function fingerprint(question: string): string {
  return createHash('sha256').update(question).digest('base64url').slice(0, 12);
}
