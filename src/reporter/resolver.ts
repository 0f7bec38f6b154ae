/**
 * Name resolution of our own. The C library's (`dns.lookup`) blocks one of four threads for many seconds where packets are dropped:
 * a fifth overlapping attempt would wait for them, and readiness would be late by seconds. Here each lookup has its own packets, can
 * be given up at any time, and costs no thread. It reads the hosts file, then asks all name servers at once for both families, along
 * the search list; the first definite answer for each family counts. There is no cache: the answer is part of what is measured.
 */
import type { Socket as UdpSocket } from 'node:dgram';
import type { Timers } from './clock.js';
import { decodeAnswer, encodeQuestion } from './dns-message.js';
import type { DnsAnswer, RecordType } from './dns-message.js';
import { isIpv6 } from './ip-address.js';
import { hostsAddresses, searchNames } from './resolv-conf.js';
import type { NameServer, ResolvConf } from './resolv-conf.js';

export interface Resolved {
  /** Never empty; the order within a family is the server's. */
  readonly addresses: readonly string[];
}

export interface ResolveFailure {
  readonly message: string;
}

export interface Resolver {
  /**
   * @param done called once, never before this returns; not at all where no server answers
   * @returns gives the lookup up; `done` isn't called then
   */
  resolve(name: string, done: (result: Resolved | ResolveFailure) => void): () => void;
}

export interface ResolverOptions {
  /** Read for each lookup, as Kubernetes may write them after the start. */
  readonly readConf: () => ResolvConf;
  readonly readHosts: () => string;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly timers: Timers;
}

/**
 * How long the addresses of one family wait for the answer about the other (the resolution delay of RFC 8305, section 3). Without it, a
 * name with both would always be tried by the family whose answer comes first, be it the one that works or not.
 */
const OTHER_FAMILY_MS = 50;

export function createResolver(options: ResolverOptions): Resolver {
  return {
    resolve: (name, done) => {
      const known = hostsAddresses(options.readHosts(), name);
      if (known.length > 0) {
        let given = false;
        queueMicrotask(() => {
          if (!given) done({ addresses: known });
        });
        return () => {
          given = true;
        };
      }
      const lookup = new Lookup(name, options.readConf(), options, done);
      return () => lookup.close();
    },
  };
}

const FAMILIES = ['A', 'AAAA'] as const;
const CODE_OK = 0;
const CODE_NO_SUCH_NAME = 3;

class Lookup {
  private readonly names: readonly string[];
  private readonly sockets = new Map<NameServer, UdpSocket>();
  private readonly ids: Readonly<Record<RecordType, number>>;
  private answers: Partial<Record<RecordType, DnsAnswer>> = {};
  private index = 0;
  private readonly failed = new Set<NameServer>();
  private serverFailure: string | undefined;
  private closed = false;
  private cancelWait: (() => void) | undefined;

  constructor(
    private readonly name: string,
    private readonly conf: ResolvConf,
    private readonly options: Pick<ResolverOptions, 'random' | 'timers'>,
    private readonly done: (result: Resolved | ResolveFailure) => void,
  ) {
    this.names = searchNames(name, conf);
    const id = Math.floor(options.random() * 0x10000);
    this.ids = { A: id, AAAA: (id + 1) % 0x10000 };
    for (const server of conf.servers) this.open(server);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.cancelWait?.();
    for (const socket of this.sockets.values()) socket.close();
  }

  private open(server: NameServer): void {
    const dgram = process.getBuiltinModule('node:dgram');
    const socket = dgram.createSocket(isIpv6(server.address) ? 'udp6' : 'udp4');
    this.sockets.set(server, socket);
    socket.on('error', (error) => this.serverFailed(server, error.message));
    socket.on('message', (message) => this.receive(message));
    // A connected socket takes packets from its server alone, and hears of a refusal.
    socket.connect(server.port, server.address, () => {
      if (!this.closed) this.ask(server, socket);
    });
  }

  private ask(server: NameServer, socket: UdpSocket): void {
    const name = this.names[this.index];
    if (name === undefined) return;
    for (const family of FAMILIES) {
      socket.send(encodeQuestion(this.ids[family], name, family), (error) => {
        if (error !== null) this.serverFailed(server, error.message);
      });
    }
  }

  private receive(message: Uint8Array): void {
    const name = this.names[this.index];
    if (this.closed || name === undefined) return;
    const answer = decodeAnswer(message, name);
    if (answer === undefined || answer.id !== this.ids[answer.type]) return;
    if (answer.code !== CODE_OK && answer.code !== CODE_NO_SUCH_NAME)
      this.serverFailure = `response code ${answer.code} for ${name}`;
    this.answers[answer.type] ??= answer;
    const { addresses } = this;
    if (this.answers.A !== undefined && this.answers.AAAA !== undefined) {
      if (addresses.length > 0) this.finish({ addresses });
      else this.next();
    } else if (addresses.length > 0) {
      this.cancelWait ??= this.options.timers.after(OTHER_FAMILY_MS, () => this.finish({ addresses }));
    }
  }

  private get addresses(): readonly string[] {
    return FAMILIES.flatMap((family) => this.answers[family]?.addresses ?? []);
  }

  private next(): void {
    this.index += 1;
    this.answers = {};
    if (this.index < this.names.length) {
      for (const [server, socket] of this.sockets) if (!this.failed.has(server)) this.ask(server, socket);
      return;
    }
    this.finish({
      message: this.serverFailure ?? `${this.name} has no address (asked for ${this.names.length} names)`,
    });
  }

  /** One server can't be reached; the others may. */
  private serverFailed(server: NameServer, message: string): void {
    if (this.closed) return;
    this.failed.add(server);
    if (this.failed.size === this.conf.servers.length)
      this.finish({ message: `name server ${server.address}: ${message}` });
  }

  private finish(result: Resolved | ResolveFailure): void {
    if (this.closed) return;
    this.close();
    this.done(result);
  }
}
