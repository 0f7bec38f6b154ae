/** The steps by which a control plane comes up, wherever it is placed. */
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Progress } from './asset-builder.js';
import { assets, versionOf, type AssetName } from './asset-catalog.js';
import { defaultAuditPolicy } from './audit-policy.js';
import { CertificateAuthority, type KeyPair } from './certificates.js';
import { ComponentFailed, startComponent, type ComponentRecord, type StartContext } from './component-start.js';
import * as components from './components.js';
import { ControlPlane } from './control-plane.js';
import { call } from './http.js';
import { writeKubeconfig, type Cluster } from './kubeconfig.js';
import type { Placement, Port } from './placement.js';
import type { ProcessIdentity } from './process-identity.js';
import { writeState, type State } from './state-folder.js';
import type { ProcessSpec, Supervisor } from './supervisor.js';
import { waitUntil } from './wait.js';

/** The name of every control plane's certificate authority. */
export const authorityName = 'control-plane';

const portAttempts = 5;

export interface BringUpOptions {
  readonly folder: string;
  readonly supervisor: Supervisor;
  readonly identity: ProcessIdentity;
  readonly placement: Placement;
  readonly binaries: Readonly<Partial<Record<AssetName, string>>>;
  readonly users: readonly components.TokenUser[];
  readonly startTimeoutMs: number;
  readonly keepState: boolean;
  readonly tell: Progress;
}

export interface ApiServerSettings {
  readonly withServiceAccounts: boolean;
  readonly nodeRestriction: boolean;
  readonly audit: object | false | undefined;
  readonly etcdQuotaBytes: number | undefined;
  readonly flags: readonly string[];
}

export class BringUp {
  readonly authority = new CertificateAuthority(authorityName);
  readonly credentials: components.Credentials;
  readonly folder: string;
  readonly placement: Placement;
  readonly #options: BringUpOptions;
  readonly #records: Record<string, ComponentRecord> = {};
  readonly #admin: KeyPair;
  readonly #context: StartContext;
  #etcd = '';
  #server = '';
  #insideServer = '';
  #audited = false;

  constructor(options: BringUpOptions) {
    this.#options = options;
    this.folder = options.folder;
    this.placement = options.placement;
    this.credentials = components.writeCredentials(
      options.folder,
      this.authority,
      options.placement.hosts,
      options.users,
    );
    this.#admin = this.authority.issue({ commonName: 'admin', organizations: ['system:masters'] });
    const files = { 'ca.key': this.authority.key, 'admin.crt': this.#admin.certificate, 'admin.key': this.#admin.key };
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(options.folder, 'certificates', name), content, { mode: 0o600 });
    }
    this.#context = {
      authority: this.authority.certificate,
      credential: this.#admin,
      timeoutMs: options.startTimeoutMs,
    };
  }

  /** The cluster as the components see it. */
  get inside(): Cluster {
    return { server: this.#insideServer, authority: this.authority.certificate };
  }

  binary(name: AssetName): string {
    const path = this.#options.binaries[name];
    if (path === undefined) throw new Error(`${name} wasn't asked for`);
    return path;
  }

  /** Starts a component on the ports that its place gives it, and on others when somebody was faster. */
  async start(
    name: string,
    portCount: number,
    describe: (ports: readonly Port[]) => ComponentRecord,
  ): Promise<ComponentRecord> {
    for (let attempt = 1; ; attempt += 1) {
      const record = describe(await this.placement.ports(name, portCount));
      this.#options.tell(`starting ${name}`);
      try {
        await startComponent(record, this.#options.supervisor, this.#context);
        this.#records[name] = record;
        return record;
      } catch (error) {
        if (!(error instanceof ComponentFailed) || !error.portTaken || attempt === portAttempts) throw error;
        this.#options.tell(`${name}: its port was taken meanwhile, trying another`);
        await this.#options.supervisor.stopProcess(name, 'SIGKILL');
        rmSync(record.spec.log, { force: true });
      }
    }
  }

  /** etcd and kube-apiserver. */
  async core(settings: ApiServerSettings): Promise<void> {
    const { folder, placement } = this;
    const memberName = `etcd-${randomBytes(6).toString('hex')}`;
    let insideEtcd = '';
    const etcd = await this.start('etcd', 2, ([client, peer]) => {
      insideEtcd = `http://127.0.0.1:${given(client).inside}`;
      return {
        spec: components.etcd({
          folder,
          placement,
          binary: this.binary('etcd'),
          memberName,
          clientPort: given(client).inside,
          peerPort: given(peer).inside,
          quotaBytes: settings.etcdQuotaBytes ?? 8 * 1024 ** 3,
        }),
        ready: { kind: 'etcd-member', url: `http://127.0.0.1:${given(client).outside}`, memberName },
      };
    });
    this.#etcd = etcd.ready.url;
    this.#audited = settings.audit !== false;
    const apiServer = await this.start('kube-apiserver', 1, ([port]) => {
      this.#insideServer = `https://127.0.0.1:${given(port).inside}`;
      return {
        spec: components.apiServer({
          folder,
          placement,
          binary: this.binary('kube-apiserver'),
          credentials: this.credentials,
          etcdUrl: insideEtcd,
          port: given(port).inside,
          admitWithoutServiceAccounts: !settings.withServiceAccounts,
          nodeRestriction: settings.nodeRestriction,
          audit: settings.audit ?? defaultAuditPolicy,
          extraFlags: settings.flags,
        }),
        ready: { kind: 'health', url: `https://127.0.0.1:${given(port).outside}/readyz?verbose` },
      };
    });
    this.#server = new URL(apiServer.ready.url).origin;
  }

  /** A component that is a client of the API server and answers `/healthz`. */
  client(
    name: string,
    scheme: 'http' | 'https',
    describe: (options: components.ClientComponentOptions) => ProcessSpec,
    asset = name as AssetName,
  ): Promise<ComponentRecord> {
    const { folder, placement, credentials, inside } = this;
    return this.start(name, 1, ([port]) => ({
      spec: describe({
        folder,
        placement,
        credentials,
        cluster: inside,
        binary: this.binary(asset),
        port: given(port).inside,
      }),
      ready: { kind: 'health', url: `${scheme}://127.0.0.1:${given(port).outside}/healthz` },
    }));
  }

  /** A Pod is refused in a namespace that has no default service account yet, and the first ones take seconds. */
  async untilPodsAreAdmitted(): Promise<void> {
    const url = `${this.#server}/api/v1/namespaces/default/serviceaccounts/default`;
    await waitUntil(
      'the namespace "default" has no default service account',
      async () => {
        const answer = await call({ url, authority: this.#context.authority, ...this.#context.credential });
        return answer.status === 200;
      },
      this.#context.timeoutMs,
    );
  }

  /** Makes an object as the administrator. @throws Error when the API server refuses. */
  async create(path: string, object: unknown): Promise<void> {
    const { authority, credential } = this.#context;
    const answer = await call({ url: this.#server + path, method: 'POST', body: object, authority, ...credential });
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
  }

  /** Writes down what came up, so that others find it. */
  finish(profile: State['profile']): ControlPlane {
    const { folder } = this;
    const outside = { server: this.#server, authority: this.authority.certificate };
    const state: State = {
      name: basename(folder),
      folder,
      profile,
      kubernetesVersion: versionOf(assets['kube-apiserver']),
      server: this.#server,
      etcd: this.#etcd,
      kubeconfig: writeKubeconfig(join(folder, 'kubeconfigs', 'admin.json'), outside, { keyPair: this.#admin }),
      kubectl: this.binary('kubectl'),
      logs: join(folder, 'logs'),
      ...(this.#audited ? { auditLog: components.auditLogOf(folder) } : {}),
      supervisor: this.#options.identity,
      startedAt: new Date().toISOString(),
    };
    writeFileSync(join(folder, 'components.json'), JSON.stringify(this.#records, null, 2), { mode: 0o600 });
    writeState(state);
    return new ControlPlane(state, {
      supervisor: this.#options.supervisor,
      authority: this.authority,
      components: this.#records,
      startTimeoutMs: this.#options.startTimeoutMs,
      keepState: this.#options.keepState,
    });
  }
}

function given(port: Port | undefined): Port {
  if (port === undefined) throw new Error('a port was promised but not given');
  return port;
}
