/**
 * The server against its own description: every call, every parameter, sensible and hostile values. Each answer must be one that the
 * description promises for that call, and none may be an error of the server.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { API_OPERATIONS } from '../../src/modules/api/operations.js';
import type { ApiOperation } from '../../src/modules/api/operations.js';
import { EXPORT_FORMATS } from '../../src/modules/runs/export/formats.js';
import { FAILURE_CLASSES, OUTCOMES } from '../../src/datapath/vocabulary.js';
import { httpCall } from '../support/http-call.js';
import type { HttpAnswer, HttpCall } from '../support/http-call.js';
import { Contract } from './openapi-contract.js';
import type { Answer } from './openapi-contract.js';
import { createWorld } from './world.js';
import type { World } from './world.js';

const contract = new Contract();
let world: World;
let requests = 0;
const statuses = new Map<number, number>();

beforeAll(async () => {
  world = await createWorld();
});

afterAll(async () => {
  await world.controller.kill('SIGTERM');
  const counts = [...statuses].toSorted(([a], [b]) => a - b).map(([status, n]) => `${String(status)}: ${String(n)}`);
  process.stdout.write(`contract: ${String(requests)} requests, ${counts.join(', ')}\n`);
});

/** Sends a path as it is, but for what can't stand in the first line of a request: raw-requests.spec.ts sends that. */
async function call(path: string, options: HttpCall = {}): Promise<HttpAnswer> {
  const answer = await httpCall(world.controller.url, path.replace(/[^\x21-\x7e]/gu, encodeURIComponent), options);
  requests++;
  statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
  return answer;
}

async function send(
  url: string,
  method: 'GET' | 'HEAD' = 'GET',
  headers: Record<string, string> = {},
): Promise<Answer> {
  const { status, headers: answered, text } = await call(url, { method, headers });
  return { status, contentType: answered['content-type'] ?? '', body: text };
}

/** The stream never ends by itself; what it answers before it begins is tested here, the rest beside it. */
const finite = API_OPERATIONS.filter(({ id }) => id !== 'streamResults');

const word = fc.constantFrom('NAMESPACE', 'NEIGHBOUR', 'RUN', 'BASELINE', 'node-1', 'a', 'x');
const SENSIBLE: Readonly<Record<string, fc.Arbitrary<string>>> = {
  namespace: word,
  labelSelector: fc.constantFrom('', 'app=a', 'app in (a,b),!tier', 'pod-index>1', 'tier', 'app!=a', 'app=a,app!=a'),
  run: word,
  node: fc.constantFrom('node-0', 'node-1', 'absent'),
  outcome: fc.constantFrom(...OUTCOMES),
  failureClass: fc.constantFrom(...FAILURE_CLASSES),
  since: fc.constantFrom('15m', '1h30m', '2026-01-31T12:00:00Z', '1970-01-01T00:00:00.000000001+14:00', '999999h'),
  until: fc.constantFrom('0s', '2100-01-01T00:00:00Z', '0m'),
  topN: fc.constantFrom('0', '1', '10', '1000'),
  method: fc.constantFrom('nearest-rank', 'linear', 'legacy'),
  groupBy: fc.constantFrom(
    'node',
    'namespace',
    'owner',
    'zone',
    'failureClass',
    'run',
    'label:app',
    'label:example.com/role',
  ),
  quantiles: fc.constantFrom('0.5', '0,1', '0.25,0.75,0.9999', '.5'),
  sort: fc.constantFrom('createdAt', '-createdAt', 'name', '-timeToStart', 'datapathDelay'),
  limit: fc.constantFrom('1', '7', '1000'),
  format: fc.constantFrom('json', 'ndjson', 'csv'),
  baseline: fc.constantFrom('RUN', 'BASELINE'),
  tolerance: fc.constantFrom('0', '0.05', '1.5', '10'),
};
const EXPORTS = fc.constantFrom(...EXPORT_FORMATS);
const HOSTILE = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '%00',
    '%',
    '%zz',
    '%e2%82',
    '-1',
    '1e9',
    '0x10',
    '1.5',
    '٣',
    'null',
    '[]',
    '{}',
    '__proto__',
    '../..',
  ),
  fc.constantFrom(
    'constructor',
    'undefined',
    'NaN',
    '9'.repeat(400),
    'a'.repeat(5000),
    '%0d%0aSet-Cookie:x',
    "'--",
    '<script>',
  ),
  fc.string({ unit: 'grapheme', maxLength: 30 }).map(encodeURIComponent),
  fc.string({ unit: 'binary', maxLength: 10 }).map((text) => {
    try {
      return encodeURIComponent(text);
    } catch {
      return '%ff';
    }
  }),
);

/** The words in capitals stand for names of the world, which isn't there yet when the arbitraries are made. */
function named(text: string): string {
  return text
    .replace('NAMESPACE', world.namespaces[0])
    .replace('NEIGHBOUR', world.namespaces[1])
    .replace('BASELINE', world.runs[1])
    .replace('RUN', world.runs[0]);
}

/** @param inPath in the place of the uid or the name that is there */
function urlOf(path: string, parameters: readonly (readonly [string, string])[], inPath?: string): string {
  const query = parameters.map(([name, value]) => `${name}=${named(value)}`).join('&');
  const target = path.replace('{uid}', inPath ?? world.uid).replace('{name}', inPath ?? world.runs[0]);
  return `${target}${query === '' ? '' : `?${query}`}`;
}

/** The parameters without which a call is refused, with values that make sense. */
function requiredOf({ query, example }: ApiOperation): readonly (readonly [string, string])[] {
  return Object.entries(query?.shape ?? {})
    .filter(([, schema]) => !z.safeParse(schema as z.ZodType, undefined).success)
    .map(([name]) => [name, name === 'baseline' ? 'BASELINE' : (example[name] ?? '')] as const);
}

describe.each(finite.map((operation) => [operation.path, operation] as const))('%s', (path, operation) => {
  const names = Object.keys(operation.query?.shape ?? {});
  const required = requiredOf(operation);
  const sensible = (name: string): fc.Arbitrary<readonly [string, string]> =>
    (operation.id === 'exportRun' ? EXPORTS : (SENSIBLE[name] ?? fc.constant(''))).map(
      (value) => [name, encodeURIComponent(value)] as const,
    );

  it('answers sensible questions with 200, as described', async () => {
    const known = names.filter((name) => name in SENSIBLE);
    const question = fc
      .subarray(known)
      .map((chosen) => [...new Set([...chosen, ...required.map(([name]) => name)])])
      .chain((chosen) => fc.tuple(...chosen.map(sensible)));
    await fc.assert(
      fc.asyncProperty(question, async (parameters) => {
        const url = urlOf(path, parameters);
        const answer = await send(url);
        expect({ url, status: answer.status }).toEqual({ url, status: 200 });
        expect({ url, wrong: contract.complaint(path, answer) }).toEqual({ url, wrong: undefined });
      }),
      { numRuns: 150 },
    );
  });

  it('answers anything else as described, and never with an error of its own', async () => {
    const name = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...names, 'cursor', 'topn') },
      { weight: 1, arbitrary: HOSTILE },
    );
    const pair = fc.tuple(name, HOSTILE);
    const inPath = fc.oneof(fc.constant(undefined), HOSTILE);
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { maxLength: 5 }), inPath, async (parameters, each) => {
        const url = urlOf(path, parameters, each === '' || each?.includes('/') === true ? 'x' : each);
        const answer = await send(url);
        expect(answer.status).toBeLessThan(500);
        // A name that isn't one of a result's, or an address that isn't one, may lead to no call at all.
        const reached =
          answer.status !== 404 && !(answer.status === 400 && answer.body.includes('/problems/bad-request'));
        if (reached || !path.includes('{')) {
          expect({ url, wrong: contract.complaint(path, answer) }).toEqual({ url, wrong: undefined });
        }
      }),
      { numRuns: 400 },
    );
  });

  it('answers each parameter alone with what was wrong', async () => {
    for (const name of names) {
      for (const value of ['%00', 'a'.repeat(7000), '%F0%9F%92%A9', '%', '1e9', '-1']) {
        const answer = await send(urlOf(path, [[name, value]]));
        // What could be the name of a run is none that exists.
        expect(name === 'baseline' ? [400, 404] : [200, 400]).toContain(answer.status);
        expect(contract.complaint(path, answer)).toBeUndefined();
        if (answer.status === 400) expect(answer.body).toContain(`"parameter":"${name}"`);
      }
    }
  });

  it('accepts and refuses media types as described', async () => {
    const accept = fc.oneof(
      fc.constantFrom(
        '*/*',
        'application/*',
        'application/json',
        'text/csv',
        'text/html',
        'application/x-ndjson',
        '',
        ';',
        'a/b;q=2',
      ),
      fc.constantFrom('*/*;q=0', 'application/json;q=0, */*;q=0.1', 'text/html,*/*;q=0.8', 'x'.repeat(3000)),
    );
    await fc.assert(
      fc.asyncProperty(accept, async (value) => {
        const answer = await send(urlOf(path, required), 'GET', { accept: value });
        expect([200, 404, 406]).toContain(answer.status);
        expect(contract.complaint(path, answer)).toBeUndefined();
      }),
      { numRuns: 40 },
    );
  });

  it('answers HEAD with the status of GET and without a body', async () => {
    const answer = await send(urlOf(path, required), 'HEAD');
    expect(answer).toMatchObject({ status: 200, body: '' });
  });

  it('answers its own example', async () => {
    const described = contract.description.paths[path]?.get;
    const parameters = (described?.parameters ?? []).flatMap(({ name, in: where, example }) =>
      where === 'path' || example === undefined
        ? []
        : [
            name === 'baseline'
              ? ([name, 'BASELINE'] as const)
              : ([name, encodeURIComponent(String(Array.isArray(example) ? example[0] : example))] as const),
          ],
    );
    const answer = await send(urlOf(path, parameters));
    expect(answer.status).toBe(200);
  });
});

describe('everything else', () => {
  it('is refused: unknown paths, methods and bodies', async () => {
    const path = fc.oneof(
      fc.constantFrom(
        '/',
        '/api',
        '/api/v1',
        '/api/v1/',
        '/api/v2/results',
        '/api/v1/results/',
        '/API/V1/results',
        '//api/v1/results',
      ),
      fc
        .array(
          HOSTILE.filter((text) => !text.includes('?')),
          { maxLength: 4 },
        )
        .map((parts) => `/${parts.join('/')}`),
    );
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE');
    await fc.assert(
      fc.asyncProperty(path, method, fc.boolean(), async (url, verb, body) => {
        const answer = await call(url, {
          method: verb,
          ...(body ? { body: '{"a":', headers: { 'content-type': 'application/json' } } : {}),
        });
        expect({ url, verb, status: answer.status }).toMatchObject({ status: expect.any(Number) });
        expect([400, 404, 405, 413, 414, 415]).toContain(answer.status);
        expect(answer.headers['content-type']).toContain('application/problem+json');
      }),
      { numRuns: 400 },
    );
  });

  it('left no error of the server behind, in no answer and not in its log', () => {
    expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
    const log = world.controller.logTail(Infinity);
    expect(log).not.toContain('A request failed');
    // A line of the log is a line: what a Pod said can't begin another, nor colour a terminal.
    for (const line of log.split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
    expect(log).not.toContain('\u001b');
  });
});
