import { inspect } from 'node:util';
import { isKubeApiError } from './kube-api-error.js';

/** An API server's message may hold a whole object, and a log line shouldn't. */
const MAX_CHARACTERS = 1_024;

/**
 * Whatever was thrown, in words: `TypeError: x is not a function`. At most 1,024 characters. Never throws itself: code that
 * handles anybody's errors must survive `throw null`, objects without a prototype, and messages that are no strings.
 */
export function errorText(error: unknown): string {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${shown(error)}`;
    return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
  } catch {
    return 'thrown: something that can not be shown';
  }
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  return inspect(value, {
    depth: 1,
    breakLength: Infinity,
    maxStringLength: 256,
    maxArrayLength: 8,
    customInspect: false,
  });
}

/**
 * What makes two failures the same one, whatever object they are about: the API server's code and reason, else the text without its
 * numbers and quotations, and without `names`.
 */
export function errorKind(error: unknown, names: readonly string[] = []): string {
  if (isKubeApiError(error)) return `${error.name} ${error.code} ${error.reason}`;
  let text = errorText(error);
  for (const name of names) if (name !== '') text = text.replaceAll(name, '*');
  return text.replace(/"[^"]*"|'[^']*'|`[^`]*`|[0-9a-f]*[0-9][0-9a-f-]*/g, '*');
}
