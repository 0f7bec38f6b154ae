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
import { resultWithUid } from '../support/arbitrary-result.js';
import { startApi } from '../support/api-app.js';
import type { ApiApp } from '../support/api-app.js';
import { FilledRunsModule } from '../support/runs-module.js';
import { Contract } from './openapi-contract.js';
import type { Answer } from './openapi-contract.js';

const contract = new Contract();
let api: ApiApp;
let requests = 0;
const statuses = new Map<number, number>();

beforeAll(async () => {
  api = await startApi({ imports: [FilledRunsModule] });
  const uid = fc.integer({ min: 0, max: 400 }).map((n) => `uid-${String(n)}`);
  for (const state of fc.sample(resultWithUid(uid), { numRuns: 300, seed: 11 })) api.model.index.put(state);
  for (let i = 0; i < 40; i++) {
    api.model.pods.add({
      namespace: 'perf',
      name: `pod-${String(i)}`,
      uid: `uid-${String(i)}`,
      resourceVersion: '1',
      labels: { app: i % 2 === 0 ? 'a' : 'b' },
      creationTimestamp: '2026-01-31T12:00:00Z',
      phase: ['Pending', 'Running', 'Failed', 'Succeeded', 'Unknown'][i % 5] as string,
      restartPolicy: 'Always',
      ...(i % 3 === 0 ? { ready: { status: i % 2 === 0, reason: 'ContainersNotReady' } } : {}),
      ...(i % 7 === 0 ? { deletionTimestamp: '2026-01-31T12:00:00Z' } : {}),
    });
  }
});

afterAll(async () => {
  await api.app.close();
  const counts = [...statuses].toSorted(([a], [b]) => a - b).map(([status, n]) => `${String(status)}: ${String(n)}`);
  process.stdout.write(`contract: ${String(requests)} requests, ${counts.join(', ')}\n`);
});

async function send(
  url: string,
  method: 'GET' | 'HEAD' = 'GET',
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await api.app.inject({ method, url, headers });
  requests++;
  statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1);
  return {
    status: response.statusCode,
    contentType: String(response.headers['content-type'] ?? ''),
    body: response.payload,
  };
}

/** The stream never ends by itself; what it answers before it begins is tested here, the rest beside it. */
const finite = API_OPERATIONS.filter(({ id }) => id !== 'streamResults');

const word = fc.constantFrom('perf', 'other', 'n1', 'run-1', 'a', 'x');
const SENSIBLE: Readonly<Record<string, fc.Arbitrary<string>>> = {
  namespace: word,
  labelSelector: fc.constantFrom('', 'app=a', 'app in (a,b),!tier', 'pod-index>1', 'tier', 'app!=a', 'app=a,app!=a'),
  run: word,
  node: fc.constantFrom('n1', 'n2', 'absent'),
  outcome: fc.constantFrom(...OUTCOMES),
  failureClass: fc.constantFrom(...FAILURE_CLASSES),
  since: fc.constantFrom(
    '15m',
    '1h30m',
    '0s',
    '2026-01-31T12:00:00Z',
    '1970-01-01T00:00:00.000000001+14:00',
    '999999h',
  ),
  until: fc.constantFrom('1s', '2100-01-01T00:00:00Z', '0m'),
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
  baseline: fc.constantFrom('run-1', 'run-2'),
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

function urlOf(path: string, parameters: readonly (readonly [string, string])[], uid = 'uid-1'): string {
  const query = parameters.map(([name, value]) => `${name}=${value}`).join('&');
  return `${path.replace('{uid}', uid).replace('{name}', uid === 'uid-1' ? 'run-1' : uid)}${query === '' ? '' : `?${query}`}`;
}

/** The parameters without which a call is refused, with values that make sense. */
function requiredOf({ query, example }: ApiOperation): readonly (readonly [string, string])[] {
  return Object.entries(query?.shape ?? {})
    .filter(([, schema]) => !z.safeParse(schema as z.ZodType, undefined).success)
    .map(([name]) => [name, name === 'baseline' ? 'run-2' : (example[name] ?? '')] as const);
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
    const uid = fc.oneof(fc.constant('uid-1'), HOSTILE);
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { maxLength: 5 }), uid, async (parameters, each) => {
        const url = urlOf(path, parameters, each === '' || each.includes('/') ? 'x' : each);
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
              ? ([name, 'run-2'] as const)
              : ([name, encodeURIComponent(String(Array.isArray(example) ? example[0] : example))] as const),
          ],
    );
    const answer = await send(urlOf(path, parameters));
    expect(answer.status).toBe(200);
    for (const [mediaType, { example }] of Object.entries(described?.responses['200']?.content ?? {})) {
      if (example === undefined) continue;
      const shown = { status: 200, contentType: mediaType, body: JSON.stringify(example) };
      expect({ mediaType, wrong: contract.complaint(path, shown) }).toEqual({ mediaType, wrong: undefined });
    }
  });
});

describe('everything else', () => {
  it('is described: each route of the API has its operation, and the other way round', async () => {
    for (const operation of API_OPERATIONS) {
      const { path } = operation;
      const { status } = await send(urlOf(path, requiredOf(operation)), 'HEAD');
      expect([path, status]).toEqual([path, 200]);
    }
    const printed = api.app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false });
    const routes = printed.split('\n').filter((line) => line.includes('(GET'));
    const served = routes.filter((line) => !/docs|:file|openapi\.json|problems|:kind/.test(line)).length;
    expect(served).toBe(API_OPERATIONS.length);
  });

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
        const response = await api.app.inject({
          method: verb as 'GET',
          url,
          ...(body ? { payload: '{"a":', headers: { 'content-type': 'application/json' } } : {}),
        });
        requests++;
        expect({ url, verb, status: response.statusCode }).toMatchObject({ status: expect.any(Number) });
        expect([400, 404, 405, 413, 414, 415]).toContain(response.statusCode);
        expect(response.headers['content-type']).toContain('application/problem+json');
      }),
      { numRuns: 400 },
    );
  });
});
