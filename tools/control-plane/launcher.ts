/** Brings a control plane up, finds one that runs, ends one that nobody holds any more. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensure } from './assets.js';
import type { Progress } from './asset-builder.js';
import { assets, toolFolder, versionOf, type AssetName } from './asset-catalog.js';
import { CertificateAuthority } from './certificates.js';
import * as components from './components.js';
import { ComponentFailed, startComponent, type ComponentRecord, type StartContext } from './component-start.js';
import { ControlPlane } from './control-plane.js';
import { call } from './http.js';
import { writeKubeconfig } from './kubeconfig.js';
import { freePorts } from './ports.js';
import { signalProcess, waitForEnd } from './process-identity.js';
import * as folders from './state-folder.js';
import { Supervisor } from './supervisor.js';
import { waitUntil } from './wait.js';

export { ControlPlane, type Component, type Identity, type KubectlResult } from './control-plane.js';
export { AssetsUnavailable } from './asset-builder.js';

export interface ControlPlaneOptions {
  /** By which `down` and `status` find it. Default: a name that nobody else has. */
  readonly name?: string;
  /** Garbage collection, namespace deletion, default service accounts. Default false. */
  readonly controllerManager?: boolean;
  /** Default false: give Pods a `spec.nodeName`. */
  readonly scheduler?: boolean;
  /** Simulated nodes: every Node object becomes ready, and Pods bound to it run. Default false. */
  readonly kwok?: boolean;
  /** A file with kwok's stages, in place of ours. */
  readonly kwokStages?: string;
  /** More flags of kube-apiserver, such as `--watch-cache=false`. */
  readonly apiServerFlags?: readonly string[];
  /** An audit policy in place of the default one, or false for no audit log. */
  readonly audit?: object | false;
  /** Users with static bearer tokens. */
  readonly users?: readonly components.TokenUser[];
  /** Bytes that etcd may hold. Default 8 GiB. */
  readonly etcdQuotaBytes?: number;
  /** Keeps the state folder, logs and all, when it is stopped. Default false. */
  readonly keepState?: boolean;
  /** Milliseconds that one component may take to start. Default 120,000. */
  readonly startTimeoutMs?: number;
  /** Told what is going on. Default: a line on standard error while programs are built, else nothing. */
  readonly progress?: Progress;
}

const authorityName = 'control-plane';
const portAttempts = 5;

/** @throws AssetsUnavailable when programs are missing and can't be built; ComponentFailed when one doesn't start. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const wanted = wantedAssets(options);
  const binaries = await ensure(
    wanted,
    options.progress ?? ((message) => process.stderr.write(`control-plane: ${message}\n`)),
  );
  const folder = folders.createStateFolder(options.name ?? `c${process.pid}-${randomBytes(3).toString('hex')}`);
  let supervisor: Supervisor | undefined;
  try {
    const started = await Supervisor.start(folder);
    supervisor = started.supervisor;
    return await bringUp(folder, binaries, options, started);
  } catch (error) {
    // The logs stay: the error names them.
    await supervisor?.end(true).catch(() => undefined);
    folders.disownStateFolder(folder);
    throw error;
  }
}

function wantedAssets(options: ControlPlaneOptions): readonly AssetName[] {
  return [
    'etcd',
    'kube-apiserver',
    'kubectl',
    ...(options.controllerManager === true ? (['kube-controller-manager'] as const) : []),
    ...(options.scheduler === true ? (['kube-scheduler'] as const) : []),
    ...(options.kwok === true ? (['kwok'] as const) : []),
  ];
}

async function bringUp(
  folder: string,
  binaries: Readonly<Partial<Record<AssetName, string>>>,
  options: ControlPlaneOptions,
  { supervisor, identity }: Awaited<ReturnType<typeof Supervisor.start>>,
): Promise<ControlPlane> {
  const tell = options.progress ?? (() => undefined);
  const startTimeoutMs = options.startTimeoutMs ?? 120_000;
  const placement = components.onLoopback;
  const place = { folder, placement };
  const authority = new CertificateAuthority(authorityName);
  const credentials = components.writeCredentials(folder, authority, placement.hosts, options.users ?? []);
  const credential = authority.issue({ commonName: 'admin', organizations: ['system:masters'] });
  for (const [name, content] of Object.entries({
    'ca.key': authority.key,
    'admin.crt': credential.certificate,
    'admin.key': credential.key,
  })) {
    writeFileSync(join(folder, 'certificates', name), content, { mode: 0o600 });
  }
  const records: Record<string, ComponentRecord> = {};
  const context: StartContext = { authority: authority.certificate, credential, timeoutMs: startTimeoutMs };
  /** Starts a component on ports of its own, and on others when somebody was faster. */
  const start = async (
    ports: number,
    describe: (port: number, another: number) => ComponentRecord,
  ): Promise<ComponentRecord> => {
    for (let attempt = 1; ; attempt += 1) {
      const [port = 0, another = 0] = await freePorts(ports);
      const record = describe(port, another);
      tell(`starting ${record.spec.name}`);
      try {
        await startComponent(record, supervisor, context);
        records[record.spec.name] = record;
        return record;
      } catch (error) {
        if (!(error instanceof ComponentFailed) || !error.portTaken || attempt === portAttempts) throw error;
        tell(`${record.spec.name}: port ${port} was taken meanwhile, trying others`);
        await supervisor.stopProcess(record.spec.name, 'SIGKILL');
        rmSync(record.spec.log, { force: true });
      }
    }
  };
  const binary = (name: AssetName): string => {
    const path = binaries[name];
    if (path === undefined) throw new Error(`${name} wasn't asked for`);
    return path;
  };

  const memberName = `etcd-${randomBytes(6).toString('hex')}`;
  const etcd = await start(2, (clientPort, peerPort) => ({
    spec: components.etcd({
      ...place,
      binary: binary('etcd'),
      memberName,
      clientPort,
      peerPort,
      quotaBytes: options.etcdQuotaBytes ?? 8 * 1024 ** 3,
    }),
    ready: { kind: 'etcd-member', url: `http://127.0.0.1:${clientPort}`, memberName },
  }));
  const audit = options.audit ?? components.defaultAuditPolicy;
  const apiServer = await start(1, (port) => ({
    spec: components.apiServer({
      ...place,
      binary: binary('kube-apiserver'),
      credentials,
      etcdUrl: etcd.ready.url,
      port,
      admitWithoutServiceAccounts: options.controllerManager !== true,
      nodeRestriction: false,
      audit,
      extraFlags: options.apiServerFlags ?? [],
    }),
    ready: { kind: 'health', url: `https://127.0.0.1:${port}/readyz?verbose` },
  }));
  const cluster = { server: new URL(apiServer.ready.url).origin, authority: authority.certificate };
  const client = { ...place, credentials, cluster };
  const healthOf = (scheme: string, port: number): ComponentRecord['ready'] => ({
    kind: 'health',
    url: `${scheme}://127.0.0.1:${port}/healthz`,
  });
  const others: Promise<unknown>[] = [];
  if (options.controllerManager === true) {
    others.push(
      start(1, (port) => ({
        spec: components.controllerManager({ ...client, binary: binary('kube-controller-manager'), port }),
        ready: healthOf('https', port),
      })),
    );
  }
  if (options.scheduler === true) {
    others.push(
      start(1, (port) => ({
        spec: components.scheduler({ ...client, binary: binary('kube-scheduler'), port }),
        ready: healthOf('https', port),
      })),
    );
  }
  if (options.kwok === true) {
    const stagesFile = options.kwokStages ?? join(toolFolder, 'kwok-stages.yaml');
    others.push(
      start(1, (port) => ({
        spec: components.kwok({ ...client, binary: binary('kwok'), port, stagesFile }),
        ready: healthOf('http', port),
      })),
    );
  }
  await Promise.all(others);
  if (options.controllerManager === true) await untilPodsAreAdmitted(cluster.server, context);

  const state: folders.State = {
    name: folder.slice(folder.lastIndexOf('/') + 1),
    folder,
    profile: 'control-plane',
    kubernetesVersion: versionOf(assets['kube-apiserver']),
    server: cluster.server,
    etcd: etcd.ready.url,
    kubeconfig: writeKubeconfig(join(folder, 'kubeconfigs', 'admin.json'), cluster, { keyPair: credential }),
    kubectl: binary('kubectl'),
    logs: join(folder, 'logs'),
    ...(audit === false ? {} : { auditLog: components.auditLogOf(folder) }),
    supervisor: identity,
    startedAt: new Date().toISOString(),
  };
  writeFileSync(join(folder, 'components.json'), JSON.stringify(records, null, 2), { mode: 0o600 });
  folders.writeState(state);
  return new ControlPlane(state, {
    supervisor,
    authority,
    components: records,
    startTimeoutMs,
    keepState: options.keepState ?? false,
  });
}

/** A Pod is refused in a namespace that has no default service account yet, and the first ones take seconds. */
async function untilPodsAreAdmitted(server: string, context: StartContext): Promise<void> {
  const url = `${server}/api/v1/namespaces/default/serviceaccounts/default`;
  await waitUntil(
    'the namespace "default" has no default service account',
    async () => {
      const answer = await call({ url, authority: context.authority, ...context.credential });
      return answer.status === 200;
    },
    context.timeoutMs,
  );
}

/** The running control plane of a name or state folder. @throws Error when there is none. */
export async function attachControlPlane(nameOrFolder: string): Promise<ControlPlane> {
  const folder = folders.folderOf(nameOrFolder);
  const state = folders.readState(folder);
  if (state === undefined) throw new Error(`no control plane in ${folder}`);
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const authority = new CertificateAuthority(authorityName, {
    certificate: read('certificates/ca.crt'),
    key: read('certificates/ca.key'),
  });
  return new ControlPlane(state, {
    supervisor: await Supervisor.attach(folder),
    authority,
    components: JSON.parse(read('components.json')) as Record<string, ComponentRecord>,
    startTimeoutMs: 120_000,
    keepState: false,
  });
}

/**
 * Ends the control plane of a name or state folder, whether or not its supervisor still lives. Returns false when
 * there was none.
 */
export async function endControlPlane(nameOrFolder: string): Promise<boolean> {
  const folder = folders.folderOf(nameOrFolder);
  if (!existsSync(folder)) return false;
  const state = folders.readState(folder);
  if (
    state !== undefined &&
    signalProcess(state.supervisor, 'SIGTERM') &&
    (await waitForEnd(state.supervisor, 120_000))
  ) {
    if (!existsSync(folder)) return true;
  }
  // The supervisor was killed: what it wrote down is ended here, newest first.
  for (const recorded of [...folders.recordedProcesses(folder)].reverse()) {
    signalProcess(recorded, 'SIGKILL');
    await waitForEnd(recorded, 10_000);
  }
  rmSync(folder, { recursive: true, force: true });
  return true;
}
