import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Agent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { dirname } from 'node:path';
import { KubeConfig, loadYaml } from '@kubernetes/client-node';
import type { Clock } from './clock.js';

/** What one request needs to reach the API server and be known there. */
export interface Credential {
  readonly server: URL;
  /** Authorization and impersonation headers. They rotate; never logged. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
  /** Names the pool: two credentials with the same fingerprint share connections. Headers don't count. */
  readonly fingerprint: string;
  /** The way through a proxy that the kubeconfig names; own pools otherwise. */
  readonly proxyAgent: Agent | undefined;
}

export interface TlsOptions {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Where a client takes its credential from, before each request. */
export interface CredentialSource {
  /** The credential to use now; a value at once when the kept one is fresh, since this is asked before every request. */
  current(): Credential | Promise<Credential>;
  /** Looks at the files again before the next request: the server can't be reached, so its address may have changed. */
  suspect(): void;
  /** Reads everything anew, because the server refused the kept one. True when something changed. */
  refresh(): Promise<boolean>;
  /** The namespace of the kubeconfig's context, or the Pod's own; `default` where none is named. */
  readonly namespace: string;
}

/** How long a credential that was read is used before files are looked at again, in milliseconds. client-go waits 60 s. */
const MAX_AGE_MS = 30_000;

/**
 * Credentials from a kubeconfig file or, without one, as `kubectl` finds them: `KUBECONFIG`, `~/.kube/config`, the Pod's
 * service account.
 *
 * Guarantees: a rotated token, certificate or authority that lies in a file is used at the latest 30 s after it changed, and at
 * once when the server refuses the old one or can't be reached. A changed kubeconfig file is read again.
 *
 * Reads all that client-node's KubeConfig reads (exec plugins, client certificates, basic auth, proxies), and `tokenFile`, which it leaves out.
 */
export class KubeconfigCredentials implements CredentialSource {
  readonly #path: string | undefined;
  readonly #clock: Clock;
  #config: KubeConfig;
  #configStamp: string;
  #tokenFile: string | undefined;
  #current: Credential | undefined;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<Credential> | undefined;

  /** @throws Error when the kubeconfig can't be read, or names no cluster for its context */
  constructor(options: { readonly kubeconfig?: string | undefined; readonly clock: Clock }) {
    this.#path = options.kubeconfig;
    this.#clock = options.clock;
    this.#configStamp = this.#stamp();
    this.#config = this.#read();
  }

  get namespace(): string {
    return this.#config.getContextObject(this.#config.getCurrentContext())?.namespace?.trim() ?? 'default';
  }

  current(): Credential | Promise<Credential> {
    const kept = this.#current;
    if (kept !== undefined && this.#clock.monotonicMs() - this.#loadedAt < MAX_AGE_MS) return kept;
    return this.#load(false);
  }

  suspect(): void {
    this.#loadedAt = Number.NEGATIVE_INFINITY;
  }

  async refresh(): Promise<boolean> {
    const before = this.#current;
    const after = await this.#load(true);
    return (
      before === undefined ||
      before.fingerprint !== after.fingerprint ||
      before.headers['Authorization'] !== after.headers['Authorization']
    );
  }

  /** One load at a time: many requests may find the credential old at the same moment. */
  #load(force: boolean): Promise<Credential> {
    this.#loading ??= this.#build(force).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #build(force: boolean): Promise<Credential> {
    const stamp = this.#stamp();
    // A new KubeConfig forgets the token that client-node keeps for 60 s, and runs an exec plugin again.
    if (force || stamp !== this.#configStamp) {
      this.#config = this.#read();
      this.#configStamp = stamp;
    }
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig has no cluster for its current context');
    const options: RequestOptions = { headers: {} };
    await this.#config.applyToHTTPSOptions(options);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) headers[name] = String(value).trim();
    if (typeof options.auth === 'string') {
      headers['Authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    }
    if (this.#tokenFile !== undefined && headers['Authorization'] === undefined) {
      headers['Authorization'] = `Bearer ${readFileSync(this.#tokenFile, 'utf8').trim()}`;
    }
    const tls: TlsOptions = {
      ...(options.ca === undefined ? {} : { ca: options.ca as string | Buffer }),
      ...(options.cert === undefined ? {} : { cert: options.cert as string | Buffer }),
      ...(options.key === undefined ? {} : { key: options.key as string | Buffer }),
      ...(options.servername === undefined ? {} : { servername: options.servername }),
      ...(options.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: options.rejectUnauthorized }),
    };
    const credential: Credential = {
      server: new URL(cluster.server),
      headers,
      tls,
      fingerprint: fingerprint(cluster.server, cluster.proxyUrl, tls),
      proxyAgent: proxyAgent(options),
    };
    this.#current = credential;
    this.#loadedAt = this.#clock.monotonicMs();
    return credential;
  }

  #read(): KubeConfig {
    const config = new KubeConfig();
    try {
      if (this.#path === undefined) config.loadFromDefault();
      else config.loadFromFile(this.#path);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`the kubeconfig ${this.#path ?? '(default)'} can't be read: ${why}`, { cause: error });
    }
    if (this.#path === undefined) refuseAssumedServer(config);
    if (config.getCurrentCluster() === null) {
      throw new Error(
        `the kubeconfig ${this.#path ?? '(default)'} has no cluster for its context "${config.getCurrentContext()}"`,
      );
    }
    this.#tokenFile = this.#readTokenFile(config);
    return config;
  }

  #readTokenFile(config: KubeConfig): string | undefined {
    if (this.#path === undefined) return undefined;
    const raw = loadYaml<{
      users?: readonly { readonly name?: string; readonly user?: { readonly tokenFile?: string } }[];
    }>(readFileSync(this.#path, 'utf8'));
    const name = config.getCurrentUser()?.name;
    const file = raw.users?.find((user) => user.name === name)?.user?.tokenFile;
    if (file === undefined || file.startsWith('/')) return file;
    return `${dirname(this.#path)}/${file}`;
  }

  #stamp(): string {
    if (this.#path === undefined) return '';
    const { mtimeMs, size, ino } = statSync(this.#path);
    return `${mtimeMs}:${size}:${ino}`;
  }
}

/** What client-node assumes where it finds nothing: a server that nobody means. */
const ASSUMED_SERVER = 'http://localhost:8080';

/** @throws Error when neither a kubeconfig nor a Pod's service account is there */
function refuseAssumedServer(config: KubeConfig): void {
  if (config.getCurrentCluster()?.server !== ASSUMED_SERVER) return;
  throw new Error(
    'no cluster to work with: KUBECONFIG is not set, there is no ~/.kube/config, and this is no Pod with a service account; ' +
      'give a kubeconfig',
  );
}

function fingerprint(server: string, proxy: string | undefined, tls: TlsOptions): string {
  const hash = createHash('sha256');
  for (const part of [server, proxy, tls.ca, tls.cert, tls.key, tls.servername, String(tls.rejectUnauthorized)]) {
    hash.update(part ?? '').update('\0');
  }
  return hash.digest('base64');
}

/** client-node's agent, when it is one that goes through a proxy rather than a plain one. */
function proxyAgent(options: RequestOptions): Agent | undefined {
  const agent = options.agent;
  if (typeof agent !== 'object' || agent.constructor === HttpsAgent || agent.constructor.name === 'Agent')
    return undefined;
  return agent;
}
