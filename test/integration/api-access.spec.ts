/** Who may ask, decided by the real API server: tokens of real service accounts, rights by real RBAC. */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import type { ProblemDocument } from '../../src/modules/api/problem.js';
import type { ResultsAnswer } from '../../src/modules/api/results.schema.js';
import type { StatisticAnswer } from '../../src/modules/api/statistic.schema.js';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { applyManifests, controllerKubeconfig } from '../../tools/controller/deployment.js';
import { TelemetryModule } from '../../src/modules/telemetry/telemetry.module.js';
import { readyResult, startApi } from '../support/api-app.js';
import type { ApiApp } from '../support/api-app.js';
import { controlPlane } from '../support/controller.js';
import { FaultProxy } from '../support/fault-proxy.js';

const id = randomBytes(3).toString('hex');
const mine = `team-a-${id}`;
const theirs = `team-b-${id}`;

let plane: ControlPlane;
let client: KubeClient;
let delegated: ApiApp;
let strict: ApiApp;
let reader: string;

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  json<T>(): T;
}

/** Asks over a real socket, with exactly these headers. */
function ask(
  api: ApiApp,
  path: string,
  headers: Record<string, string> = {},
  host = '127.0.0.1',
  localAddress?: string,
): Promise<Answer> {
  const address = api.app.getHttpServer().address() as { port: number };
  return new Promise((resolve, reject) => {
    const options = { host, port: address.port, path, headers, agent: false, timeout: 10_000, localAddress };
    const outgoing = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, json: <T>() => JSON.parse(text) as T });
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

const bearer = (token: string): Record<string, string> => ({ host: 'api.example', authorization: `Bearer ${token}` });

async function createToken(account: string, ...options: string[]): Promise<string> {
  return (await plane.kubectlOk(['create', 'token', account, '-n', mine, ...options])).trim();
}

async function start(auth: 'delegated' | 'strict', over: KubeClient = client): Promise<ApiApp> {
  const api = await startApi({ auth, client: over });
  api.model.index.put(readyResult('a', 10, 20, { namespace: mine }));
  api.model.index.put(readyResult('b', 30, 40, { namespace: theirs }));
  await api.app.listen(0, '::');
  return api;
}

beforeAll(async () => {
  plane = await controlPlane();
  await applyManifests(plane);
  client = connect({ kubeconfig: await controllerKubeconfig(plane) });
  for (const namespace of [mine, theirs]) await plane.kubectlOk(['create', 'namespace', namespace]);
  for (const account of ['reader', 'nobody', 'everywhere']) {
    await plane.kubectlOk(['create', 'serviceaccount', account, '-n', mine]);
  }
  const role = `read-results-${id}`;
  await plane.kubectlOk(['create', 'clusterrole', role, '--verb=list', '--resource=datapathresults.datapath.observer']);
  await plane.kubectlOk([
    'create',
    'rolebinding',
    role,
    '-n',
    mine,
    `--clusterrole=${role}`,
    `--serviceaccount=${mine}:reader`,
  ]);
  await plane.kubectlOk([
    'create',
    'clusterrolebinding',
    role,
    `--clusterrole=${role}`,
    `--serviceaccount=${mine}:everywhere`,
  ]);
  reader = await createToken('reader');
  delegated = await start('delegated');
  strict = await start('strict');
}, 90_000);

afterAll(async () => {
  await delegated.app.close();
  await strict.app.close();
  client.close();
  await plane.kubectlOk(['delete', 'namespace', mine, theirs, '--wait=false']);
});

describe('a token', () => {
  it('sees the namespace in which it may list results, and no other', async () => {
    const own = await ask(delegated, `/api/v1/time-to-start?namespace=${mine}`, bearer(reader));
    expect(own.status).toBe(200);
    expect(own.json<StatisticAnswer>().count).toBe(1);
    for (const query of [`?namespace=${theirs}`, `?namespace=${mine}&namespace=${theirs}`, '', '?namespace=']) {
      for (const path of ['time-to-start', 'pod-health', 'results', 'stream']) {
        const response = await ask(delegated, `/api/v1/${path}${query}`, bearer(reader));
        expect([path, query, response.status]).toEqual([path, query, 403]);
        expect(response.json<ProblemDocument>().type).toBe('/problems/forbidden');
      }
    }
  });

  it('learns nothing of a single result elsewhere, not even that it exists', async () => {
    expect((await ask(delegated, '/api/v1/results/uid-a', bearer(reader))).status).toBe(200);
    const hidden = await ask(delegated, '/api/v1/results/uid-b', bearer(reader));
    const absent = await ask(delegated, '/api/v1/results/uid-x', bearer(reader));
    expect(hidden.status).toBe(404);
    expect(hidden.json<ProblemDocument>().detail.replace('uid-b', 'uid-x')).toBe(absent.json<ProblemDocument>().detail);
  });

  it('is told to come back for a single result before the caches are filled, not that it is not there', async () => {
    delegated.model.synced = false;
    try {
      expect((await ask(delegated, '/api/v1/results/uid-unseen', bearer(reader))).status).toBe(503);
      expect((await ask(delegated, '/api/v1/results/uid-unseen', { host: 'api.example' })).status).toBe(401);
    } finally {
      delegated.model.synced = true;
    }
  });

  it('with the right in all namespaces sees all', async () => {
    const token = await createToken('everywhere');
    const response = await ask(delegated, '/api/v1/results', bearer(token));
    expect(response.json<ResultsAnswer>().total).toBe(2);
  });

  it('without a right sees nothing', async () => {
    const token = await createToken('nobody');
    expect((await ask(delegated, `/api/v1/results?namespace=${mine}`, bearer(token))).status).toBe(403);
  });

  it.each([
    ['none', () => Promise.resolve({ host: 'api.example' })],
    ['garbage', () => Promise.resolve(bearer('garbage'))],
    ['one with a broken signature', () => Promise.resolve(bearer(`${reader.slice(0, -4)}AAAA`))],
    ['one for another audience', async () => bearer(await createToken('reader', '--audience=somebody-else'))],
    ['one of 10 kB', () => Promise.resolve(bearer('a'.repeat(10_000)))],
    ['a password instead', () => Promise.resolve({ host: 'api.example', authorization: 'Basic YTpi' })],
    ['two words', () => Promise.resolve(bearer(`${reader} x`))],
  ])('is refused with 401 where there is %s', async (_, headers) => {
    const response = await ask(delegated, `/api/v1/time-to-start?namespace=${mine}`, await headers());
    expect(response.status).toBe(401);
    expect(response.headers['www-authenticate']).toContain('Bearer realm="datapath"');
    expect(response.json<ProblemDocument>().type).toBe('/problems/unauthorized');
  });

  it('is refused once it belongs to an account that is gone', async () => {
    await plane.kubectlOk(['create', 'serviceaccount', 'leaver', '-n', mine]);
    const token = await createToken('leaver');
    await plane.kubectlOk(['delete', 'serviceaccount', 'leaver', '-n', mine]);
    expect((await ask(delegated, `/api/v1/results?namespace=${mine}`, bearer(token))).status).toBe(401);
  });
});

describe('a call from loopback', () => {
  it('needs no token where a port-forward is trusted, and needs one where nobody is', async () => {
    expect((await ask(delegated, '/api/v1/results')).status).toBe(200);
    expect((await ask(delegated, '/api/v1/results', {}, '::1')).status).toBe(200);
    expect((await ask(strict, '/api/v1/results')).status).toBe(401);
    expect((await ask(strict, `/api/v1/results?namespace=${mine}`, { authorization: `Bearer ${reader}` })).status).toBe(
      200,
    );
  });

  it.each([
    ['a foreign Host', { host: 'evil.example' }],
    ['X-Forwarded-For', { 'x-forwarded-for': '10.1.2.3' }],
    ['X-Forwarded-Host', { 'x-forwarded-host': 'localhost' }],
    ['Forwarded', { forwarded: 'for=10.1.2.3' }],
  ])('with %s is one from anywhere', async (_, headers) => {
    expect((await ask(delegated, '/api/v1/results', headers)).status).toBe(401);
  });

  it('gives no page of another origin the right to read', async () => {
    const response = await ask(delegated, '/api/v1/results', { origin: 'https://evil.example' });
    expect(Object.keys(response.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(response.headers['cross-origin-resource-policy']).toBe('same-origin');
  });
});

it('a call from another address needs a token, whatever it says its host is', async () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter((each) => !each.internal && each.family === 'IPv4');
  // An address of loopback that nobody forwards from stands in where the machine has no other.
  const aside = await ask(delegated, '/api/v1/results', { host: 'localhost' }, '127.0.0.1', '127.0.0.2');
  expect(aside.status).toBe(401);
  for (const { address } of outside) {
    const response = await ask(delegated, '/api/v1/results', { host: 'localhost' }, address);
    expect([address, response.status]).toEqual([address, 401]);
  }
});

it('lets those scrape who may get /metrics, and nobody else', async () => {
  const registry = new Registry();
  const imports = [TelemetryModule.forRoot({ registry, version: 'test' })];
  const api = await startApi({ auth: 'delegated', client, imports });
  try {
    await api.app.listen(0, '::');
    expect((await ask(api, '/metrics', { host: 'api.example' })).status).toBe(401);
    expect((await ask(api, '/metrics', bearer(reader))).status).toBe(403);
    await plane.kubectlOk(['create', 'serviceaccount', 'scraper', '-n', mine]);
    const role = `scrape-${id}`;
    await plane.kubectlOk(['create', 'clusterrole', role, '--verb=get', '--non-resource-url=/metrics']);
    const subject = `--serviceaccount=${mine}:scraper`;
    await plane.kubectlOk(['create', 'clusterrolebinding', role, `--clusterrole=${role}`, subject]);
    const token = await createToken('scraper');
    const answer = await ask(api, '/metrics', bearer(token));
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toContain('text/plain; version=0.0.4');
    expect((await ask(api, '/api/v1/results', bearer(token))).status).toBe(403);
    const text = await registry.metrics();
    expect(text).toContain('datapath_api_requests_total{route="/metrics",method="GET",code="401"} 1');
    expect(text).toContain('datapath_build_info{version="test"');
  } finally {
    await api.app.close();
  }
});

it('lets nobody new in while the API server is away, and those it knows for a minute', async () => {
  const { hostname, port } = new URL(plane.server);
  const proxy = await FaultProxy.start({ host: hostname, port: Number(port) });
  const file = join(mkdtempSync(join(tmpdir(), 'api-access-')), 'kubeconfig');
  const config = readFileSync(await controllerKubeconfig(plane), 'utf8');
  expect(config).toContain(plane.server);
  writeFileSync(file, config.replaceAll(plane.server, proxy.url), { mode: 0o600 });
  const through = connect({ kubeconfig: file });
  const api = await start('delegated', through);
  try {
    const known = `/api/v1/results?namespace=${mine}`;
    const other = await createToken('reader');
    expect((await ask(api, known, bearer(reader))).status).toBe(200);
    await proxy.refuse();
    expect((await ask(api, known, bearer(reader))).status).toBe(200);
    const stranger = await ask(api, known, bearer(other));
    expect(stranger.status).toBe(503);
    expect(stranger.headers['retry-after']).toBe('5');
    expect(stranger.json<ProblemDocument>().type).toBe('/problems/unavailable');
    await proxy.heal();
    expect((await ask(api, known, bearer(other))).status).toBe(200);
  } finally {
    await api.app.close();
    through.close();
    await proxy.close();
  }
});
