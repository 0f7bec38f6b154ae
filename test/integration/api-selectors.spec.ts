/** Label selectors mean here what they mean to the real API server: the same are valid, and they select the same. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { connect } from '../../src/modules/kube/connect.js';
import { isKubeApiError } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import {
  formatSelector,
  matchesSelector,
  parseSelector,
  SelectorSyntaxError,
} from '../../src/statistics/label-selector.js';
import type { LabelSelector } from '../../src/statistics/label-selector.js';
import { CONFIG_MAPS } from '../support/kube-fixtures.js';

const namespace = `selectors-${randomBytes(3).toString('hex')}`;
const KEYS = ['app', 'tier', 'example.com/n', 'in', 'notin', 'A.b_c'] as const;
const VALUES = [
  '',
  'a',
  'b',
  'in',
  '1',
  '2',
  '10',
  '007',
  '9223372036854775807',
  '9223372036854775808',
  'x_.y',
] as const;

let client: KubeClient;
const objects = new Map<string, Record<string, string>>();

beforeAll(async () => {
  client = connect();
  await client.request({
    method: 'POST',
    path: '/api/v1/namespaces',
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
  });
  const sets = fc.sample(
    fc.dictionary(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES), { noNullPrototype: true }),
    {
      numRuns: 60,
      seed: 7,
    },
  );
  await Promise.all(
    sets.map(async (labels, i) => {
      const name = `o-${String(i)}`;
      objects.set(name, labels);
      await client.create(CONFIG_MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, labels } });
    }),
  );
}, 60_000);

afterAll(async () => {
  await client.request({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` });
  client.close();
});

/** What the API server selects, or `undefined` where it calls the selector invalid. */
async function selectedByServer(labelSelector: string): Promise<string[] | undefined> {
  try {
    const list = await client.list(CONFIG_MAPS, { namespace, labelSelector });
    // Every namespace has one of the system's own.
    return list.items.flatMap(({ metadata: { name } }) => (objects.has(name) ? [name] : [])).toSorted();
  } catch (error) {
    if (isKubeApiError(error) && error.code === 400) return undefined;
    throw error;
  }
}

function parsed(text: string): LabelSelector | undefined {
  try {
    return parseSelector(text);
  } catch (error) {
    if (error instanceof SelectorSyntaxError) {
      expect(error.position).toBeGreaterThanOrEqual(0);
      expect(error.position).toBeLessThanOrEqual(text.length);
      return undefined;
    }
    throw error;
  }
}

function selectedHere(selector: LabelSelector): string[] {
  return [...objects].flatMap(([name, labels]) => (matchesSelector(selector, labels) ? [name] : [])).toSorted();
}

async function compare(text: string): Promise<void> {
  const theirs = await selectedByServer(text);
  const selector = parsed(text);
  expect({ text, selected: selector && selectedHere(selector) }).toEqual({ text, selected: theirs });
  if (selector === undefined) return;
  const canonical = formatSelector(selector);
  expect(formatSelector(parseSelector(canonical))).toBe(canonical);
  expect({ canonical, selected: await selectedByServer(canonical) }).toEqual({ canonical, selected: theirs });
}

const PIECES = [
  '= == != ! > < ( ) , in notin exists -x x- a/b/c /x x/ UP.case/x é * " @ =< >= =! (('.split(' '),
  [' ', '\t', 'bad key', 'a'.repeat(64), `${'p'.repeat(250)}.abc/x`],
].flat();
const token = fc.constantFrom(...KEYS, ...VALUES, ...PIECES);
const value = fc.constantFrom(...VALUES);
const blank = fc.constantFrom('', ' ', '  ', '\t');
const valid = fc
  .array(
    fc.oneof(
      fc.tuple(fc.constantFrom(...KEYS), blank, fc.constantFrom('=', '==', '!=', '>', '<'), blank, value),
      fc.tuple(
        fc.constantFrom(...KEYS),
        fc.constantFrom(' in (', ' notin(', '  in\t( '),
        fc.array(value, { maxLength: 4 }).map((values) => values.join(', ')),
        fc.constant(')'),
      ),
      fc.tuple(fc.constantFrom('', '!', '! '), fc.constantFrom(...KEYS)),
    ),
    { maxLength: 4 },
  )
  .map((parts) => parts.map((part) => part.join('')).join(','));

describe('a selector', () => {
  it.each([
    ['', 'x in (foo,,baz),y,z notin ()', 'a in ()', 'a in (,)', 'a in (,x)', 'a in (x,)', 'a in (x,,y)', 'a in (x y)'],
    [
      'a=',
      'a!=',
      'a==b',
      'a=b=c',
      'a==b==c',
      'a,,b',
      'a,',
      ',a',
      '!a',
      '!!a',
      '! a',
      '!a=b',
      '!a in (b)',
      'a b',
      'a = b',
    ],
    [
      'in',
      'in in (in)',
      'notin notin (notin)',
      'a in b',
      'a in (b',
      'a in b)',
      'a in ((b))',
      'a=(',
      'a>',
      'a>1',
      'a> 1,a<3',
    ],
    [
      'a>x',
      'a<007',
      'a>9223372036854775807',
      'a>9223372036854775808',
      'a>-1',
      'a>+1',
      'a=b,a=c',
      'a=b,a!=b',
      'a.b/c=d',
    ],
    ['a/b/c', '/a', 'a/', 'A.b/c', 'a..b/c', '-a', 'a-', '_a', 'a=-b', 'a=b-', 'a=b c', 'a=é', 'exists', 'a exists'],
  ])('is read as the API server reads it: %s …', async (...texts) => {
    for (const text of texts) await compare(text);
  });

  it('that is valid selects what the API server selects, also in its canonical form', async () => {
    await fc.assert(fc.asyncProperty(valid, compare), { numRuns: 150 });
  }, 60_000);

  it('made of any pieces is valid here exactly where it is there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(token, { maxLength: 7 }).map((parts) => parts.join('')),
        compare,
      ),
      { numRuns: 300 },
    );
  }, 60_000);
});
