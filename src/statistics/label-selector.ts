/**
 * Label selectors with the grammar, the rules of validity and the canonical form of Kubernetes (apimachinery `pkg/labels`):
 * `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, `k`, `!k`, `k>1`, `k<1`, joined by commas that mean "and".
 */
import { checkLabelKey, checkLabelValue } from './label-syntax.js';

export type SelectorOperator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';

export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  /** Sorted and each once; empty for `exists` and `!`. */
  readonly values: readonly string[];
}

/** A selector; without requirements it matches everything. */
export interface LabelSelector {
  readonly requirements: readonly Requirement[];
}

export const EVERYTHING: LabelSelector = { requirements: [] };

/** A selector that can't be read. `position` counts characters from 0. */
export class SelectorSyntaxError extends Error {
  override readonly name = 'SelectorSyntaxError';

  constructor(
    readonly reason: string,
    readonly position: number,
  ) {
    super(`${reason}, at character ${String(position + 1)}`);
  }
}

type TokenKind = 'word' | '(' | ')' | ',' | '=' | '==' | '!=' | '!' | '>' | '<' | 'end';
interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly position: number;
}

const BLANK = /[ \t\r\n]/;
const SPECIAL = /[=!(),<>]/;

/**
 * Reads a selector.
 *
 * @throws {@link SelectorSyntaxError}
 */
export function parseSelector(text: string): LabelSelector {
  const tokens = tokenize(text);
  let next = 0;
  const peek = (): Token => tokens[next] as Token;
  const take = (): Token => tokens[next++] as Token;

  const requirements: Requirement[] = [];
  if (peek().kind === 'end') return EVERYTHING;
  for (;;) {
    requirements.push(readRequirement(peek, take));
    const token = take();
    if (token.kind === 'end') break;
    if (token.kind !== ',') throw unexpected(token, '"," or the end');
    const following = peek();
    if (following.kind !== 'word' && following.kind !== '!') throw unexpected(following, 'a label key after ","');
  }
  requirements.sort((a, b) => compareText(a.key, b.key) || compareText(formatRequirement(a), formatRequirement(b)));
  return { requirements };
}

function readRequirement(peek: () => Token, take: () => Token): Requirement {
  const negated = peek().kind === '!';
  if (negated) take();
  const keyToken = take();
  if (keyToken.kind !== 'word') throw unexpected(keyToken, negated ? 'a label key after "!"' : 'a label key');
  const wrong = checkLabelKey(keyToken.text);
  if (wrong !== undefined) throw new SelectorSyntaxError(`"${keyToken.text}": ${wrong}`, keyToken.position);
  const key = keyToken.text;
  const ahead = peek();
  if (negated || ahead.kind === ',' || ahead.kind === 'end') {
    return { key, operator: negated ? '!' : 'exists', values: [] };
  }

  const operator = take();
  switch (operator.kind) {
    case '=':
    case '==':
      return { key, operator: '=', values: [readValue(peek, take)] };
    case '!=':
      return { key, operator: '!=', values: [readValue(peek, take)] };
    case '>':
    case '<': {
      const at = peek();
      const value = readValue(peek, take);
      if (parseInteger(value) === undefined) {
        throw new SelectorSyntaxError(
          `"${value}": "${operator.kind}" compares with a whole number of 64 bits`,
          at.position,
        );
      }
      return { key, operator: operator.kind, values: [value] };
    }
    case 'word':
      if (operator.text === 'in' || operator.text === 'notin') {
        return { key, operator: operator.text, values: readValues(peek, take) };
      }
      break;
    default:
      break;
  }
  throw unexpected(operator, 'one of =, ==, !=, in, notin, >, <');
}

/** One value; none (`k=`) is the empty value. */
function readValue(peek: () => Token, take: () => Token): string {
  const ahead = peek();
  if (ahead.kind === 'end' || ahead.kind === ',') return '';
  if (ahead.kind !== 'word') throw unexpected(ahead, 'a label value');
  take();
  return checkedValue(ahead);
}

/** A list in parentheses. An empty place in it is the empty value, as for Kubernetes. */
function readValues(peek: () => Token, take: () => Token): string[] {
  const open = take();
  if (open.kind !== '(') throw unexpected(open, '"("');
  const values = new Set<string>();
  for (;;) {
    const token = peek();
    if (token.kind === 'word') {
      take();
      values.add(checkedValue(token));
      const after = peek();
      if (after.kind !== ',' && after.kind !== ')') throw unexpected(after, '"," or ")"');
      if (after.kind === ',') {
        take();
        // A comma before ")" or "," leaves an empty place behind it.
        const behind = peek().kind;
        if (behind === ')' || behind === ',') values.add('');
        continue;
      }
    } else if (token.kind === ',') {
      take();
      values.add('');
      if (peek().kind === ')') values.add('');
      continue;
    } else if (token.kind !== ')') {
      throw unexpected(token, 'a label value, "," or ")"');
    }
    take();
    break;
  }
  if (values.size === 0) values.add('');
  return [...values].toSorted(compareText);
}

function checkedValue(token: Token): string {
  const wrong = checkLabelValue(token.text);
  if (wrong !== undefined) throw new SelectorSyntaxError(`"${token.text}": ${wrong}`, token.position);
  return token.text;
}

function unexpected(token: Token, expected: string): SelectorSyntaxError {
  const found = token.kind === 'end' ? 'the end' : `"${token.text}"`;
  return new SelectorSyntaxError(`found ${found}, expected ${expected}`, token.position);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  while (i < text.length) {
    const char = text[i] as string;
    if (BLANK.test(char)) {
      i++;
      continue;
    }
    const start = i;
    if (SPECIAL.test(char)) {
      const two = text.slice(i, i + 2);
      const kind = two === '==' || two === '!=' ? two : (char as TokenKind);
      i += kind.length;
      tokens.push({ kind, text: kind, position: start });
      continue;
    }
    while (i < text.length && !BLANK.test(text[i] as string) && !SPECIAL.test(text[i] as string)) i++;
    tokens.push({ kind: 'word', text: text.slice(start, i), position: start });
  }
  tokens.push({ kind: 'end', text: '', position: text.length });
  return tokens;
}

/** The selector in canonical form, as Kubernetes prints it: keys in order, `=` for `==`, no blanks but around words. */
export function formatSelector(selector: LabelSelector): string {
  return selector.requirements.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    default:
      return `${key}${operator}${values[0] ?? ''}`;
  }
}

/** Whether a requirement accepts a label's value; `undefined` where the label is absent. */
export function accepts({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case '=':
    case 'in':
      return value !== undefined && values.includes(value);
    case '!=':
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case '>':
    case '<': {
      const left = parseInteger(value ?? '');
      const right = parseInteger(values[0] ?? '');
      if (left === undefined || right === undefined) return false;
      return operator === '>' ? left > right : left < right;
    }
    default: {
      const exhaustiveCheck: never = operator;
      return exhaustiveCheck;
    }
  }
}

export function matchesSelector(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return selector.requirements.every((requirement) =>
    accepts(requirement, Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined),
  );
}

/** A whole number as Go's `strconv.ParseInt(s, 10, 64)` reads it; a number and a bigint compare by value. */
function parseInteger(text: string): number | bigint | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  if (text.length <= 15) return Number(text);
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return value >= -(2n ** 63n) && value < 2n ** 63n ? value : undefined;
}

/** By code units, as Go compares the bytes of these ASCII strings. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
