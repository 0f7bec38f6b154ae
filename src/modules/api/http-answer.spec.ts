import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readyResult, startApi } from '../../../test/support/api-app.js';
import type { ApiApp } from '../../../test/support/api-app.js';
import { acceptsGzip, entityTag, matchesTag } from './http-answer.js';

let api: ApiApp;
beforeAll(async () => {
  api = await startApi();
  for (let i = 0; i < 50; i++) api.model.index.put(readyResult(`p${String(i)}`, i, i));
});
afterAll(async () => {
  await api.app.close();
});

describe('a conditional request', () => {
  it('is answered with 304 until the content changes', async () => {
    const first = await api.get('/api/v1/time-to-start');
    const etag = String(first.headers['etag']);
    const second = await api.get('/api/v1/time-to-start', { 'if-none-match': `"other", ${etag}` });
    expect(second.status).toBe(304);
    expect(second.text).toBe('');
    expect(second.headers['etag']).toBe(etag);
    api.model.index.put(readyResult('p0', 77, 78));
    expect((await api.get('/api/v1/time-to-start', { 'if-none-match': etag })).status).toBe(200);
  });

  it('has the same tag whenever it is asked, and never that of a problem', async () => {
    const answer = { generatedAt: '2026-01-31T12:00:00.000Z', p50: 1 };
    const later = { ...answer, generatedAt: '2026-01-31T12:00:09.000Z' };
    expect(entityTag(JSON.stringify(answer))).toBe(entityTag(JSON.stringify(later)));
    expect(entityTag(JSON.stringify({ ...answer, p50: 2 }))).not.toBe(entityTag(JSON.stringify(answer)));
    expect((await api.get('/api/v1/time-to-start?topN=x')).headers['etag']).toBeUndefined();
  });

  it('compares weakly', () => {
    expect(matchesTag('*', 'W/"a"')).toBe(true);
    expect(matchesTag('"a"', 'W/"a"')).toBe(true);
    expect(matchesTag('W/"b", "c"', 'W/"a"')).toBe(false);
    expect(matchesTag(undefined, 'W/"a"')).toBe(false);
  });
});

describe('compression', () => {
  const gzip = { 'accept-encoding': 'br;q=1, gzip;q=0.5' };

  it('is used where it pays and is accepted', async () => {
    const response = await api.app.inject({ url: '/api/v1/results', headers: gzip });
    expect(response.headers['content-encoding']).toBe('gzip');
    expect(response.headers['vary']).toContain('accept-encoding');
    expect(JSON.parse(gunzipSync(response.rawPayload).toString())).toHaveProperty('total', 50);
    const small = await api.app.inject({ url: '/api/v1/pod-health', headers: gzip });
    expect(small.headers['content-encoding']).toBeUndefined();
    expect((await api.app.inject({ url: '/api/v1/results' })).headers['content-encoding']).toBeUndefined();
  });

  it('works on streams', async () => {
    const response = await api.app.inject({ url: '/api/v1/results?format=ndjson', headers: gzip });
    expect(gunzipSync(response.rawPayload).toString().trimEnd().split('\n')).toHaveLength(50);
  });

  it.each([
    ['gzip', true],
    ['*', true],
    ['gzip;q=0', false],
    ['gzip;q=0, *', false],
    ['br', false],
    ['', false],
    [undefined, false],
  ])('is accepted by "%s": %s', (header, accepted) => {
    expect(acceptsGzip(header)).toBe(accepted);
  });
});

describe('the documentation', () => {
  it('comes whole from this server, under a policy that lets it ask nobody else', async () => {
    const page = await api.get('/docs');
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.text).not.toMatch(/https?:\/\//);
    const files = [...page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, file]) => file as string);
    expect(files).toHaveLength(5);
    for (const file of files) expect([file, (await api.get(file)).status]).toEqual([file, 200]);
  });

  it('gives no other file', async () => {
    for (const file of ['package.json', '..%2fpackage.json', 'constructor', '%2e%2e', 'swagger-ui.js']) {
      expect([file, (await api.get(`/docs/${file}`)).status]).toEqual([file, 404]);
    }
  });

  it('says what each kind of problem is', async () => {
    const page = await api.get('/problems/unknown-parameter');
    expect(page.status).toBe(200);
    expect(page.text).toContain('400');
    expect((await api.get('/problems/constructor')).status).toBe(404);
  });
});

it('no answer of the API can be framed, sniffed, or read by another origin', async () => {
  for (const path of ['/api/v1/results', '/api/v1/nothing', '/docs', '/openapi.json']) {
    const { headers } = await api.get(path, { origin: 'https://evil.example' });
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  }
});
