/**
 * A TCP proxy in front of the real API server that does to connections what networks do.
 *
 * It passes bytes through, TLS and all, or (with `tls`) speaks plainly to the client and TLS to the server, so that faults can be
 * aimed at the content. Faults act on the way from the server to the client, on the connections that exist or on those to come.
 */
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

export interface FaultProxyOptions {
  readonly host: string;
  readonly port: number;
  /** Makes the proxy the TLS client of the server. */
  readonly tls?: ConnectionOptions | undefined;
}

/** What happens to a chunk that comes from the server. */
type Treatment = (chunk: Buffer, link: Link) => void;

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  treatment: Treatment;
  frozen: boolean;
}

const forward: Treatment = (chunk, link) => {
  if (!link.client.write(chunk)) {
    link.server.pause();
    link.client.once('drain', () => link.server.resume());
  }
};

export class FaultProxy {
  readonly #options: FaultProxyOptions;
  readonly #links = new Set<Link>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #server: Server | undefined;
  #port = 0;
  #treatment: Treatment = forward;
  #stalled = false;
  #accepted = 0;
  #bytes = 0;
  #struck = 0;

  constructor(options: FaultProxyOptions) {
    this.#options = options;
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await proxy.#listen(0);
    return proxy;
  }

  /** The address for clients. */
  get url(): string {
    return `${this.#options.tls === undefined ? 'https' : 'http'}://127.0.0.1:${this.#port}`;
  }

  /** Connections that clients made so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Connections of clients that are open now. */
  get open(): number {
    return this.#links.size;
  }

  /** Bytes that the server sent so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How often a fault that waits for bytes met some: 0 means that the fault never happened. */
  get struck(): number {
    return this.#struck;
  }

  /** Nothing passes any more, in either direction, and nothing is closed; new connections are taken and starve as well. */
  stall(): void {
    this.#stalled = true;
    this.freezeExisting();
  }

  /** Reads from frozen connections again, without passing anything on, so that their end is seen. */
  thaw(links: Iterable<Link> = [...this.#links].filter((link) => link.frozen)): void {
    for (const link of links) {
      link.client.resume();
      link.server.resume();
    }
  }

  /** Ends a stall as a network does that comes back: what was sent meanwhile arrives late, on the same connections. */
  resume(): void {
    this.#stalled = false;
    for (const link of this.#links) link.frozen = false;
    this.thaw(this.#links);
  }

  /** The connections that exist are dead, though nobody tells the client; new ones work. */
  freezeExisting(): void {
    for (const link of this.#links) {
      link.frozen = true;
      this.#struck++;
      link.client.pause();
      link.server.pause();
    }
  }

  /** The server's side of each connection goes away without a word to the client, which may still send. */
  halfOpen(): void {
    for (const link of this.#links) {
      link.frozen = true;
      this.#struck++;
      link.server.destroy();
    }
  }

  /** Each connection passes half of the next chunk and is then reset (RST). */
  resetMidway(): void {
    this.#aim((chunk, link) => {
      link.client.write(chunk.subarray(0, Math.ceil(chunk.length / 2)), () => link.client.resetAndDestroy());
      link.server.destroy();
    });
  }

  /** Each connection passes half of the next chunk and is then closed properly (FIN). */
  truncate(): void {
    this.#aim((chunk, link) => {
      link.client.end(chunk.subarray(0, Math.ceil(chunk.length / 2)));
      link.server.destroy();
    });
  }

  /** Spoils the content of the next chunk; needs `tls`. The length stays, so that the answer around it stays whole. */
  corrupt(): void {
    this.#aim((chunk, link) => {
      const spoilt = Buffer.from(chunk);
      const brace = spoilt.indexOf('{"type"');
      if (brace >= 0) spoilt.write('{!spoilt', brace, 'latin1');
      link.treatment = forward;
      forward(spoilt, link);
    }, '{"type"');
  }

  /**
   * Swallows one change of the object with this name, so that a watch misses it for good: what was `MODIFIED` arrives as `BOOKMARK`. Needs `tls`.
   */
  swallow(name: string): void {
    const marker = `"name":"${name}"`;
    this.#aim((chunk, link) => {
      const spoilt = Buffer.from(chunk);
      const type = spoilt.lastIndexOf('"MODIFIED"', spoilt.indexOf(marker));
      if (type >= 0) spoilt.write('"BOOKMARK"', type, 'latin1');
      else this.#struck--;
      link.treatment = forward;
      forward(spoilt, link);
    }, marker);
  }

  /** From now on everything passes slowly, on all connections, in pieces every 50 ms. */
  trickle(bytesPerSecond: number): void {
    const piece = Math.max(1, Math.round(bytesPerSecond / 20));
    this.#treatment = (chunk, link) => {
      this.#struck++;
      link.server.pause();
      let from = 0;
      const timer = setInterval(() => {
        if (link.client.destroyed || from >= chunk.length) {
          clearInterval(timer);
          this.#timers.delete(timer);
          link.server.resume();
          return;
        }
        link.client.write(chunk.subarray(from, from + piece));
        from += piece;
      }, 50);
      this.#timers.add(timer);
    };
    for (const link of this.#links) link.treatment = this.#treatment;
  }

  /** Refuses connections and resets those that exist. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const link of this.#links) {
      this.#struck++;
      link.client.resetAndDestroy();
      link.server.destroy();
    }
    if (server !== undefined) {
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    }
  }

  /** Ends every fault for connections to come. Frozen ones stay as they are, as in life. */
  async heal(): Promise<void> {
    this.#treatment = forward;
    this.#stalled = false;
    for (const link of this.#links) if (!link.frozen) link.treatment = forward;
    if (this.#server === undefined) await this.#listen(this.#port);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.refuse();
  }

  /** Gives every present connection a treatment for its next chunk (that holds `marker`). */
  #aim(treatment: Treatment, marker?: string): void {
    for (const link of this.#links) {
      if (link.frozen) continue;
      link.treatment = (chunk, target) => {
        if (marker !== undefined && !chunk.includes(marker)) {
          forward(chunk, target);
          return;
        }
        this.#struck++;
        treatment(chunk, target);
      };
    }
  }

  async #listen(port: number): Promise<void> {
    const server = createServer((client) => {
      this.#take(client);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
    this.#server = server;
  }

  #take(client: Socket): void {
    this.#accepted++;
    const { host, port, tls } = this.#options;
    const server = tls === undefined ? connectTcp(port, host) : connectTls({ host, port, ...tls });
    const link: Link = { client, server, treatment: this.#treatment, frozen: this.#stalled };
    this.#links.add(link);
    client.setNoDelay(true);
    server.setNoDelay(true);
    // A broken connection is what this proxy is for; its other half learns of it below.
    client.on('error', () => undefined);
    server.on('error', () => undefined);
    client.on('data', (chunk: Buffer) => {
      if (!link.frozen) server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (!link.frozen) link.treatment(chunk, link);
    });
    client.on('close', () => {
      this.#links.delete(link);
      server.destroy();
    });
    server.on('close', () => {
      if (!link.frozen) client.end();
    });
    if (link.frozen) {
      client.pause();
      server.pause();
    }
  }
}
