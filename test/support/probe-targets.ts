/** Real local targets that behave as targets do: late, silent, resetting, with a wrong status. Each on a port of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { eventually } from './reporter-process.js';

export interface ProbeTarget {
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}

/** Accepts connections; `onSocket` says what then happens to them. */
export function tcpTarget(
  onSocket: (socket: Socket) => void = () => undefined,
  port = 0,
  host = '127.0.0.1',
): Promise<ProbeTarget> {
  return serve(createServer(onSocket), port, host);
}

export function resettingTarget(): Promise<ProbeTarget> {
  return tcpTarget((socket) => socket.resetAndDestroy());
}

export function httpTarget(handler: RequestListener): Promise<ProbeTarget> {
  return serve(createHttpServer(handler), 0);
}

export function httpsTarget(
  certificate: { certificate: string; key: string },
  handler: RequestListener,
): Promise<ProbeTarget> {
  return serve(createHttpsServer({ cert: certificate.certificate, key: certificate.key }, handler), 0);
}

/** A listener that never accepts and whose queue of connections is full: the kernel drops what comes, in silence. */
export async function fullTarget(): Promise<ProbeTarget> {
  const code = `const s=require('node:net').createServer();s.listen({host:'127.0.0.1',port:0,backlog:1},()=>console.log(s.address().port))`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString())));
  });
  child.kill('SIGSTOP');
  let connected = 0;
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1', () => (connected += 1)));
  for (const filler of fillers) filler.on('error', () => undefined);
  await eventually(() => connected >= 2, 'the queue to be full');
  return {
    port,
    connections: () => connected,
    close: async () => {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

/** A port where nobody listens. */
export async function closedPort(): Promise<number> {
  const target = await tcpTarget();
  await target.close();
  return target.port;
}

async function serve(server: Server, port: number, host = '127.0.0.1'): Promise<ProbeTarget> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on('connection', (socket: Socket) => {
    count += 1;
    sockets.add(socket);
    // What a probe does to its connection is what the test is about.
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => count,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
