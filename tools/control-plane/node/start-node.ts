/** Brings up a control plane and one real node. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Progress } from '../asset-builder.js';
import { ensure } from '../assets.js';
import { toolFolder } from '../asset-catalog.js';
import { BringUp } from '../bring-up.js';
import * as components from '../components.js';
import type { ControlPlane } from '../control-plane.js';
import { apiServerHosts, type Placement } from '../placement.js';
import { freePorts } from '../ports.js';
import { createStateFolder, disownStateFolder } from '../state-folder.js';
import { Supervisor, type ProcessSpec } from '../supervisor.js';
import { waitUntil } from '../wait.js';
import { pauseImage } from './busybox-image.js';
import { cgroupRootOf, makeCgroups, removeCgroups } from './cgroups.js';
import * as configuration from './configuration.js';
import { RealNode, writeWorld } from './node.js';
import { demandPrerequisites } from './prerequisites.js';
import { relayProcesses, startRelays, type Way } from './relay.js';
import { addresses, makeWorld, type World } from './world.js';

export interface NodeOptions {
  readonly name?: string;
  /** Images to load before the node counts as started, by path. */
  readonly images?: readonly string[];
  readonly apiServerFlags?: readonly string[];
  readonly audit?: object | false;
  readonly users?: readonly components.TokenUser[];
  /** Fields of the KubeletConfiguration in place of ours. */
  readonly kubelet?: Readonly<Record<string, unknown>>;
  readonly keepState?: boolean;
  /** Milliseconds that one component may take to start. Default 120,000. */
  readonly startTimeoutMs?: number;
  readonly progress?: Progress;
}

/** The programs of a node and its control plane, in the order in which they are needed. */
export const nodeAssets = [
  'etcd',
  'kube-apiserver',
  'kubectl',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'coredns',
] as const;

/**
 * @throws NodeUnavailable when this machine can't carry a node: a caller may then skip, visibly. AssetsUnavailable and
 * ComponentFailed as for a control plane.
 */
export async function startNode(options: NodeOptions = {}): Promise<RealNode> {
  demandPrerequisites();
  const tell = options.progress ?? (() => undefined);
  const binaries = await ensure(
    nodeAssets,
    options.progress ?? ((message) => process.stderr.write(`control-plane: ${message}\n`)),
  );
  const folder = createStateFolder(options.name ?? `n${process.pid}-${randomBytes(3).toString('hex')}`);
  let supervisor: Supervisor | undefined;
  try {
    const started = await Supervisor.start(folder);
    supervisor = started.supervisor;
    await supervisor.cleanUpWith(process.execPath, cleaningArguments(folder));
    mkdirSync(join(folder, 'node'), { mode: 0o700 });
    tell('making namespaces');
    const world = await makeWorld(folder, supervisor, [dirname(binaries.kubelet), process.execPath]);
    writeWorld(folder, world.pid);
    const steps = new BringUp({
      folder,
      supervisor,
      identity: started.identity,
      binaries,
      placement: await placeIn(world, folder, supervisor),
      users: options.users ?? [],
      startTimeoutMs: options.startTimeoutMs ?? 120_000,
      keepState: options.keepState ?? false,
      tell,
    });
    const controlPlane = await bringUp(steps, options);
    const node = new RealNode(controlPlane, world.pid);
    tell('loading images');
    await node.loadImage(pauseImage());
    for (const image of options.images ?? []) await node.loadImage(image);
    tell('waiting for the node to become ready');
    await untilNodeIsReady(controlPlane, options.startTimeoutMs ?? 120_000);
    return node;
  } catch (error) {
    // The logs stay: the error names them.
    await supervisor?.end(true).catch(() => undefined);
    disownStateFolder(folder);
    throw error;
  }
}

/** What the supervisor runs when all processes have ended, whoever may have ended them. */
function cleaningArguments(folder: string): readonly string[] {
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  return ['--import', loader, join(toolFolder, 'main.ts'), 'clean-node', folder];
}

/** Removes what a node leaves when its processes have ended: its control groups. */
export async function cleanUpNode(controlPlaneName: string): Promise<void> {
  await removeCgroups(cgroupRootOf(controlPlaneName));
}

/** Everything runs in the world, under the usual ports; relays join them to free ports of this machine. */
async function placeIn(world: World, folder: string, supervisor: Supervisor): Promise<Placement> {
  const outside = new Map<string, number[]>();
  const wanted = Object.entries(configuration.insidePorts).flatMap(([component, ports]) =>
    ports.map((port) => ({ component, port })),
  );
  const free = await freePorts(wanted.length);
  const ways = wanted.map(({ component, port }, index): Way => {
    const chosen = free[index] ?? 0;
    outside.set(component, [...(outside.get(component) ?? []), chosen]);
    return { socket: `${component}-${port}.sock`, target: `127.0.0.1:${port}`, outside: chosen };
  });
  await startRelays(folder, supervisor, relayProcesses(folder, world.commandPrefix, 'relay', ways), ways);
  return {
    commandPrefix: world.commandPrefix,
    bindAddress: '0.0.0.0',
    advertiseAddress: addresses.node,
    hosts: [...apiServerHosts, addresses.node, configuration.nodeName],
    ports: (component) =>
      Promise.resolve(
        (configuration.insidePorts[component] ?? []).map((inside, index) => ({
          inside,
          outside: outside.get(component)?.[index] ?? 0,
        })),
      ),
  };
}

async function bringUp(steps: BringUp, options: NodeOptions): Promise<ControlPlane> {
  await steps.core({
    withServiceAccounts: true,
    nodeRestriction: true,
    audit: options.audit,
    etcdQuotaBytes: undefined,
    flags: options.apiServerFlags ?? [],
  });
  await Promise.all([
    steps
      .client('kube-controller-manager', 'https', components.controllerManager)
      .then(() => steps.untilPodsAreAdmitted()),
    steps.client('kube-scheduler', 'https', components.scheduler),
    startContainerd(steps).then(() => startKubelet(steps, options)),
    steps.client('kube-proxy', 'http', kubeProxy),
    startClusterDns(steps),
  ]);
  return steps.finish('node');
}

async function startContainerd(steps: BringUp): Promise<void> {
  configuration.cniConfiguration(steps.folder);
  const file = configuration.containerdConfiguration(steps.folder);
  await steps.start('containerd', 0, () => ({
    spec: components.inPlace(steps, 'containerd', 'containerd', ['--config', file]),
    ready: { kind: 'socket', url: `unix:${configuration.containerdSocket(steps.folder)}` },
  }));
}

async function startKubelet(steps: BringUp, options: NodeOptions): Promise<void> {
  const { folder, credentials } = steps;
  const name = basename(folder);
  makeCgroups(cgroupRootOf(name));
  const serving = credentials.authority.issue({
    commonName: configuration.nodeName,
    hosts: [configuration.nodeName, addresses.node],
  });
  const files = { certificateFile: join(folder, 'node', 'kubelet.crt'), keyFile: join(folder, 'node', 'kubelet.key') };
  writeFileSync(files.certificateFile, serving.certificate, { mode: 0o600 });
  writeFileSync(files.keyFile, serving.key, { mode: 0o600 });
  const config = configuration.kubeletConfiguration(folder, name, credentials, files, options.kubelet ?? {});
  await steps.client('kubelet', 'http', (client) =>
    components.inPlace(steps, 'kubelet', client.binary, [
      `--config=${config}`,
      `--kubeconfig=${components.componentKubeconfig(client, `system:node:${configuration.nodeName}`, ['system:nodes'])}`,
      `--hostname-override=${configuration.nodeName}`,
      `--node-ip=${addresses.node}`,
      `--root-dir=${join(folder, 'node', 'kubelet')}`,
    ]),
  );
}

function kubeProxy(client: components.ClientComponentOptions): ProcessSpec {
  const kubeconfig = components.componentKubeconfig(client, 'system:kube-proxy');
  const config = configuration.kubeProxyConfiguration(client.folder, kubeconfig);
  return components.inPlace(client, 'kube-proxy', client.binary, [`--config=${config}`]);
}

async function startClusterDns(steps: BringUp): Promise<void> {
  const [service, endpoints] = configuration.dnsService;
  await steps.create('/api/v1/namespaces/kube-system/services', service);
  await steps.create('/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices', endpoints);
  const kubeconfig = components.componentKubeconfig(
    { folder: steps.folder, credentials: steps.credentials, cluster: steps.inside },
    'coredns',
    ['system:masters'],
  );
  const corefile = configuration.corefile(steps.folder, kubeconfig);
  await steps.start('coredns', 1, ([port]) => ({
    spec: components.inPlace(steps, 'coredns', steps.binary('coredns'), ['-conf', corefile]),
    ready: { kind: 'health', url: `http://127.0.0.1:${port?.outside ?? 0}/health` },
  }));
}

async function untilNodeIsReady(controlPlane: ControlPlane, timeoutMs: number): Promise<void> {
  interface Node {
    readonly status?: { readonly conditions?: readonly { type: string; status: string; message?: string }[] };
  }
  await waitUntil(
    `the node isn't ready (see ${controlPlane.logs}/kubelet.log)`,
    async () => {
      const answer = await controlPlane.request('GET', `/api/v1/nodes/${configuration.nodeName}`);
      if (answer.status !== 200) throw new Error(`the API server answered ${answer.status}`);
      const ready = (JSON.parse(answer.text) as Node).status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status !== 'True') throw new Error(ready?.message ?? 'no condition yet');
      return true;
    },
    timeoutMs,
  );
}
