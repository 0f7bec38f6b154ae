/**
 * Sockets of Node. Its modules are loaded when first needed: `node:tls` alone costs as much as the rest of a start, and a TCP probe
 * needs it only after the measurement.
 */
import type { Socket as NetSocket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isIpAddress } from './ip-address.js';
import type { Connect, Listen, Socket, SocketError, SocketHandlers, TlsSettings } from './socket.js';

export function createNodeConnect(): Connect {
  // Loaded here, so that loading isn't counted as a slow connection.
  process.getBuiltinModule('node:net');
  return (address, port, tls, handlers) => new NodeSocket(address, port, tls, handlers);
}

class NodeSocket implements Socket {
  private readonly tcp: NetSocket;
  private secure: TLSSocket | undefined;
  private done = false;

  constructor(
    address: string,
    port: number,
    private readonly tls: TlsSettings | undefined,
    private readonly handlers: SocketHandlers,
  ) {
    // Loaded before the connection begins, so that loading isn't counted as a slow handshake.
    if (tls !== undefined) process.getBuiltinModule('node:tls');
    const net = process.getBuiltinModule('node:net');
    this.tcp = net.connect({ host: address, port, noDelay: true });
    this.tcp.on('error', (error) => this.close(error));
    this.tcp.once('close', () => this.close(undefined));
    this.tcp.once('connect', () => {
      this.guard(() => handlers.connected());
      if (tls !== undefined && !this.done) this.startTls(tls);
    });
    if (tls === undefined) this.tcp.on('data', (chunk: Buffer) => this.guard(() => handlers.received(chunk)));
  }

  write(text: string): void {
    (this.secure ?? this.tcp).write(text);
  }

  destroy(): void {
    this.done = true;
    this.secure?.destroy();
    this.tcp.destroy();
  }

  private startTls(settings: TlsSettings): void {
    const { connect } = process.getBuiltinModule('node:tls');
    const secure = connect({
      socket: this.tcp,
      ...(isIpAddress(settings.serverName) ? { host: settings.serverName } : { servername: settings.serverName }),
      ...(settings.ca === undefined ? {} : { ca: settings.ca }),
      rejectUnauthorized: settings.verify,
    });
    this.secure = secure;
    secure.on('error', (error) => this.close(error));
    secure.once('close', () => this.close(undefined));
    secure.once('secureConnect', () => this.guard(() => this.handlers.secured()));
    secure.on('data', (chunk: Buffer) => this.guard(() => this.handlers.received(chunk)));
  }

  private guard(call: () => void): void {
    if (!this.done) call();
  }

  private close(error: Error | undefined): void {
    if (this.done) return;
    this.done = true;
    this.tcp.destroy();
    this.secure?.destroy();
    this.handlers.closed(error === undefined ? undefined : socketError(error));
  }
}

function socketError(error: Error): SocketError {
  const code: unknown = 'code' in error ? error.code : undefined;
  return { code: typeof code === 'string' ? code : undefined, message: error.message };
}

/** A peer that says nothing is let go after this; milliseconds. */
const PATIENCE_MS = 5000;

/** @see Listen */
export const listenNode: Listen = (host, port, answer, failed) => {
  const server = process.getBuiltinModule('node:net').createServer((socket) => {
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    // The peer's trouble is the peer's to report.
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(answer));
  });
  server.maxConnections = 256;
  server.on('error', (error) => failed(error.message));
  server.listen(port, host === '' ? undefined : host);
};
