/** Bytes that are no proper request, over a real socket: answered with a problem, and the connection ends. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { controlPlane, startController } from '../support/controller.js';

let controller: ControllerProcess;
let port: number;
beforeAll(async () => {
  controller = await startController(await controlPlane());
  port = Number(new URL(controller.url).port);
});
afterAll(async () => {
  await controller.kill('SIGTERM');
});

/** Everything that comes back until the server ends the connection. */
function exchange(bytes: string, timeoutMs = 10_000): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(Buffer.from(bytes, 'latin1'));
    });
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () => {
      socket.destroy(new Error(`the connection stayed open; so far: ${answer.slice(0, 200)}`));
    });
    socket.on('data', (chunk: string) => (answer += chunk));
    // What arrives after the server has refused resets the connection: the answer counts.
    socket.on('error', (error) => {
      if (answer === '') reject(error);
    });
    socket.on('close', () => {
      resolve(answer);
    });
  });
}

const CLOSE = 'Host: localhost\r\nConnection: close\r\n';

describe('a request', () => {
  it.each([
    ['that is not HTTP', 'hello\r\n\r\n', 400],
    ['with a NUL in its path', `GET /api/v1/\0 HTTP/1.1\r\n${CLOSE}\r\n`, 400],
    ['with a NUL in a header', `GET /api/v1/results HTTP/1.1\r\n${CLOSE}X-A: a\0b\r\n\r\n`, 400],
    ['with bytes beyond ASCII in its query', `GET /api/v1/results?run=\xe9 HTTP/1.1\r\n${CLOSE}\r\n`, 400],
    ['with a bare carriage return', `GET /api/v1/results HTTP/1.1\rHost: x\r\n\r\n`, 400],
    ['with two hosts', `GET /api/v1/results HTTP/1.1\r\n${CLOSE}Host: evil.example\r\n\r\n`, 400],
    ['with two lengths', `GET /api/v1/results HTTP/1.1\r\n${CLOSE}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400],
    [
      'with a length and chunks',
      `POST /api/v1/results HTTP/1.1\r\n${CLOSE}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
    ],
    ['with an address of 1 MB', `GET /api/v1/results?run=${'a'.repeat(1_000_000)} HTTP/1.1\r\n${CLOSE}\r\n`, 431],
    ['with a header of 1 MB', `GET /api/v1/results HTTP/1.1\r\n${CLOSE}X-A: ${'a'.repeat(1_000_000)}\r\n\r\n`, 431],
    [
      'with an address of 9,000 characters',
      `GET /api/v1/results?run=${'a'.repeat(9000)} HTTP/1.1\r\n${CLOSE}\r\n`,
      414,
    ],
    [
      'with a body in pieces',
      `GET /api/v1/results HTTP/1.1\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
      415,
    ],
    [
      'that announces a body of 1 GB',
      `GET /api/v1/results HTTP/1.1\r\n${CLOSE}Content-Length: 1000000000\r\n\r\n`,
      413,
    ],
    ['by a method that is none', `BREW /api/v1/results HTTP/1.1\r\n${CLOSE}\r\n`, 400],
    ['by a method that changes things', `DELETE /api/v1/results HTTP/1.1\r\n${CLOSE}\r\n`, 405],
  ])('%s is answered with a problem', async (_, bytes, status) => {
    const answer = await exchange(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} `));
    expect(answer.toLowerCase()).toContain('content-type: application/problem+json');
    const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as { status: number };
    expect(body.status).toBe(status);
  });

  it('that does not come to its end is answered with 408, and the connection is closed', async () => {
    const answer = await exchange('GET /api/v1/results HTTP/1.1\r\nHost: localhost\r\nX-Slow: ', 60_000);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('/problems/request-timeout');
  });

  it('after a broken one finds the server as before', async () => {
    await exchange('hello\r\n\r\n');
    expect(await exchange(`GET /api/v1/results HTTP/1.1\r\n${CLOSE}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
  });
});
