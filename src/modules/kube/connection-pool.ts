import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Clock } from './clock.js';
import type { Credential } from './credentials.js';
import { DirectConnection } from './direct-connection.js';
import { type Exchange, proxiedExchange } from './http-exchange.js';
import { KubeApiError } from './kube-api-error.js';
import type { KubeMetrics } from './kube-metrics.js';
import { requestText } from './request-text.js';
import type { Answer } from './response-reader.js';

/** Most connections for calls. Calls beyond wait for a free one; callers bound their own concurrency lower. */
const MAX_CONNECTIONS = 64;

/**
 * An idle connection is used again only if it rested no longer than this, in milliseconds: the API server closes them after 90 s, and a request should
 * not meet a dying one.
 */
const IDLE_MS = 55_000;

const STREAMS: AgentOptions = {
  keepAlive: true,
  // Probes of the kernel, in milliseconds: they find a peer whose machine vanished, where nothing else is under way.
  keepAliveMsecs: 15_000,
  // One for each reflector, which has one stream at a time: a limit would leave watches of the namespaces beyond it waiting for ever.
  maxSockets: Number.POSITIVE_INFINITY,
  maxFreeSockets: 8,
  scheduling: 'lifo',
  noDelay: true,
  // The agent destroys a free socket that times out; one in use only hears of it, and the request has its own deadline.
  timeout: IDLE_MS,
};

interface Resting {
  readonly connection: DirectConnection;
  readonly since: number;
}

type Waiter = (connection: DirectConnection) => void;

/**
 * The connections of one credential, until its server or its TLS part changes. Calls take turns on few direct connections, the last used first; streams have
 * connections of Node's agent.
 */
export class ConnectionPool {
  readonly fingerprint: string;
  /** For streams. */
  readonly agent: HttpAgent;
  readonly #credential: Credential;
  readonly #clock: Clock;
  readonly #metrics: KubeMetrics;
  readonly #resting: Resting[] = [];
  readonly #waiting: Waiter[] = [];
  readonly #open = new Set<DirectConnection>();
  #retired = false;

  constructor(credential: Credential, clock: Clock, metrics: KubeMetrics) {
    this.fingerprint = credential.fingerprint;
    this.#credential = credential;
    this.#clock = clock;
    this.#metrics = metrics;
    this.agent = credential.proxyAgent ?? streamAgent(credential, metrics);
  }

  /** Connections for calls that are open now. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Makes a call and reads its whole answer.
   *
   * @throws KubeApiError with code 0 when no complete answer arrives in time: refused, reset, truncated, timed out, aborted
   */
  exchange(spec: Exchange, credential: Credential): Promise<Answer> {
    // A proxy wants a conversation of its own before TLS begins; Node's client holds it.
    if (credential.proxyAgent !== undefined) return proxiedExchange(spec, credential, this.agent, this.#clock);
    return new Promise((resolve, reject) => {
      let connection: DirectConnection | undefined;
      const { signal, timeoutMs } = spec;
      const giveUp = (error: KubeApiError): void => {
        if (connection !== undefined) {
          connection.destroy(error);
          return;
        }
        this.#unqueue(begin);
        finish();
        reject(error);
      };
      const abort = (): void => {
        giveUp(new KubeApiError({ code: 0, reason: 'Aborted', message: 'the caller ended the call' }));
      };
      const deadline = this.#clock.setTimer(() => {
        const message = `no answer from the API server within ${timeoutMs} ms`;
        giveUp(new KubeApiError({ code: 0, reason: 'Timeout', message }));
      }, timeoutMs);
      const finish = (): void => {
        deadline.cancel();
        signal?.removeEventListener('abort', abort);
      };
      const begin = (taken: DirectConnection): void => {
        connection = taken;
        const request = (): string => {
          const text = requestText(spec, credential);
          spec.beforeSend?.();
          return text;
        };
        taken.send(request, (answer, error) => {
          finish();
          if (answer !== undefined) resolve(answer);
          else reject(error);
          this.#release(taken);
        });
      };
      if (signal?.aborted === true) {
        abort();
        return;
      }
      signal?.addEventListener('abort', abort, { once: true });
      this.#take(begin);
    });
  }

  /** Lets idle connections go, and those that carry a call as soon as it has ended. */
  retire(): void {
    this.#retired = true;
    for (const { connection } of this.#resting.splice(0)) connection.destroy();
    for (const sockets of Object.values(this.agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** Ends every connection; calls and streams under way fail. */
  close(): void {
    this.#retired = true;
    const error = new KubeApiError({ code: 0, reason: 'Aborted', message: 'the client was closed' });
    for (const connection of this.#open) connection.destroy(error);
    this.agent.destroy();
  }

  #take(begin: Waiter): void {
    const now = this.#clock.monotonicMs();
    for (let rested = this.#resting.pop(); rested !== undefined; rested = this.#resting.pop()) {
      if (!rested.connection.closed && now - rested.since < IDLE_MS) {
        begin(rested.connection);
        return;
      }
      rested.connection.destroy();
    }
    if (this.#open.size < MAX_CONNECTIONS) begin(this.#connect());
    else this.#waiting.push(begin);
  }

  #connect(): DirectConnection {
    this.#metrics.connectionOpened(this.#credential.server.host);
    const connection = new DirectConnection(this.#credential, (closed) => {
      this.#forget(closed);
    });
    this.#open.add(connection);
    return connection;
  }

  #release(connection: DirectConnection): void {
    if (connection.closed || this.#retired) {
      connection.destroy();
      this.#forget(connection);
      return;
    }
    connection.rest();
    const next = this.#waiting.shift();
    if (next !== undefined) next(connection);
    else this.#resting.push({ connection, since: this.#clock.monotonicMs() });
  }

  /** A connection is gone; whoever waited for one gets a new one. */
  #forget(connection: DirectConnection): void {
    if (!this.#open.delete(connection)) return;
    const index = this.#resting.findIndex((resting) => resting.connection === connection);
    if (index >= 0) this.#resting.splice(index, 1);
    const next = this.#waiting.shift();
    if (next !== undefined) next(this.#connect());
  }

  #unqueue(waiter: Waiter): void {
    const index = this.#waiting.indexOf(waiter);
    if (index >= 0) this.#waiting.splice(index, 1);
  }
}

function streamAgent({ server, tls, fingerprint }: Credential, metrics: KubeMetrics): HttpAgent {
  const agent =
    server.protocol === 'http:' ? new HttpAgent(STREAMS) : new HttpsAgent({ ...STREAMS, ...tls, maxCachedSessions: 4 });
  countConnections(agent, server.host, metrics);
  // The agent serves one server with one credential. Its own name for that holds all certificates, for every request anew.
  agent.getName = () => fingerprint;
  return agent;
}

interface ConnectionMaker {
  createConnection(...args: unknown[]): Duplex;
}

function countConnections(agent: HttpAgent, host: string, metrics: KubeMetrics): void {
  const maker = agent as unknown as ConnectionMaker;
  const create = maker.createConnection.bind(agent);
  maker.createConnection = (...args: unknown[]): Duplex => {
    metrics.connectionOpened(host);
    return create(...args);
  };
}
