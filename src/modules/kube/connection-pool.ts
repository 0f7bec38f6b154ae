import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Credential } from './credentials.js';
import type { KubeMetrics } from './kube-metrics.js';

/** The connections of one credential: every request of a client goes through one agent, until the credential's TLS part changes. */
export interface ConnectionPool {
  readonly agent: HttpAgent;
  readonly fingerprint: string;
}

/**
 * Most connections a client opens. Each watch keeps one busy, so this bounds watches plus requests in flight; what comes beyond
 * waits for a free one.
 */
const MAX_CONNECTIONS = 128;

/** Idle connections are closed before the API server closes them (90 s), so that a request rarely meets a dying one. In milliseconds. */
const IDLE_MS = 55_000;

const OPTIONS: AgentOptions = {
  keepAlive: true,
  // Probes of the kernel, in milliseconds: they find a peer whose machine vanished, where nothing else is under way.
  keepAliveMsecs: 15_000,
  maxSockets: MAX_CONNECTIONS,
  maxFreeSockets: 32,
  scheduling: 'lifo',
  noDelay: true,
  // The agent destroys a free socket that times out; one in use only hears of it, and the request has its own deadline.
  timeout: IDLE_MS,
};

export function openPool(credential: Credential, metrics: KubeMetrics): ConnectionPool {
  const { fingerprint, proxyAgent, server } = credential;
  if (proxyAgent !== undefined) return { agent: proxyAgent, fingerprint };
  const agent =
    server.protocol === 'http:'
      ? new HttpAgent(OPTIONS)
      : new HttpsAgent({ ...OPTIONS, ...credential.tls, maxCachedSessions: 4 });
  countConnections(agent, server.host, metrics);
  // The agent serves one server with one credential. Its own name for that holds all certificates, for every request anew.
  agent.getName = () => fingerprint;
  return { agent, fingerprint };
}

/** Ends the idle connections of a pool; busy ones end with their requests. */
export function closePool(pool: ConnectionPool): void {
  pool.agent.destroy();
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
