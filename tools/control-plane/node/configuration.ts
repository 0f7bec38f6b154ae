/** The configuration files of what runs on a node. Each returns its path. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Credentials } from '../components.js';
import { cgroupRootOf } from './cgroups.js';
import { pauseReference } from './busybox-image.js';
import { cniFolder } from './prerequisites.js';
import { addresses } from './world.js';

/** The name of the one node. */
export const nodeName = 'node1';

export const containerdSocket = (folder: string): string => join(folder, 'node', 'containerd.sock');

/** The ports of the node's programs in its own network, by component. */
export const insidePorts: Readonly<Record<string, readonly number[]>> = {
  etcd: [2379, 2380],
  'kube-apiserver': [6443],
  'kube-controller-manager': [10257],
  'kube-scheduler': [10259],
  kubelet: [10248],
  'kube-proxy': [10256],
  coredns: [8080],
};

function write(folder: string, name: string, content: string | object): string {
  const file = join(folder, 'node', name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, null, 2), { mode: 0o600 });
  return file;
}

/** containerd 1.6 and its CRI plugin, with all that it keeps below the state folder. */
export function containerdConfiguration(folder: string): string {
  const quoted = (text: string): string => JSON.stringify(text);
  return write(
    folder,
    'containerd.toml',
    `version = 2
root = ${quoted(join(folder, 'node', 'containerd'))}
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = ${quoted(containerdSocket(folder))}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${quoted(pauseReference)}
  # Mandatory where root may not lower a score (no CAP_SYS_RESOURCE), as in many containers.
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  disable_apparmor = true
  max_concurrent_downloads = 8
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = ${quoted(snapshotterFor(folder))}
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${quoted(cniFolder)}
    conf_dir = ${quoted(join(folder, 'node', 'cni'))}
`,
  );
}

/** An overlay can't be laid over an overlay, which is what many containers live on. */
function snapshotterFor(folder: string): 'overlayfs' | 'native' {
  const type = execFileSync('stat', ['--file-system', '--format=%T', folder], { encoding: 'utf8' }).trim();
  return type.startsWith('overlay') ? 'native' : 'overlayfs';
}

/** One bridge for all Pods, addresses from one range. */
export function cniConfiguration(folder: string): string {
  mkdirSync(join(folder, 'node', 'cni'), { recursive: true });
  return write(folder, 'cni/10-pods.conflist', {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: addresses.pods }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
    ],
  });
}

export interface KubeletFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

export function kubeletConfiguration(
  folder: string,
  controlPlaneName: string,
  credentials: Credentials,
  serving: KubeletFiles,
  overrides: Readonly<Record<string, unknown>>,
): string {
  return write(folder, 'kubelet.json', {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true, cacheTTL: '10s' },
      x509: { clientCAFile: credentials.authorityFile },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: serving.certificateFile,
    tlsPrivateKeyFile: serving.keyFile,
    containerRuntimeEndpoint: `unix://${containerdSocket(folder)}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroupRootOf(controlPlaneName)}`,
    failCgroupV1: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    oomScoreAdj: 0,
    maxOpenFiles: 20_000,
    localStorageCapacityIsolation: false,
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    clusterDNS: [addresses.dnsService],
    clusterDomain: 'cluster.local',
    resolvConf: write(folder, 'resolv.conf', `nameserver ${addresses.dnsService}\n`),
    podLogsDir: join(folder, 'node', 'pod-logs'),
    volumePluginDir: join(folder, 'node', 'volume-plugins'),
    healthzBindAddress: '127.0.0.1',
    healthzPort: 10_248,
    maxPods: 250,
    serializeImagePulls: false,
    // A test makes dozens of Pods at once; the defaults are for a node that shares its API server with thousands.
    kubeAPIQPS: 200,
    kubeAPIBurst: 400,
    eventRecordQPS: 200,
    eventBurst: 400,
    ...overrides,
  });
}

export function kubeProxyConfiguration(folder: string, kubeconfig: string): string {
  return write(folder, 'kube-proxy.json', {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig },
    hostnameOverride: nodeName,
    clusterCIDR: addresses.pods,
    bindAddress: addresses.node,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    // The machine's limits on tracked connections aren't ours to change.
    conntrack: { maxPerCore: 0, min: 0 },
    // Pods share one bridge: without this an answer would go to its asker directly, past the translation of addresses.
    nftables: { masqueradeAll: true, syncPeriod: '30s', minSyncPeriod: '100ms' },
  });
}

/** Cluster DNS; names outside the cluster don't exist. */
export function corefile(folder: string, kubeconfig: string): string {
  return write(
    folder,
    'Corefile',
    `cluster.local:53 in-addr.arpa:53 {
  bind ${addresses.node}
  errors
  health 127.0.0.1:8080
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
    pods insecure
    ttl 5
  }
  cache 5
}
.:53 {
  bind ${addresses.node}
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`,
  );
}

/** The Service by which Pods find cluster DNS, and its endpoint: the node itself. */
export const dnsService = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace: 'kube-system' },
    spec: {
      clusterIP: addresses.dnsService,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'kube-dns',
      namespace: 'kube-system',
      labels: { 'kubernetes.io/service-name': 'kube-dns', 'endpointslice.kubernetes.io/managed-by': 'control-plane' },
    },
    addressType: 'IPv4',
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
    endpoints: [{ addresses: [addresses.node], conditions: { ready: true } }],
  },
] as const;
