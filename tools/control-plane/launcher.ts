/** Brings a control plane up, finds one that runs, ends one that nobody holds any more. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ensure } from './assets.js';
import type { Progress } from './asset-builder.js';
import { toolFolder, type AssetName } from './asset-catalog.js';
import { authorityName, BringUp } from './bring-up.js';
import { CertificateAuthority } from './certificates.js';
import * as components from './components.js';
import type { ComponentRecord } from './component-start.js';
import { ControlPlane } from './control-plane.js';
import { cleanUpNode } from './node/start-node.js';
import { onLoopback } from './placement.js';
import { signalProcess, waitForEnd } from './process-identity.js';
import * as folders from './state-folder.js';
import { Supervisor } from './supervisor.js';

export { ControlPlane, type Component, type Identity, type KubectlResult } from './control-plane.js';
export { AssetsUnavailable } from './asset-builder.js';

export interface ControlPlaneOptions {
  /** By which `down` and `status` find it. Default: a name that nobody else has. */
  readonly name?: string;
  /** Garbage collection, namespace deletion, default service accounts. Default false. */
  readonly controllerManager?: boolean;
  /** More flags of kube-controller-manager, such as `--controllers=namespace-controller`. */
  readonly controllerManagerFlags?: readonly string[];
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

/** The programs that a control plane with these options consists of, in the order in which they are needed. */
export function wantedAssets(options: ControlPlaneOptions): readonly AssetName[] {
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
  const steps = new BringUp({
    folder,
    supervisor,
    identity,
    binaries,
    placement: onLoopback,
    users: options.users ?? [],
    startTimeoutMs: options.startTimeoutMs ?? 120_000,
    keepState: options.keepState ?? false,
    tell: options.progress ?? (() => undefined),
  });
  await steps.core({
    withServiceAccounts: options.controllerManager === true,
    nodeRestriction: false,
    audit: options.audit,
    etcdQuotaBytes: options.etcdQuotaBytes,
    flags: options.apiServerFlags ?? [],
  });
  const stagesFile = options.kwokStages ?? join(toolFolder, 'kwok-stages.yaml');
  await Promise.all([
    options.controllerManager === true &&
      steps
        .client('kube-controller-manager', 'https', (client) =>
          components.controllerManager({ ...client, flags: options.controllerManagerFlags ?? [] }),
        )
        .then(() => steps.untilPodsAreAdmitted()),
    options.scheduler === true && steps.client('kube-scheduler', 'https', components.scheduler),
    options.kwok === true && steps.client('kwok', 'http', (client) => components.kwok({ ...client, stagesFile })),
  ]);
  return steps.finish('control-plane');
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
  if (existsSync(join(folder, 'node'))) await cleanUpNode(basename(folder));
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  return true;
}
