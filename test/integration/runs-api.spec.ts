/** The calls about runs, asked of a real controller: living, archived and deleted ones. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { StatisticAnswer } from '../../src/modules/api/statistic.schema.js';
import type { RunComparison, RunDetail, RunsAnswer } from '../../src/modules/runs/runs.schema.js';
import { deleteAllResults, deleteRun, endedRun, newRunName, runThat } from '../support/runs.js';
import { runsWorld } from '../support/runs-world.js';

const world = runsWorld();
/** 20 Pods of 10, 20 … 200 ms: one run whose results are there, one whose results are archived. */
let living: string;
let archived: string;
/** A run whose DatapathRun was deleted. */
let orphan: string;

beforeAll(async () => {
  const fates = Array.from({ length: 20 }, (_, i) => ({ delayMs: (i + 1) * 10 }));
  const [one, two, three] = await Promise.all([
    endedRun(world.plane, world.client, fates),
    endedRun(world.plane, world.client, fates),
    endedRun(world.plane, world.client, [{ delayMs: 10 }]),
  ]);
  [living, archived, orphan] = [one.name, two.name, three.name];
  await deleteAllResults(world.plane, two.namespace);
  await deleteRun(world.plane, orphan);
  await runThat(world.plane, archived, 'is archived', ({ status }) => {
    return status?.archive?.results === 20 && status.archive.releasing === undefined;
  });
}, 120_000);

async function get<T>(path: string, status = 200): Promise<T> {
  const response = await fetch(`${world.controller.url}/api/v1${path}`);
  const text = await response.text();
  if (response.status !== status) throw new Error(`${path}: ${response.status} ${text.slice(0, 300)}`);
  return (text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text) as T;
}

describe('/runs', () => {
  it('lists runs with their counts', async () => {
    const { items, synced } = await get<RunsAnswer>('/runs');
    expect(synced).toBe(true);
    const names = items.map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
    expect(items.find(({ name }) => name === living)).toMatchObject({
      pods: 20,
      ready: 20,
      archived: 0,
      complete: true,
    });
    expect(items.find(({ name }) => name === archived)).toMatchObject({ pods: 20, ready: 20, archived: 20 });
    expect(items.find(({ name }) => name === orphan)).toMatchObject({ exists: false, pods: 1, archived: 0 });
  });

  it('refuses what it does not know', async () => {
    expect(await get('/runs?color=red', 400)).toMatchObject({ type: '/problems/unknown-parameter' });
    expect(await get(`/runs/${newRunName('none')}`, 404)).toMatchObject({ type: '/problems/not-found' });
    expect(await get('/runs/Not_A_Name', 400)).toMatchObject({ type: '/problems/invalid-parameter' });
    expect(await get(`/runs/${living}/comparison`, 400)).toMatchObject({ errors: [{ parameter: 'baseline' }] });
    expect(await get(`/runs/${living}/export?format=pdf`, 400)).toMatchObject({ errors: [{ parameter: 'format' }] });
  });
});

describe('/runs/{name}', () => {
  it('answers a living and an archived run alike, and says which is estimated', async () => {
    const [now, then] = [await get<RunDetail>(`/runs/${living}`), await get<RunDetail>(`/runs/${archived}`)];
    const delay = (run: RunDetail): RunDetail['metrics'][number] | undefined =>
      run.metrics.find(({ metric }) => metric === 'datapathDelay');
    expect(delay(now)).toMatchObject({ count: 20, p50: 100, min: 10, max: 200, mean: 105, estimated: false });
    expect(delay(then)).toMatchObject({ count: 20, p50: 100, min: 10, max: 200, mean: 105, estimated: true });
    expect(now.warnings).toEqual([]);
    expect(then.warnings).toEqual([expect.stringContaining('20 results')]);
  });

  it('says of results whose run was deleted that it was', async () => {
    const run = await get<RunDetail>(`/runs/${orphan}`);
    expect(run).toMatchObject({ exists: false, pods: 1, verdict: null, createdAt: null });
    expect(run.warnings).toEqual([expect.stringContaining('was deleted')]);
  });
});

describe('a statistic of a run', () => {
  it('comes from its results, or from its archive, and says so', async () => {
    const now = await get<StatisticAnswer>(`/datapath-delay?run=${living}`);
    expect(now).toMatchObject({ count: 20, p50: 100, source: 'results', relativeError: 0 });
    const then = await get<StatisticAnswer>(`/datapath-delay?run=${archived}`);
    expect(then).toMatchObject({ count: 20, p50: 100, min: 10, max: 200, source: 'archive', relativeError: 0.01 });
    expect(then.worstPods.map(({ value }) => value)).toEqual([200, 190, 180, 170, 160, 150, 140, 130, 120, 110]);
    const both = await get<StatisticAnswer>(`/datapath-delay?run=${living}&run=${archived}`);
    expect(both).toMatchObject({ count: 40, p50: 100, source: 'results and archive' });
  });

  it('leaves an archive out where more than the run is asked for, and warns', async () => {
    const some = await get<StatisticAnswer>(`/datapath-delay?run=${archived}&outcome=Ready`);
    expect(some).toMatchObject({ count: 0, source: 'results' });
    expect(some.warnings.join()).toContain('left out');
  });
});

describe('a comparison', () => {
  it('of two runs with the same values is within the tolerance, though one is archived', async () => {
    const { differences } = await get<RunComparison>(`/runs/${archived}/comparison?baseline=${living}&tolerance=0.5`);
    const mean = differences.find(({ metric, statistic }) => metric === 'datapathDelay' && statistic === 'mean');
    expect(mean).toMatchObject({ baselineMs: 105, valueMs: 105, differenceMs: 0, judgement: 'within' });
    const p50 = differences.find(({ metric, statistic }) => metric === 'datapathDelay' && statistic === 'p50');
    expect(p50).toMatchObject({ estimated: true, interval: { lowMs: expect.any(Number), highMs: expect.any(Number) } });
  });
});

describe('an export', () => {
  it.each([
    ['perfdata', 'application/json'],
    ['kube-burner', 'application/json'],
    ['junit', 'application/xml'],
    ['csv', 'text/csv'],
    ['ndjson', 'application/x-ndjson'],
  ])('as %s has its media type and values, also of an archived run', async (format, type) => {
    for (const run of [living, archived]) {
      const response = await fetch(`${world.controller.url}/api/v1/runs/${run}/export?format=${format}`);
      expect([response.status, response.headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`]);
      expect(await response.text()).toContain(run);
    }
  });
});
