import { isIP, type Socket, connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Credential } from './credentials.js';
import { errorFromTransport, KubeApiError } from './kube-api-error.js';
import { type Answer, ResponseReader } from './response-reader.js';

/** The reason of a call that met a dying idle connection: most likely the server never saw it. */
export const STALE_CONNECTION = 'StaleConnection';

/** Milliseconds without a byte after which the kernel asks whether the peer is still there. */
const PROBE_AFTER_MS = 15_000;

/** Told once how a call ended: with an answer, or with an error. */
type Outcome = (answer: Answer | undefined, error: unknown) => void;

/**
 * One kept-alive connection to the API server that carries one request at a time.
 *
 * The HTTP client of Node costs more than twice the CPU of this for a small request, which at two writes for each of 14,000 Pods is
 * seconds. Streams don't gain from it and use Node's.
 */
export class DirectConnection {
  readonly #socket: Socket;
  readonly #onClosed: (connection: DirectConnection) => void;
  #reader: ResponseReader | undefined;
  #outcome: Outcome | undefined;
  #connected = false;
  #request: (() => string) | undefined;
  #used = false;
  #closed = false;
  #cause: Error | undefined;

  /** Opens the connection. @param onClosed called once, when it can't be used any more */
  constructor(credential: Credential, onClosed: (connection: DirectConnection) => void) {
    this.#onClosed = onClosed;
    this.#socket = open(credential);
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, PROBE_AFTER_MS);
    this.#socket.once(credential.server.protocol === 'http:' ? 'connect' : 'secureConnect', () => {
      this.#connected = true;
      const request = this.#request;
      this.#request = undefined;
      if (request !== undefined && this.#outcome !== undefined) this.#write(request);
    });
    this.#socket.on('data', (chunk: Buffer) => {
      this.#take(chunk);
    });
    this.#socket.on('error', (error) => {
      this.#cause = error;
    });
    this.#socket.on('end', () => {
      if (this.#reader?.close() === true) this.#settle();
    });
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#onClosed(this);
      this.#fail();
    });
  }

  get closed(): boolean {
    return this.#closed || this.#socket.destroyed;
  }

  /**
   * Makes a call. The connection is free again when `outcome` was called.
   *
   * @param request makes the text of the request, head and body, at the moment it is written: not before the connection is open.
   *   When it throws, nothing is written and the call fails with what it threw.
   */
  send(request: () => string, outcome: Outcome): void {
    this.#reader = new ResponseReader();
    this.#outcome = outcome;
    this.#socket.ref();
    if (this.#connected) this.#write(request);
    else this.#request = request;
  }

  /** Says that nothing is under way: an idle connection doesn't keep the process alive. */
  rest(): void {
    this.#used = true;
    this.#socket.unref();
  }

  /** Ends it at once. A request under way fails with this error. */
  destroy(error?: KubeApiError): void {
    if (error !== undefined) this.#cause = error;
    this.#socket.destroy();
    this.#closed = true;
    if (error !== undefined) this.#fail();
  }

  #write(request: () => string): void {
    let text;
    try {
      text = request();
    } catch (error) {
      const outcome = this.#outcome;
      this.#reader = undefined;
      this.#outcome = undefined;
      outcome?.(undefined, error);
      return;
    }
    this.#socket.write(text);
  }

  #take(chunk: Buffer): void {
    const reader = this.#reader;
    if (reader === undefined) {
      // Unasked bytes, such as the farewell of a balancer: whatever follows would be taken for the next answer.
      this.destroy();
      return;
    }
    try {
      if (reader.feed(chunk)) this.#settle();
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      this.destroy(new KubeApiError({ code: 0, reason: 'Protocol', message, cause }));
    }
  }

  #settle(): void {
    const [reader, outcome] = [this.#reader, this.#outcome];
    this.#reader = undefined;
    this.#outcome = undefined;
    if (reader === undefined || outcome === undefined) return;
    if (!reader.reusable) this.destroy();
    outcome(reader.answer(), undefined);
  }

  #fail(): void {
    const [reader, outcome] = [this.#reader, this.#outcome];
    this.#reader = undefined;
    this.#outcome = undefined;
    if (outcome === undefined) return;
    outcome(undefined, this.#error(reader?.started === true));
  }

  #error(started: boolean): KubeApiError {
    const cause = this.#cause;
    if (cause instanceof KubeApiError) return cause;
    if (started) {
      const message = 'the answer ended before its end';
      return new KubeApiError({ code: 0, reason: 'Truncated', message, cause });
    }
    const error = errorFromTransport(cause ?? closedError());
    if (!this.#used || error.reason !== 'ConnectionReset') return error;
    return new KubeApiError({ code: 0, reason: STALE_CONNECTION, message: error.message, cause });
  }
}

function open({ server, tls }: Credential): Socket {
  const host = server.hostname.startsWith('[') ? server.hostname.slice(1, -1) : server.hostname;
  if (server.protocol === 'http:') return connectTcp({ host, port: Number(server.port || 80) });
  const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined);
  return connectTls({
    ...tls,
    host,
    port: Number(server.port || 443),
    ALPNProtocols: ['http/1.1'],
    ...(servername === undefined ? {} : { servername }),
  });
}

function closedError(): Error {
  return Object.assign(new Error('the server closed the connection'), { code: 'ECONNRESET' });
}
