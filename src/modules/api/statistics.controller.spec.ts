import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readyResult, result, startApi } from '../../../test/support/api-app.js';
import type { ApiApp } from '../../../test/support/api-app.js';
import type { ProblemDocument } from './problem.js';
import type { StatisticAnswer } from './statistic.schema.js';

let api: ApiApp;
beforeEach(async () => {
  api = await startApi();
});
afterEach(async () => {
  await api.app.close();
});

describe('a statistic', () => {
  it('has every field that existing clients read, and nearest-rank percentiles', async () => {
    for (let i = 1; i <= 100; i++) api.model.index.put(readyResult(`pod-${String(i).padStart(3, '0')}`, i, i * 10));
    const answer = (await api.get('/api/v1/time-to-datapath-ready?topN=2')).json<StatisticAnswer>();
    expect(answer).toMatchObject({
      metric: 'time-to-datapath-ready',
      unit: 'ms',
      count: 100,
      totalSuccessful: 100,
      totalFailed: 0,
      p50: 500,
      p90: 900,
      p99: 990,
      failedPods: [],
      synced: true,
    });
    expect(answer.worstPods).toEqual([
      {
        namespace: 'perf',
        name: 'pod-100',
        uid: 'uid-pod-100',
        createdAt: '2026-01-31T12:00:00.000Z',
        measuredTs: '2026-01-31T12:00:01.000Z',
        value: 1000,
      },
      expect.objectContaining({ name: 'pod-099', value: 990 }),
    ]);
  });

  it('tells pending from failed, and counts both in the censored percentiles', async () => {
    api.model.index.put(readyResult('a', 10, 100));
    api.model.index.put(result('b', { outcome: 'Pending' }));
    api.model.index.put(result('c', { outcome: 'Failed', failure: { class: 'ImagePull', message: 'no such image' } }));
    const answer = (await api.get('/api/v1/time-to-start')).json<StatisticAnswer>();
    expect(answer).toMatchObject({
      count: 1,
      totalFailed: 1,
      totalPending: 1,
      p99: 10,
      censored: { p50: 10, p99: null },
    });
    expect(answer.failedPods).toEqual([{ namespace: 'perf', name: 'c', uid: 'uid-c' }]);
    expect(answer.failureClasses).toEqual({ ImagePull: 1 });
  });

  it('has null percentiles and empty lists where nothing was measured', async () => {
    const answer = (await api.get('/api/v1/datapath-delay')).json<StatisticAnswer>();
    expect(answer).toMatchObject({
      count: 0,
      p50: null,
      p90: null,
      p99: null,
      worstPods: [],
      failedPods: [],
      min: null,
    });
  });

  it('filters by namespace and label selector, and echoes the selector in canonical form', async () => {
    api.model.index.put(readyResult('a', 1, 2, { labels: { app: 'web', tier: 'x' } }));
    api.model.index.put(readyResult('b', 3, 4, { labels: { app: 'db' } }));
    api.model.index.put(readyResult('c', 5, 6, { namespace: 'other', labels: { app: 'web' } }));
    const answer = (
      await api.get(`/api/v1/time-to-start?namespace=perf&labelSelector=${encodeURIComponent('tier, app==web')}`)
    ).json<StatisticAnswer>();
    expect(answer).toMatchObject({ count: 1, p50: 1, namespace: 'perf', selector: 'app=web,tier' });
  });

  it('says in which direction a creation makes values uncertain, and that a delay has none', async () => {
    api.model.index.put(readyResult('seen', 1, 2, { creationSource: 'WatchReceipt', uncertaintyMs: 40 }));
    const warnings = async (metric: string): Promise<string> =>
      (await api.get(`/api/v1/${metric}`)).json<StatisticAnswer>().warnings.join();
    expect(await warnings('time-to-start')).toContain('up to 40 ms too small');
    expect(await warnings('time-to-start')).not.toContain('too large');
    api.model.index.put(readyResult('listed', 1, 2, { creationSource: 'CreationTimestamp', uncertaintyMs: 1000 }));
    expect(await warnings('time-to-datapath-ready')).toContain('up to 1000 ms too large');
    expect(await warnings('datapath-delay')).not.toMatch(/too (?:small|large)/);
    const delay = (await api.get('/api/v1/datapath-delay')).json<StatisticAnswer>();
    expect([delay.count, delay.uncertaintyMs]).toEqual([2, 0]);
  });

  it('tells a label that is empty from one that is missing', async () => {
    api.model.index.put(readyResult('a', 1, 2, { labels: { tier: '' } }));
    api.model.index.put(readyResult('b', 3, 4, { labels: {} }));
    const answer = (await api.get('/api/v1/time-to-start?groupBy=label:tier')).json<StatisticAnswer>();
    expect(answer.groups?.map(({ key, p50 }) => [key, p50])).toEqual([
      [null, 3],
      ['', 1],
    ]);
  });

  it('groups', async () => {
    api.model.index.put(readyResult('a', 1, 2, { nodeName: 'n1' }));
    api.model.index.put(readyResult('b', 3, 4, { nodeName: 'n1' }));
    api.model.index.put(readyResult('c', 5, 6));
    const answer = (await api.get('/api/v1/time-to-start?groupBy=node')).json<StatisticAnswer>();
    expect(answer.groups).toMatchObject([
      { key: 'n1', count: 2, p50: 1, p99: 3 },
      { key: null, count: 1, p50: 5 },
    ]);
  });
});

describe('bad input', () => {
  it.each([
    ['topN=abc', 'invalid-parameter', 'topN'],
    ['topN=-1', 'invalid-parameter', 'topN'],
    ['topN=1e9', 'invalid-parameter', 'topN'],
    ['topN=', 'invalid-parameter', 'topN'],
    ['topN=1&topN=2', 'invalid-parameter', 'topN'],
    ['topn=1', 'unknown-parameter', 'topn'],
    ['__proto__=1', 'unknown-parameter', '__proto__'],
    ['labelSelector=a%3D%3Db%3Dc', 'invalid-parameter', 'labelSelector'],
    ['namespace=%00', 'invalid-parameter', 'namespace'],
    ['namespace=%zz', 'invalid-parameter', 'namespace'],
    ['outcome=ready', 'invalid-parameter', 'outcome'],
    ['method=mean', 'invalid-parameter', 'method'],
    ['since=yesterday', 'invalid-parameter', 'since'],
    ['since=5m&until=10m', 'invalid-parameter', 'since'],
    ['since=2026-01-31T12:00:00Z&until=2026-01-31T11:59:59.999Z', 'invalid-parameter', 'since'],
    ['groupBy=label:', 'invalid-parameter', 'groupBy'],
    ['quantiles=2', 'invalid-parameter', 'quantiles'],
  ])('%s is a problem that names the parameter', async (query, kind, parameter) => {
    const response = await api.get(`/api/v1/time-to-start?${query}`);
    expect(response.status).toBe(400);
    expect(response.headers['content-type']).toContain('application/problem+json');
    const problem = response.json<ProblemDocument>();
    expect(problem.type).toBe(`/problems/${kind}`);
    expect(problem.errors?.[0]?.parameter).toBe(parameter);
  });

  it('says which parameters there are', async () => {
    const problem = (await api.get('/api/v1/pod-health?run=x')).json<ProblemDocument>();
    expect(problem.errors).toEqual([
      { parameter: 'run', detail: 'is not a parameter of this call', allowed: 'namespace, labelSelector, node, topN' },
    ]);
  });

  it.each([
    ['a path that does not exist', 'GET', '/api/v1/nothing', {}, 404],
    ['a broken percent-encoding', 'GET', '/%zz', {}, 400],
    ['a method that the path does not answer', 'POST', '/api/v1/time-to-start', {}, 405],
    ['a media type that is not given', 'GET', '/api/v1/time-to-start', { accept: 'text/html' }, 406],
    ['an address of 9,000 characters', 'GET', `/api/v1/time-to-start?namespace=${'a'.repeat(9000)}`, {}, 414],
    ['a body', 'GET', '/api/v1/time-to-start', { 'content-length': '2', 'content-type': 'application/json' }, 415],
    ['a body in pieces', 'GET', '/api/v1/time-to-start', { 'transfer-encoding': 'chunked' }, 415],
    ['a large body', 'GET', '/api/v1/time-to-start', { 'content-length': '100000' }, 413],
  ] as const)('%s is a problem', async (_, method, url, headers, status) => {
    const response = await api.app.inject({ method, url, headers });
    expect(response.statusCode).toBe(status);
    expect(response.headers['content-type']).toContain('application/problem+json');
    expect((JSON.parse(response.payload) as ProblemDocument).status).toBe(status);
  });

  it('asks to come back before the caches are filled', async () => {
    api.model.synced = false;
    const response = await api.get('/api/v1/time-to-start');
    expect(response.status).toBe(503);
    expect(response.headers['retry-after']).toBe('1');
  });
});
