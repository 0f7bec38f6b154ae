import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../test/support/fake-clock.js';
import { eventually } from '../../../test/support/kube-fixtures.js';
import { systemClock } from './clock.js';
import { ConnectionPool } from './connection-pool.js';
import type { Credential } from './credentials.js';
import { STALE_CONNECTION } from './direct-connection.js';
import type { Exchange } from './http-exchange.js';
import { NotLeaderError } from './kube-api-error.js';
import { noMetrics } from './kube-metrics.js';

const spec = (more: Partial<Exchange> = {}): Exchange => ({
  method: 'GET',
  target: '/api',
  body: undefined,
  contentType: 'application/json',
  accept: 'application/json',
  userAgent: 'spec',
  signal: undefined,
  timeoutMs: 5_000,
  ...more,
});

describe('ConnectionPool', () => {
  const servers: Server[] = [];
  const pools: ConnectionPool[] = [];
  let opened = 0;

  async function listen(server: Server): Promise<Credential> {
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    return {
      server: new URL(`http://127.0.0.1:${port}`),
      headers: { Authorization: 'Bearer secret' },
      tls: {},
      fingerprint: 'f',
      proxyAgent: undefined,
    };
  }

  const serve = (handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Credential> =>
    listen(createHttpServer(handler));

  /** A server that does with each connection whatever it likes. */
  const improvise = (behave: (socket: Socket, connection: number) => void): Promise<Credential> => {
    let connections = 0;
    return listen(
      createServer((socket) => {
        socket.on('error', () => undefined);
        behave(socket, connections++);
      }),
    );
  };

  const poolFor = (credential: Credential, clock = systemClock): ConnectionPool => {
    opened = 0;
    const pool = new ConnectionPool(credential, clock, { ...noMetrics, connectionOpened: () => opened++ });
    pools.push(pool);
    return pool;
  };

  afterEach(async () => {
    for (const pool of pools.splice(0)) pool.close();
    for (const server of servers.splice(0)) {
      if ('closeAllConnections' in server) (server as unknown as { closeAllConnections(): void }).closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    }
  });

  it('sends method, path, headers and a body in any script, and reads the answer', async () => {
    const credential = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url, headers } = request;
        response.statusCode = 201;
        response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
      });
    });
    const answer = await poolFor(credential).exchange(
      spec({ method: 'POST', target: '/a?b=c', body: '{"ключ":"значение ✓"}' }),
      credential,
    );
    expect(answer.code).toBe(201);
    expect(JSON.parse(answer.text)).toMatchObject({
      method: 'POST',
      url: '/a?b=c',
      headers: {
        authorization: 'Bearer secret',
        'content-type': 'application/json',
        'user-agent': 'spec',
        host: credential.server.host,
      },
      body: '{"ключ":"значение ✓"}',
    });
  });

  it('takes one connection for calls one after the other, and as many as there are calls at once', async () => {
    const credential = await serve((_request, response) => response.end('{}'));
    const pool = poolFor(credential);
    for (let call = 0; call < 20; call++) await pool.exchange(spec(), credential);
    expect(opened).toBe(1);
    await Promise.all(Array.from({ length: 10 }, () => pool.exchange(spec(), credential)));
    expect(opened).toBe(10);
  });

  it('lets calls beyond 64 at once wait for their turn', async () => {
    const waiting: ServerResponse[] = [];
    const credential = await serve((_request, response) => {
      waiting.push(response);
      if (waiting.length === 64) for (const each of waiting.splice(0)) each.end('{}');
      else if (done >= 64) response.end('{}');
    });
    let done = 0;
    const pool = poolFor(credential);
    const calls = Array.from({ length: 100 }, async () => {
      await pool.exchange(spec(), credential);
      done++;
    });
    await Promise.all(calls.slice(0, 64));
    for (const each of waiting.splice(0)) each.end('{}');
    await Promise.all(calls);
    expect(opened).toBe(64);
  });

  it('does not use an idle connection that rested for long', async () => {
    const credential = await serve((_request, response) => response.end('{}'));
    const clock = new FakeClock();
    const pool = poolFor(credential, clock as unknown as typeof systemClock);
    await pool.exchange(spec(), credential);
    clock.freeze(56_000);
    await pool.exchange(spec(), credential);
    expect(opened).toBe(2);
  });

  it('says so when the server had closed the idle connection just then', async () => {
    const answerOnce = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}';
    const credential = await improvise((socket) => {
      socket.once('data', () => {
        socket.write(answerOnce);
        socket.once('data', () => socket.resetAndDestroy());
      });
    });
    const pool = poolFor(credential);
    await pool.exchange(spec(), credential);
    await expect(pool.exchange(spec(), credential)).rejects.toMatchObject({ code: 0, reason: STALE_CONNECTION });
  });

  it('opens a new connection after the server closed the idle one properly', async () => {
    const credential = await improvise((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'));
    });
    const pool = poolFor(credential);
    for (let call = 0; call < 3; call++) {
      expect((await pool.exchange(spec(), credential)).text).toBe('{}');
      await eventually('the connection is seen to be closed', () => pool.size === 0);
    }
    expect(opened).toBe(3);
  });

  it.each([
    ['Truncated', 'an answer that was cut', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}'],
    ['Protocol', 'an answer that is none', 'SSH-2.0-OpenSSH_9\r\n\r\n'],
    ['ConnectionReset', 'no answer at all', ''],
  ])('fails with %s on %s', async (reason, _what, text) => {
    const credential = await improvise((socket) => {
      socket.once('data', () => socket.end(text));
    });
    await expect(poolFor(credential).exchange(spec(), credential)).rejects.toMatchObject({ code: 0, reason });
  });

  it('never takes bytes that nobody asked for as the next answer', async () => {
    const credential = await improvise((socket, connection) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na');
        if (connection === 0) setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged'), 10);
      });
    });
    const pool = poolFor(credential);
    expect((await pool.exchange(spec(), credential)).text).toBe('a');
    await eventually('the connection is dropped', () => pool.size === 0);
    expect((await pool.exchange(spec(), credential)).text).toBe('a');
    expect(opened).toBe(2);
  });

  it('gives up at the deadline and on abort, and closes the connection', async () => {
    let closed = 0;
    const credential = await improvise((socket) => {
      socket.on('close', () => closed++);
      socket.resume();
    });
    const pool = poolFor(credential);
    await expect(pool.exchange(spec({ timeoutMs: 30 }), credential)).rejects.toMatchObject({
      code: 0,
      reason: 'Timeout',
    });
    const controller = new AbortController();
    const call = pool.exchange(spec({ signal: controller.signal }), credential);
    setTimeout(() => {
      controller.abort();
    }, 20);
    await expect(call).rejects.toMatchObject({ code: 0, reason: 'Aborted' });
    await eventually('both connections are closed', () => closed === 2);
  });

  it('names a refused connection', async () => {
    const credential = await improvise(() => undefined);
    const server = servers.pop();
    await new Promise((resolve) => server?.close(resolve));
    await expect(poolFor(credential).exchange(spec(), credential)).rejects.toMatchObject({
      code: 0,
      reason: 'ConnectionRefused',
    });
  });

  it('sends nothing when the fence refuses, and uses the connection for the next call', async () => {
    let requests = 0;
    const credential = await serve((_request, response) => {
      requests++;
      response.end('{}');
    });
    const pool = poolFor(credential);
    const refuse = (): void => {
      throw new NotLeaderError();
    };
    await expect(pool.exchange(spec({ method: 'POST', body: '{}', beforeSend: refuse }), credential)).rejects.toThrow(
      NotLeaderError,
    );
    await pool.exchange(spec(), credential);
    expect([requests, opened]).toEqual([1, 1]);
  });

  it('asks the fence when the connection is open, not before', async () => {
    const credential = await serve((_request, response) => response.end('{}'));
    const order: string[] = [];
    const call = poolFor(credential).exchange(
      spec({ method: 'POST', body: '{}', beforeSend: () => order.push('asked') }),
      credential,
    );
    order.push('called');
    await call;
    expect(order).toEqual(['called', 'asked']);
  });

  it.each([
    ['a path', { target: '/a b' }],
    ['a path with a line break', { target: '/a\r\nX: y' }],
    ['a header', { contentType: 'a\r\nX: y' }],
  ])('refuses %s that would make another request of it', async (_what, more) => {
    const credential = await serve((_request, response) => response.end('{}'));
    const pool = poolFor(credential);
    await expect(pool.exchange(spec({ body: '{}', ...more }), credential)).rejects.toMatchObject({
      reason: 'InvalidRequest',
    });
    const forged = { ...credential, headers: { Authorization: 'Bearer a\r\nX: y' } };
    await expect(pool.exchange(spec(), forged)).rejects.toMatchObject({ reason: 'InvalidRequest' });
    expect((await pool.exchange(spec(), credential)).code).toBe(200);
  });

  it('ends everything when it is closed', async () => {
    const credential = await improvise((socket) => socket.resume());
    const pool = poolFor(credential);
    const call = pool.exchange(spec(), credential);
    pool.close();
    await expect(call).rejects.toMatchObject({ code: 0, reason: 'Aborted' });
  });
});
