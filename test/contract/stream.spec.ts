/** The stream of a real controller, while Pods change in a real API server. */
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createPod } from '../../tools/controller/deployment.js';
import { StreamHub } from '../../src/modules/api/stream-hub.service.js';
import { result, startApi } from '../support/api-app.js';
import type { Result } from '../support/api-client.js';
import { annotate, deletePod, eventually } from '../support/controller.js';
import { openEventStream } from '../support/event-stream.js';
import type { EventStream } from '../support/event-stream.js';
import { httpCall } from '../support/http-call.js';
import { createWorld } from './world.js';
import type { World } from './world.js';

let world: World;
let namespace: string;
const open: { close(): void }[] = [];

beforeAll(async () => {
  world = await createWorld();
  [namespace] = world.namespaces;
});
afterEach(() => {
  for (const stream of open.splice(0)) stream.close();
});
afterAll(async () => {
  await world.controller.kill('SIGTERM');
});

async function listen(query = `?namespace=${namespace}`, headers: Record<string, string> = {}): Promise<EventStream> {
  const stream = await openEventStream(`${world.controller.url}/api/v1/stream${query}`, headers);
  open.push(stream);
  return stream;
}

async function listeners(): Promise<number> {
  const { text } = await httpCall(world.controller.url, '/metrics');
  return Number(/^datapath_api_streams (\d+)$/m.exec(text)?.[1]);
}

interface Frame {
  readonly changed: readonly Result[];
  readonly removed: readonly { readonly uid: string }[];
}

/** Follows until a Pod's result is as wanted. @returns how many frames spoke of the Pod, and the id of the last */
async function follow(
  stream: EventStream,
  name: string,
  holds: (result: Result) => boolean,
): Promise<{ frames: number; id: string }> {
  for (let frames = 0; ;) {
    const { data, id } = await stream.next('results', 30_000);
    const result = (JSON.parse(data) as Frame).changed.find((each) => each.name === name);
    if (result === undefined) continue;
    frames++;
    if (holds(result)) return { frames, id };
  }
}

describe('the stream of a controller', () => {
  it('tells each Pod once per frame with its latest state, however often it changed', async () => {
    await createPod(world.plane, namespace, { name: 'restless' });
    const stream = await listen();
    const start = performance.now();
    for (let i = 1; i <= 40; i++) {
      const report = { v: 1, state: 'Started', startedAt: new Date().toISOString(), attempts: i };
      await annotate(world.plane, namespace, 'restless', { 'datapath.observer/report': JSON.stringify(report) });
    }
    const ended = new Date().toISOString();
    await annotate(world.plane, namespace, 'restless', {
      'datapath.observer/started-at': ended,
      'datapath.observer/ready-at': ended,
    });
    const { frames } = await follow(stream, 'restless', (result) => result.outcome === 'Ready');
    const seconds = (performance.now() - start) / 1000;
    // Four a second, and one for the beginning of the first.
    expect(frames).toBeLessThanOrEqual(Math.ceil(seconds * 4) + 1);
  });

  it('goes on by Last-Event-ID with what happened meanwhile', async () => {
    await createPod(world.plane, namespace, { name: 'before' });
    const first = await listen();
    await createPod(world.plane, namespace, { name: 'seen' });
    const { id } = await follow(first, 'seen', () => true);
    first.close();
    await first.closed;
    await createPod(world.plane, namespace, { name: 'missed' });
    await createPod(world.plane, namespace, { name: 'gone' });
    await eventually('both results', async () => {
      const { items } = await world.client.listResults({ namespace: [namespace], limit: 1000 });
      return ['missed', 'gone'].every((name) => items.some((item) => item.name === name));
    });
    await deletePod(world.plane, namespace, 'gone');
    const second = await listen(undefined, { 'last-event-id': id });
    const told = new Set<string>();
    await eventually('what was missed', async () => {
      const { data } = await second.next('results', 30_000);
      for (const { name, outcome } of (JSON.parse(data) as Frame).changed) told.add(`${name} ${outcome}`);
      return told.has('missed Pending') && told.has('gone Aborted');
    });
    expect([...told].some((line) => line.startsWith('before '))).toBe(false);
  });

  it('says reset once where it cannot go on: after a restart of the controller', async () => {
    const { lastEventId } = await world.client.listResults({ namespace: [namespace], limit: 1 });
    await world.controller.kill('SIGKILL');
    world.controller.start();
    await world.controller.ready(60_000);
    const stream = await listen(`?namespace=${namespace}&lastEventId=${lastEventId}`);
    const { id, data } = await stream.next('reset');
    expect(JSON.parse(data)).toHaveProperty('reason');
    // With a fresh list it goes on from there, without another reset.
    await createPod(world.plane, namespace, { name: 'after-reset' });
    await follow(stream, 'after-reset', () => true);
    stream.close();
    const next = await listen(undefined, { 'last-event-id': id });
    await follow(next, 'after-reset', () => true);
  });

  it('lets a caller go that takes nothing in, having told it when to come back', async () => {
    // Megabytes fill the buffers of two kernels before a write waits: results in such numbers are put in without an API server.
    const api = await startApi();
    try {
      await api.app.listen(0, '127.0.0.1');
      const { port } = api.app.getHttpServer().address() as { port: number };
      let head = '';
      const socket = connect({ host: '127.0.0.1', port }, () => {
        socket.write('GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
      });
      open.push({ close: () => socket.destroy() });
      await new Promise<void>((resolve, reject) => {
        socket.on('error', reject);
        socket.on('data', (chunk: Buffer) => {
          head += chunk.toString();
          if (!head.includes('retry: ')) return;
          socket.pause();
          resolve();
        });
      });
      expect(head).toContain('retry: 2000');
      const hub = api.app.get(StreamHub);
      expect(hub.size).toBe(1);
      const labels = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`label-${String(i)}`, 'x'.repeat(63)]));
      let round = 0;
      await eventually('the caller is let go', () => {
        round++;
        for (let i = 0; i < 200; i++) api.model.index.put(result(`p${String(i)}`, { labels, restarts: round }));
        return Promise.resolve(hub.size === 0);
      });
    } finally {
      await api.app.close();
    }
  });

  it('gives a sign of life while nothing happens', async () => {
    const response = await fetch(`${world.controller.url}/api/v1/stream?namespace=nobody-is-here`);
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      if (text.includes('\n: ping\n\n')) break;
    }
    expect(text).toContain('\n: ping\n\n');
  });

  it('tells who comes when too many listen to come back', async () => {
    const streams: EventStream[] = [];
    for (let i = await listeners(); i < 100; i++) streams.push(await listen());
    expect(await listeners()).toBe(100);
    const answer = await httpCall(world.controller.url, '/api/v1/stream');
    expect([answer.status, answer.headers['retry-after']]).toEqual([429, '10']);
    for (const stream of streams) stream.close();
    await eventually('room again', async () => (await listeners()) === 0);
  });
});
