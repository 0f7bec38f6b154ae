/**
 * A real Kubernetes control plane for tests and the demo: etcd and kube-apiserver, on request also
 * kube-controller-manager, kube-scheduler and kwok.
 *
 * Guarantees
 * - Two control planes at once share neither ports nor files.
 * - Nothing outlives the process that started one, however that process ends, unless `release` was called.
 * - A start that fails says which component failed, with the end of its log.
 *
 * Caveats
 * - Without kube-controller-manager nothing is garbage-collected, namespaces never finish deleting, and Pods are
 *   admitted without a service account.
 * - Ready means that `/readyz` says ok; an admission policy acts a second or two after it is created.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { CertificateAuthority, KeyPair } from './certificates.js';
import { call, type Answer } from './http.js';
import { writeKubeconfig, type Cluster, type Credential } from './kubeconfig.js';
import { startComponent, type ComponentRecord } from './component-start.js';
import type { State } from './state-folder.js';
import type { Supervisor } from './supervisor.js';
import { requestToken, type ServiceAccountToken } from './service-account-token.js';

/** The components that a test may end and start again. */
export type Component =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kwok'
  // Of a real node:
  | 'containerd'
  | 'kubelet'
  | 'kube-proxy'
  | 'coredns';

/** Whom a kubeconfig stands for. */
export type Identity =
  /** A user by client certificate; any name and groups. */
  | { readonly user: string; readonly groups?: readonly string[] }
  /** Whoever the token belongs to. */
  | { readonly token: string }
  /** A service account, by a token that is requested for it. */
  | { readonly serviceAccount: ServiceAccountToken };

export interface KubectlResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code; 128 and more when it ended by a signal. */
  readonly code: number;
}

export interface KubectlOptions {
  /** What kubectl reads from its standard input. */
  readonly input?: string;
  /** The kubeconfig to act with instead of the administrator's. */
  readonly kubeconfig?: string;
  /** Milliseconds until it is killed. Default 60,000. */
  readonly timeoutMs?: number;
}

/** What a control plane is made of; handed over by whoever started it. */
export interface Parts {
  readonly supervisor: Supervisor;
  readonly authority: CertificateAuthority;
  readonly components: Readonly<Record<string, ComponentRecord>>;
  readonly startTimeoutMs: number;
  readonly keepState: boolean;
}

export class ControlPlane {
  readonly state: State;
  /** PEM of the authority that signed the API server's certificate. */
  readonly caData: string;
  readonly #parts: Parts;
  readonly #adminCredential: KeyPair;
  #stopped: Promise<void> | undefined;
  #kubeconfigs = 0;

  constructor(state: State, parts: Parts) {
    this.state = state;
    this.#parts = parts;
    const read = (name: string): string => readFileSync(join(state.folder, 'certificates', name), 'utf8');
    this.caData = parts.authority.certificate;
    this.#adminCredential = { certificate: read('admin.crt'), key: read('admin.key') };
  }

  /** URL of the API server. */
  get server(): string {
    return this.state.server;
  }

  /** Path of the administrator's kubeconfig (system:masters: exempt from flow control and RBAC). */
  get kubeconfig(): string {
    return this.state.kubeconfig;
  }

  /** URL of etcd's client port. */
  get etcdEndpoint(): string {
    return this.state.etcd;
  }

  /** Folder with a log file for each component. */
  get logs(): string {
    return this.state.logs;
  }

  /** Path of the audit log (JSON lines), or undefined when it was switched off. */
  get auditLogPath(): string | undefined {
    return this.state.auditLog;
  }

  get supervisor(): Supervisor {
    return this.#parts.supervisor;
  }

  /** Environment in which `kubectl` and clients find this control plane. */
  environment(base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
    return {
      ...base,
      KUBECONFIG: this.kubeconfig,
      PATH: [dirname(this.state.kubectl), base['PATH'] ?? ''].filter((part) => part !== '').join(delimiter),
      CONTROL_PLANE_STATE: this.state.folder,
      CONTROL_PLANE_URL: this.server,
      CONTROL_PLANE_CA: join(this.state.folder, 'certificates', 'ca.crt'),
    };
  }

  /** Writes a kubeconfig for somebody else and returns its path. */
  async kubeconfigFor(identity: Identity, namespace?: string): Promise<string> {
    const cluster: Cluster = { server: this.server, authority: this.caData };
    const file = join(this.state.folder, 'kubeconfigs', `${process.pid}-${this.#kubeconfigs++}.json`);
    mkdirSync(dirname(file), { recursive: true });
    return writeKubeconfig(file, cluster, await this.#credentialOf(identity), namespace);
  }

  /** A token of a service account, from the TokenRequest API. */
  async token(request: ServiceAccountToken): Promise<string> {
    return requestToken(request, (path, body) => this.request('POST', path, body));
  }

  /** One request to the API server as its administrator. `path` begins with "/". */
  request(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    const { certificate, key } = this.#adminCredential;
    return call({ url: this.server + path, method, body, authority: this.caData, certificate, key });
  }

  /** Runs kubectl. An exit code other than 0 is an answer, not an error. */
  kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<KubectlResult> {
    const child = spawn(this.state.kubectl, args, {
      env: { ...this.environment(), ...(options.kubeconfig === undefined ? {} : { KUBECONFIG: options.kubeconfig }) },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // kubectl may end before it has read all of its input; its exit code tells what happened.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        if (signal !== null) stderr.push(Buffer.from(`kubectl ended by ${signal}\n`));
        const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
        resolve({ stdout: text(stdout), stderr: text(stderr), code: code ?? 128 });
      });
    });
  }

  /** Like `kubectl`, for when anything but success is an error. @throws Error with what kubectl said. */
  async kubectlOk(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
    const { stdout, stderr, code } = await this.kubectl(args, options);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  }

  /** Ends a component at once (SIGKILL), as a crash would. */
  async kill(component: Component): Promise<void> {
    await this.#parts.supervisor.stopProcess(component, 'SIGKILL');
  }

  /** Ends a component in order (SIGTERM; killed after ten seconds). */
  async end(component: Component): Promise<void> {
    await this.#parts.supervisor.stopProcess(component, 'SIGTERM', 10_000);
  }

  /** Sends a signal, such as SIGSTOP and SIGCONT for a component that hangs. */
  async signal(component: Component, signal: NodeJS.Signals): Promise<void> {
    await this.#parts.supervisor.signal(component, signal);
  }

  /** Starts a component that was ended, with the same flags and port. Resolves when it serves. */
  async start(component: Component): Promise<void> {
    const record = this.#parts.components[component];
    if (record === undefined) throw new Error(`${component} isn't part of this control plane`);
    await startComponent(record, this.#parts.supervisor, {
      authority: this.caData,
      credential: this.#adminCredential,
      timeoutMs: this.#parts.startTimeoutMs,
    });
  }

  async restart(component: Component): Promise<void> {
    await this.end(component);
    await this.start(component);
  }

  killApiServer(): Promise<void> {
    return this.kill('kube-apiserver');
  }

  startApiServer(): Promise<void> {
    return this.start('kube-apiserver');
  }

  restartApiServer(): Promise<void> {
    return this.restart('kube-apiserver');
  }

  killEtcd(): Promise<void> {
    return this.kill('etcd');
  }

  startEtcd(): Promise<void> {
    return this.start('etcd');
  }

  restartEtcd(): Promise<void> {
    return this.restart('etcd');
  }

  /**
   * Forgets all history up to now and returns the revision. The API server still serves what its watch cache holds:
   * restart it too where a client is to see 410 Gone.
   */
  async compact(): Promise<number> {
    const post = async (path: string, body: unknown): Promise<{ header?: { revision?: string } }> => {
      const answer = await call({ url: this.etcdEndpoint + path, method: 'POST', body });
      if (answer.status !== 200) throw new Error(`etcd answered ${path} with ${answer.status}: ${answer.text}`);
      return JSON.parse(answer.text) as { header?: { revision?: string } };
    };
    const key = Buffer.from('compaction').toString('base64');
    const revision = Number((await post('/v3/kv/range', { key })).header?.revision);
    if (!Number.isSafeInteger(revision)) throw new Error('etcd told no revision');
    try {
      await post('/v3/kv/compaction', { revision: String(revision), physical: true });
    } catch (error) {
      // Nothing was written since the last time: there is nothing to forget, which is what was asked for.
      if (!/has been compacted/.test(String(error))) throw error;
    }
    return revision;
  }

  /** The processes of this control plane. */
  processes(): ReturnType<Supervisor['list']> {
    return this.#parts.supervisor.list();
  }

  /** Lets the control plane outlive this process; `down` ends it. */
  async release(): Promise<void> {
    await this.#parts.supervisor.release();
  }

  /** Ends everything and removes the state folder, at once for all callers. */
  stop(options: { readonly keepState?: boolean } = {}): Promise<void> {
    this.#stopped ??= this.#parts.supervisor.end(options.keepState ?? this.#parts.keepState);
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #credentialOf(identity: Identity): Promise<Credential> {
    if ('token' in identity) return { token: identity.token };
    if ('serviceAccount' in identity) return { token: await this.token(identity.serviceAccount) };
    return {
      keyPair: this.#parts.authority.issue({ commonName: identity.user, organizations: identity.groups ?? [] }),
    };
  }
}
