import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readyResult, result, startApi } from '../../../test/support/api-app.js';
import type { ApiApp } from '../../../test/support/api-app.js';
import { openEventStream } from '../../../test/support/event-stream.js';
import type { EventStream } from '../../../test/support/event-stream.js';
import type { ResultRecord } from './result-record.schema.js';
import type { ResultsAnswer } from './results.schema.js';
import { StreamHub } from './stream-hub.service.js';

let api: ApiApp;
let base: string;
const open: EventStream[] = [];

beforeEach(async () => {
  api = await startApi();
  await api.app.listen(0, '127.0.0.1');
  base = await api.app.getUrl();
});
afterEach(async () => {
  for (const stream of open.splice(0)) stream.close();
  await api.app.close();
});

async function listen(query = '', headers: Record<string, string> = {}): Promise<EventStream> {
  const stream = await openEventStream(`${base}/api/v1/stream${query}`, headers);
  open.push(stream);
  return stream;
}

interface Results {
  readonly changed: readonly ResultRecord[];
  readonly removed: readonly { readonly uid: string }[];
}

/** Applies events until `done`, as a caller would. */
async function follow(stream: EventStream, state: Map<string, ResultRecord>, done: () => boolean): Promise<string> {
  while (!done()) {
    const event = await stream.next('results');
    const { changed, removed } = JSON.parse(event.data) as Results;
    for (const record of changed) state.set(record.uid, record);
    for (const { uid } of removed) state.delete(uid);
  }
  return stream.lastEventId;
}

describe('the stream', () => {
  it('tells changes, many in one frame, and each Pod once with its latest state', async () => {
    const stream = await listen();
    for (let i = 0; i < 50; i++) {
      api.model.index.put(result(`p${String(i)}`));
      api.model.index.put(readyResult(`p${String(i)}`, 1, 2));
    }
    const event = await stream.next('results');
    const { changed } = JSON.parse(event.data) as Results;
    expect(changed).toHaveLength(50);
    expect(changed.every((record) => record.outcome === 'Ready')).toBe(true);
  });

  it('goes on from the id of a list, so that list and events give what a fresh list gives', async () => {
    for (let i = 0; i < 5; i++) api.model.index.put(result(`p${String(i)}`));
    const list = (await api.get('/api/v1/results')).json<ResultsAnswer>();
    const state = new Map(list.items.map((item) => [item.uid, item]));
    api.model.index.put(readyResult('p1', 1, 2));
    api.model.index.remove('uid-p2');
    api.model.index.put(result('p9'));

    const first = await listen(`?lastEventId=${list.lastEventId}`);
    const id = await follow(first, state, () => state.has('uid-p9') && !state.has('uid-p2'));
    first.close();
    api.model.index.put(readyResult('p3', 3, 4));
    const second = await listen('', { 'last-event-id': id });
    await follow(second, state, () => state.get('uid-p3')?.outcome === 'Ready');

    const fresh = (await api.get('/api/v1/results')).json<ResultsAnswer>();
    expect(new Set(state.values())).toEqual(new Set(fresh.items));
  });

  it.each(['0123456789ab-1', 'nonsense', '-1'])('says reset where it cannot go on from %s', async (id) => {
    const stream = await listen('', { 'last-event-id': id });
    const event = await stream.next('reset');
    expect(JSON.parse(event.data)).toHaveProperty('reason');
    expect(event.id).toMatch(/^[0-9a-f]{12}-\d+$/);
  });

  it('filters, and says when a Pod does not match any more', async () => {
    const stream = await listen('?labelSelector=app%3Dweb&namespace=perf');
    api.model.index.put(result('elsewhere', { namespace: 'other' }));
    api.model.index.put(result('a', { labels: { app: 'web' } }));
    const first = JSON.parse((await stream.next('results')).data) as Results;
    expect(first.changed.map((record) => record.name)).toEqual(['a']);
    expect(first.removed).toEqual([]);
    api.model.index.put(result('a', { labels: { app: 'db' } }));
    const second = JSON.parse((await stream.next('results')).data) as Results;
    expect(second).toEqual({ changed: [], removed: [{ namespace: 'perf', name: 'a', uid: 'uid-a' }] });
  });

  it('tells no names of namespaces that were not asked for when it goes on', async () => {
    const { lastEventId } = (await api.get('/api/v1/results')).json<ResultsAnswer>();
    api.model.index.put(result('secret', { namespace: 'other' }));
    api.model.index.put(result('mine'));
    const stream = await listen(`?namespace=perf&lastEventId=${lastEventId}`);
    const { changed, removed } = JSON.parse((await stream.next('results')).data) as Results;
    expect(changed.map((record) => record.name)).toEqual(['mine']);
    expect(removed).toEqual([]);
  });

  it('summarises at once and after changes', async () => {
    api.model.index.put(readyResult('p', 10, 30));
    const stream = await listen();
    const summary = JSON.parse((await stream.next('summary')).data) as { total: number; metrics: unknown };
    expect(summary.total).toBe(1);
    expect(summary.metrics).toMatchObject({ timeToDatapathReady: { count: 1, p50: 30, p99: 30 } });
  });

  it('counts who listens, and forgets who left', async () => {
    const hub = api.app.get(StreamHub);
    const stream = await listen();
    expect(hub.size).toBe(1);
    stream.close();
    await stream.closed;
    const deadline = performance.now() + 5000;
    while (hub.size > 0 && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
    expect(hub.size).toBe(0);
  });

  it('ends when the application stops', async () => {
    const stream = await listen();
    await api.app.close();
    await stream.closed;
  });

  it('answers HEAD without a stream', async () => {
    const response = await fetch(`${base}/api/v1/stream`, { method: 'HEAD' });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(api.app.get(StreamHub).size).toBe(0);
  });
});
