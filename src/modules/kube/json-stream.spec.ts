import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/kube-fixtures.js';
import { systemClock } from './clock.js';
import { EventLoopBudget } from './event-loop-budget.js';
import { JsonStream } from './json-stream.js';
import { LineSplitter } from './line-splitter.js';

describe('JsonStream', () => {
  const servers: Server[] = [];

  /** Reads what a server answers, noting everything the owner is told. */
  async function read(answer: (response: ServerResponse) => void, sliceMs = 10) {
    const server = createServer((_request, response) => {
      answer(response);
    });
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ port, host: '127.0.0.1' }, resolve).on('error', reject);
    });
    const told: unknown[] = [];
    const owner = {
      value: (value: unknown): void => void told.push(value),
      malformed: (): void => void told.push('malformed'),
      ended: (): void => void told.push('ended'),
      failed: (): void => void told.push('failed'),
    };
    const stream = new JsonStream(
      response,
      new LineSplitter(),
      owner,
      systemClock,
      new EventLoopBudget(systemClock, sliceMs),
    );
    return { stream, told, response };
  }

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    }
  });

  const lines = (count: number): string => Array.from({ length: count }, (_, index) => `{"n":${index}}\n`).join('');
  const numbers = (count: number): unknown[] => Array.from({ length: count }, (_, n) => ({ n }));

  it('hands over every value in order, then the end', async () => {
    const { stream, told } = await read((response) => response.end(lines(5_000)));
    stream.open();
    await eventually('it ends', () => told.at(-1) === 'ended');
    expect(told).toEqual([...numbers(5_000), 'ended']);
  });

  it('lets others have their turn while it parses', async () => {
    const { stream, told } = await read((response) => response.end(lines(20_000)), 0);
    let turns = 0;
    const count = (): void => {
      turns++;
      if (told.at(-1) !== 'ended') setImmediate(count);
    };
    stream.open();
    count();
    await eventually('it ends', () => told.at(-1) === 'ended');
    expect(told).toHaveLength(20_001);
    expect(turns).toBeGreaterThan(100);
  });

  it('tells of a cut only after the values that came before it, and drops the value that was cut', async () => {
    const { stream, told } = await read((response) => {
      response.write(`${lines(100)}{"n":1`, () => response.destroy());
    }, 0);
    stream.open();
    await eventually('it fails', () => told.includes('failed'));
    expect(told).toEqual([...numbers(100), 'failed']);
  });

  it('stops at the first value that is no JSON, and says nothing more', async () => {
    const { stream, told, response } = await read((answer) => answer.end(`${lines(3)}{!}\n${lines(3)}`));
    stream.open();
    await eventually('the connection ends', () => response.destroyed);
    expect(told).toEqual([...numbers(3), 'malformed']);
  });

  it('holds values back and goes on where it was', async () => {
    const { stream, told } = await read((response) => response.end(lines(50)));
    stream.hold();
    stream.open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
    stream.release();
    await eventually('it ends', () => told.at(-1) === 'ended');
    expect(told).toEqual([...numbers(50), 'ended']);
  });

  it('leaves a burst in the server while it may not read', async () => {
    let sent = 0;
    const { stream, response } = await read((answer) => {
      const block = 'x'.repeat(64 * 1024);
      const push = (): void => {
        while (answer.write(block)) sent += block.length;
        sent += block.length;
        answer.once('drain', push);
      };
      push();
    });
    stream.hold();
    stream.open();
    await eventually('the server has to wait', () => response.isPaused());
    // What the kernel buffers on both sides, not the endless burst.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    stream.close();
  });

  it('says nothing after it was closed, not even from within a value', async () => {
    const { stream, told } = await read((response) => response.end(lines(100)));
    const original = told.push.bind(told);
    told.push = (...values: unknown[]): number => {
      if (told.length === 9) stream.close();
      return original(...values);
    };
    stream.open();
    await eventually('ten values have come', () => told.length >= 10);
    await new Promise((resolve) => setImmediate(resolve));
    expect([...told]).toEqual(numbers(10));
  });
});
