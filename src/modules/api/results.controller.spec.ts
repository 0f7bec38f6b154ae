import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readyResult, result, startApi, TEST_NOW_MS } from '../../../test/support/api-app.js';
import type { ApiApp } from '../../../test/support/api-app.js';
import { fromEpochMs } from '../../datapath/instant.js';
import { csvCell } from './csv.js';
import type { ProblemDocument } from './problem.js';
import type { ResultDetail, ResultRecord } from './result-record.schema.js';
import type { StatisticAnswer } from './statistic.schema.js';
import type { ResultsAnswer } from './results.schema.js';

let api: ApiApp;
beforeEach(async () => {
  api = await startApi();
});
afterEach(async () => {
  await api.app.close();
});

const page = async (query: string): Promise<ResultsAnswer> => {
  const response = await api.get(`/api/v1/results?${query}`);
  expect(response.status).toBe(200);
  return response.json<ResultsAnswer>();
};

async function allPages(query: string, between: () => void = () => undefined): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | null = '';
  for (let pages = 0; cursor !== null; pages++) {
    expect(pages).toBeLessThan(500);
    const answer: ResultsAnswer = await page(cursor === '' ? query : `${query}&cursor=${cursor}`);
    names.push(...answer.items.map((item) => item.name));
    cursor = answer.cursor;
    between();
  }
  return names;
}

describe('paging', () => {
  it.each(['createdAt', '-createdAt', 'name', '-name', 'timeToStart', '-datapathDelay'])(
    'by %s gives each result that was there all along exactly once, whatever is written meanwhile',
    async (sort) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 5, maxLength: 30 }),
          fc.integer({ min: 1, max: 7 }),
          fc.infiniteStream(fc.record({ remove: fc.nat(29), change: fc.nat(29), add: fc.nat(3) })),
          async (created, limit, edits) => {
            const { index } = api.model;
            for (const uid of index.table.uids()) index.remove(uid);
            const at = (ms: number): bigint => fromEpochMs(TEST_NOW_MS + ms);
            created.forEach((ms, i) => {
              index.put(readyResult(`p${String(i)}`, i % 4, 9, { createdAt: at(ms) }));
            });
            const stayed = new Set(created.map((_, i) => `p${String(i)}`));
            let added = 0;
            const names = await allPages(`sort=${sort}&limit=${String(limit)}`, () => {
              const { remove, change, add } = edits.next().value as { remove: number; change: number; add: number };
              index.remove(`uid-p${String(remove)}`);
              stayed.delete(`p${String(remove)}`);
              const before = index.get(`uid-p${String(change)}`);
              if (before !== undefined) index.put(readyResult(before.name, 3, 77, { createdAt: before.createdAt }));
              if (added < 60) index.put(readyResult(`new${String(added++)}`, 2, 5, { createdAt: at(add) }));
            });
            expect(new Set(names).size).toBe(names.length);
            for (const name of stayed) expect(names).toContain(name);
          },
        ),
        { numRuns: 10 },
      );
    },
    60_000,
  );

  it('sorts, and puts what has no value last', async () => {
    api.model.index.put(readyResult('slow', 50, 60));
    api.model.index.put(result('none'));
    api.model.index.put(readyResult('fast', 5, 60));
    expect(await allPages('sort=timeToStart&limit=1')).toEqual(['fast', 'slow', 'none']);
    expect(await allPages('sort=-timeToStart')).toEqual(['slow', 'fast', 'none']);
    expect(await allPages('sort=-name')).toEqual(['slow', 'none', 'fast']);
  });

  it('refuses a cursor of another question, and one that it never gave', async () => {
    for (let i = 0; i < 3; i++) api.model.index.put(result(`p${String(i)}`));
    const { cursor } = await page('limit=1');
    for (const query of [`limit=1&run=run-1&cursor=${cursor ?? ''}`, 'cursor=abc', 'cursor=']) {
      const response = await api.get(`/api/v1/results?${query}`);
      expect(response.status).toBe(400);
      expect(response.json<ProblemDocument>().errors?.[0]?.parameter).toBe('cursor');
    }
    // The size of a page may change on the way.
    expect((await page(`limit=2&cursor=${cursor ?? ''}`)).items).toHaveLength(2);
  });

  it('says that a list is gone once it is no longer kept', async () => {
    for (let i = 0; i < 3; i++) api.model.index.put(readyResult(`p${String(i)}`, i, i));
    const { cursor } = await page('sort=timeToStart&limit=1');
    for (let i = 0; i < 16; i++) await page('sort=timeToStart&limit=1');
    const response = await api.get(`/api/v1/results?sort=timeToStart&limit=1&cursor=${cursor ?? ''}`);
    expect(response.status).toBe(410);
    expect(response.json<ProblemDocument>().type).toBe('/problems/cursor-expired');
  });

  it('links to the next page', async () => {
    for (let i = 0; i < 3; i++) api.model.index.put(result(`p${String(i)}`));
    const { headers } = await api.get('/api/v1/results?limit=2&run=run-1');
    expect(headers['link']).toMatch(/^<\?limit=2&run=run-1&cursor=[\w-]+>; rel="next"$/);
  });
});

describe('streams', () => {
  it('gives every result as a line of JSON, the same as on the pages', async () => {
    for (let i = 0; i < 1234; i++) api.model.index.put(readyResult(`p${String(i)}`, i, i));
    const response = await api.get('/api/v1/results', { accept: 'application/x-ndjson' });
    expect(response.headers['content-type']).toContain('application/x-ndjson');
    const lines = response.text.trimEnd().split('\n');
    expect(lines).toHaveLength(1234);
    expect(new Set(lines.map((line) => (JSON.parse(line) as ResultRecord).uid)).size).toBe(1234);
    expect((await api.get('/api/v1/results?format=ndjson&limit=7')).text.trimEnd().split('\n')).toHaveLength(7);
    expect((await api.get('/api/v1/results?format=ndjson&run=none')).text).toBe('');
  });

  it('gives CSV that a spreadsheet reads and does not run', async () => {
    api.model.index.put(
      result('p', {
        outcome: 'Failed',
        failure: { class: 'ProbeTimeout', message: '=HYPERLINK("http://x")\nsecond, line' },
        labels: { app: 'web', tier: 'x' },
      }),
    );
    const { text, headers } = await api.get('/api/v1/results', { accept: 'text/csv' });
    expect(headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
    expect(text.startsWith('namespace,name,uid,')).toBe(true);
    expect(text).toContain('"\'=HYPERLINK(""http://x"")\nsecond, line"');
    expect(text).toContain('"app=web,tier=x"\r\n');
  });

  it('defuses what a spreadsheet would run, and leaves numbers alone', () => {
    const cells = ['=1', '+1', '-1', '@x', '\tx', '\rx', '\nx', '＝1', 'x=1', 'x;=1;-2; y', 'x\r\n@y', -1, null, 'a"b'];
    expect(cells.map(csvCell)).toEqual([
      "'=1",
      "'+1",
      "'-1",
      "'@x",
      "'\tx",
      '"\'\rx"',
      '"\'\nx"',
      "'＝1",
      'x=1',
      "x;'=1;'-2; y",
      '"x\r\n\'@y"',
      '-1',
      '',
      '"a""b"',
    ]);
  });

  it('answers a wrong cursor with a problem, not with half a stream', async () => {
    const response = await api.get('/api/v1/results?format=csv&cursor=abc');
    expect(response.status).toBe(400);
    expect(response.headers['content-type']).toContain('application/problem+json');
    expect(response.headers['content-disposition']).toBeUndefined();
  });
});

describe('one result', () => {
  it('has its timeline in the order of time', async () => {
    const createdAt = fromEpochMs(TEST_NOW_MS);
    api.model.index.put(
      readyResult('p', 1500, 1700, {
        milestones: [
          { name: 'created', at: createdAt, source: 'WatchReceipt', resolutionMs: 0 },
          { name: 'started', at: createdAt + 1_500_000_000n, source: 'Annotation', resolutionMs: 0 },
          { name: 'scheduled', at: createdAt + 1_000_000_000n, source: 'Condition', resolutionMs: 1000 },
        ],
      }),
    );
    const detail = (await api.get('/api/v1/results/uid-p')).json<ResultDetail>();
    expect(detail.timeline).toEqual([
      expect.objectContaining({ name: 'created', sinceCreatedMs: 0, sincePreviousMs: null }),
      expect.objectContaining({
        name: 'scheduled',
        at: '2026-01-31T12:00:01Z',
        sinceCreatedMs: 1000,
        sincePreviousMs: 1000,
      }),
      expect.objectContaining({ name: 'started', at: '2026-01-31T12:00:01.500Z', sincePreviousMs: 500 }),
    ]);
  });

  it('shows no milliseconds of a creation that Kubernetes truncated to the second', async () => {
    api.model.index.put(readyResult('p', 1, 2, { creationSource: 'CreationTimestamp', uncertaintyMs: 1000 }));
    expect((await api.get('/api/v1/results/uid-p')).json<ResultDetail>().createdAt).toBe('2026-01-31T12:00:00Z');
    const { worstPods } = (await api.get('/api/v1/time-to-start')).json<StatisticAnswer>();
    expect(worstPods[0]?.createdAt).toBe('2026-01-31T12:00:00Z');
  });

  it('is a problem where there is none', async () => {
    expect((await api.get('/api/v1/results/nobody')).status).toBe(404);
    const wrong = await api.get('/api/v1/results/%00');
    expect(wrong.status).toBe(400);
    expect(wrong.json<ProblemDocument>().errors?.[0]?.parameter).toBe('uid');
  });
});
