/**
 * Sockets of Bun, by its own API: its `node:net` costs more than all the rest of a start. Only what is used of that API is
 * described here, so that Bun's types aren't needed to build for Node.
 */
import type { Connect, Listen, Socket, SocketError, SocketHandlers, TlsSettings } from './socket.js';
import type { RefusalCheck } from './refusal-check.js';
import { messageOf } from './log.js';

interface BunSocket {
  /** Returns how many bytes it took; the rest is the caller's to send after `drain`. */
  write(data: Uint8Array): number;
  end(): void;
  terminate(): void;
}

interface BunSocketHandlers {
  open?(socket: BunSocket): void;
  handshake?(socket: BunSocket, success: boolean, error: Error | null): void;
  data?(socket: BunSocket, chunk: Uint8Array): void;
  drain?(socket: BunSocket): void;
  close?(socket: BunSocket, error?: Error): void;
  error?(socket: BunSocket, error: Error): void;
  connectError?(socket: BunSocket, error: Error): void;
  timeout?(socket: BunSocket): void;
}

export interface BunRuntime {
  connect(options: {
    hostname: string;
    port: number;
    tls?: { ca?: string; serverName?: string; rejectUnauthorized?: boolean };
    socket: BunSocketHandlers;
  }): Promise<BunSocket>;
  listen(options: { hostname: string; port: number; socket: BunSocketHandlers }): unknown;
}

/** What ended a handshake before there was a session; all other codes judge the certificate. */
const NO_SESSION: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPROTO', undefined]);

/** The runtime's global where it is Bun. */
export function bunRuntime(): BunRuntime | undefined {
  return (globalThis as { readonly Bun?: BunRuntime }).Bun;
}

export function createBunConnect(bun: BunRuntime, checkRefusal: RefusalCheck): Connect {
  return (address, port, tls, handlers) => new BunConnection(bun, checkRefusal, address, port, tls, handlers);
}

class BunConnection implements Socket {
  private socket: BunSocket | undefined;
  private unsent: Buffer | undefined;
  private done = false;

  constructor(
    bun: BunRuntime,
    private readonly checkRefusal: RefusalCheck,
    private readonly address: string,
    private readonly port: number,
    private readonly tls: TlsSettings | undefined,
    private readonly handlers: SocketHandlers,
  ) {
    const socket: BunSocketHandlers = {
      open: (opened) => this.opened(opened),
      handshake: (_, success, error) => this.shaken(success, error),
      data: (_, chunk) => this.guard(() => handlers.received(chunk)),
      drain: () => this.flush(),
      close: (_, error) => this.close(error),
      error: (_, error) => this.close(error),
      // What the system refuses at once comes before `connect` has returned.
      connectError: (_, error) => queueMicrotask(() => this.refused(error)),
    };
    const options = {
      hostname: address,
      port,
      ...(tls === undefined
        ? {}
        : {
            tls: {
              serverName: tls.serverName,
              rejectUnauthorized: tls.verify,
              ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            },
          }),
      socket,
    };
    // Failures come twice, by `connectError` and by the promise; `close` takes the first alone.
    try {
      bun.connect(options).catch((error: unknown) => this.refused(error));
    } catch (error) {
      // Authorities that are none are refused before there is a promise.
      queueMicrotask(() => this.refused(error));
    }
  }

  write(text: string): void {
    this.unsent = this.unsent === undefined ? Buffer.from(text) : Buffer.concat([this.unsent, Buffer.from(text)]);
    this.flush();
  }

  destroy(): void {
    this.done = true;
    this.socket?.terminate();
  }

  private opened(socket: BunSocket): void {
    this.socket = socket;
    if (this.done) socket.terminate();
    else this.handlers.connected();
  }

  /**
   * Bun compares the certificate with the server name by itself and says so here; what to do about it is left to us. It reports a
   * session that never stood in the same way.
   */
  private shaken(success: boolean, error: Error | null): void {
    if (this.done || this.tls === undefined) return;
    const stands = success || (error !== null && !NO_SESSION.has(socketError(error).code));
    if (!stands || (this.tls.verify && (!success || error !== null))) {
      this.close(error ?? new Error('the TLS session was not authorized'));
      return;
    }
    this.handlers.secured();
  }

  private flush(): void {
    if (this.done || this.socket === undefined || this.unsent === undefined) return;
    const taken = this.socket.write(this.unsent);
    this.unsent = taken < this.unsent.length ? this.unsent.subarray(Math.max(0, taken)) : undefined;
  }

  private guard(call: () => void): void {
    if (!this.done) call();
  }

  /** Bun calls most failures of a connection a refusal, also those of a missing route: asked again, the system says which. */
  private refused(error: unknown): void {
    if (this.done) return;
    const { code, message } = socketError(error);
    if (code !== 'ECONNREFUSED') {
      this.close(error);
      return;
    }
    this.checkRefusal(this.address, this.port, (known) => {
      const actual = known ?? code;
      this.finish({
        code: actual,
        message: known === undefined ? message : `connect ${actual} ${this.address}:${this.port}`,
      });
    });
  }

  private close(error: unknown): void {
    if (!this.done) this.finish(error === undefined || error === null ? undefined : socketError(error));
  }

  private finish(error: SocketError | undefined): void {
    if (this.done) return;
    this.done = true;
    this.socket?.terminate();
    this.handlers.closed(error);
  }
}

function socketError(error: unknown): SocketError {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return { code: typeof code === 'string' ? code : undefined, message: messageOf(error) };
}

/** @see Listen */
export function createBunListen(bun: BunRuntime): Listen {
  return (host, port, answer, failed) => {
    try {
      bun.listen({
        hostname: host === '' ? '::' : host,
        port,
        socket: {
          data: (socket) => {
            socket.write(Buffer.from(answer));
            socket.end();
          },
          // The peer's trouble is the peer's to report.
          error: (socket) => socket.terminate(),
        },
      });
    } catch (error) {
      failed(messageOf(error));
    }
  };
}
