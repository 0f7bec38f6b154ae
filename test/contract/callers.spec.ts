/** Two teams with a token each, before a real controller: who sees what, who is refused, and that no log shows a token. */
import { createPrivateKey, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProblemDocument } from '../../src/modules/api/problem.js';
import type { Results } from '../support/api-client.js';
import { startController } from '../support/controller.js';
import { httpCall } from '../support/http-call.js';
import type { HttpAnswer } from '../support/http-call.js';
import { createWorld } from './world.js';
import type { World } from './world.js';

let world: World;
/** Every token that was sent. */
const sent: string[] = [];

beforeAll(async () => {
  world = await createWorld(['--log-level=debug']);
  const { plane, namespaces } = world;
  const role = `read-results-${randomBytes(3).toString('hex')}`;
  await plane.kubectlOk(['create', 'clusterrole', role, '--verb=list', '--resource=datapathresults.datapath.observer']);
  for (const namespace of namespaces) {
    await plane.kubectlOk(['create', 'serviceaccount', 'reader', '-n', namespace]);
    const subject = `--serviceaccount=${namespace}:reader`;
    await plane.kubectlOk(['create', 'rolebinding', role, '-n', namespace, `--clusterrole=${role}`, subject]);
  }
});
afterAll(async () => {
  await world.controller.kill('SIGTERM');
});

/** Asks as a remote caller does: by a name that is not of this machine. */
async function ask(path: string, token?: string): Promise<HttpAnswer> {
  if (token !== undefined) sent.push(token);
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return httpCall(world.controller.url, path, {
    headers: { host: 'datapath-controller.example:8080', ...authorization },
  });
}

function tokenOf(namespace: string, ...options: readonly string[]): Promise<string> {
  return world.plane.kubectlOk(['create', 'token', 'reader', '-n', namespace, ...options]).then((text) => text.trim());
}

/** The token, issued two hours ago for one hour, or now: signed anew by the key of the API server. */
function resigned(token: string, nowSeconds: number): string {
  const [header = '', payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  const dated = { ...claims, iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 3600 };
  const content = `${header}.${Buffer.from(JSON.stringify(dated)).toString('base64url')}`;
  const key = createPrivateKey(
    readFileSync(join(world.plane.state.folder, 'certificates', 'service-accounts.key'), 'utf8'),
  );
  const signature = sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' });
  return `${content}.${signature.toString('base64url')}`;
}

const CALLS = ['time-to-start', 'time-to-datapath-ready', 'datapath-delay', 'pod-health', 'results'] as const;

describe('a team', () => {
  it.each([
    [0, 1],
    [1, 0],
  ] as const)('sees its own namespace by every call, and of the other nothing (%i, not %i)', async (own, other) => {
    const token = await tokenOf(world.namespaces[own]);
    for (const call of CALLS) {
      expect([call, (await ask(`/api/v1/${call}?namespace=${world.namespaces[own]}`, token)).status]).toEqual([
        call,
        200,
      ]);
      for (const query of ['', `?namespace=${world.namespaces[other]}`, `?run=${world.runs[other]}`]) {
        const answer = await ask(
          `/api/v1/${call}${call === 'pod-health' && query.includes('run') ? '' : query}`,
          token,
        );
        expect([call, query, answer.status]).toEqual([call, query, 403]);
        expect(answer.text).not.toContain(world.runs[other]);
      }
    }
    const { items } = (await ask(`/api/v1/results?namespace=${world.namespaces[own]}`, token)).json<Results>();
    expect(new Set(items.map(({ namespace }) => namespace))).toEqual(new Set([world.namespaces[own]]));
    const foreign = await world.client.listResults({ namespace: [world.namespaces[other]], limit: 1 });
    expect((await ask(`/api/v1/results/${foreign.items[0]?.uid ?? ''}`, token)).status).toBe(404);
    expect((await ask(`/api/v1/stream?namespace=${world.namespaces[other]}`, token)).status).toBe(403);
    for (const path of ['', `/${world.runs[own]}`, `/${world.runs[own]}/export?format=csv`]) {
      expect([path, (await ask(`/api/v1/runs${path}`, token)).status]).toEqual([path, 403]);
    }
  });
});

describe('a caller', () => {
  const path = (): string => `/api/v1/time-to-start?namespace=${world.namespaces[0]}`;

  it.each([
    ['without a token', () => Promise.resolve(undefined)],
    ['with a token for another audience', () => tokenOf(world.namespaces[0], '--audience=somebody-else')],
    ['with a token that nobody signed', async () => `${(await tokenOf(world.namespaces[0])).slice(0, -8)}AAAAAAAA`],
  ] as const)('%s gets 401', async (_, token) => {
    const answer = await ask(path(), await token());
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="datapath"/);
    expect(answer.json<ProblemDocument>().type).toBe('/problems/unauthorized');
  });

  it('with an expired token gets 401, and with the same one in its time 200', async () => {
    const token = await tokenOf(world.namespaces[0]);
    const now = Math.floor(Date.now() / 1000);
    expect((await ask(path(), resigned(token, now - 10))).status).toBe(200);
    expect((await ask(path(), resigned(token, now - 7200))).status).toBe(401);
  });
});

it('no token is in the log, whatever its level', () => {
  const log = world.controller.logTail(Infinity);
  expect(sent.length).toBeGreaterThan(10);
  for (const token of sent) {
    expect(log).not.toContain(token);
    expect(log).not.toContain(token.split('.').at(-1));
  }
  expect(log.toLowerCase()).not.toContain('bearer ');
});

it('who switches the check off is warned, and everybody then sees everything', async () => {
  const open = await startController(world.plane, { args: ['--api-auth=none'] });
  try {
    expect(open.logTail(Infinity)).toContain('API_AUTH is none: whoever reaches the port reads every result');
    const answer = await httpCall(open.url, '/api/v1/results', { headers: { host: 'datapath-controller.example' } });
    expect(answer.status).toBe(200);
  } finally {
    await open.kill('SIGTERM');
  }
});
