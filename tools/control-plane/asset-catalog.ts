/**
 * The programs that a control plane or a node consists of: which Go module pins each, how it is built, how long that
 * takes. Versions stand in the go.mod files beside this file and nowhere else.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this tool, in which the Go modules stand. */
export const toolFolder = fileURLToPath(new URL('.', import.meta.url));

/** One program that is built from a pinned Go module. */
export interface Asset {
  /** The file name of the binary. */
  readonly name: string;
  /** The folder that holds its go.mod and go.sum. */
  readonly moduleFolder: string;
  /** The module whose version names the binary's folder in the cache. */
  readonly versionOf: string;
  /** The Go package of its `main`. */
  readonly package: string;
  readonly tags?: string;
  /** What the linker writes into string variables, by their full name. */
  readonly stamp?: (version: string) => Readonly<Record<string, string>>;
  /** How long a build with cold caches takes on two cores, in seconds: only to tell people what to expect. */
  readonly coldBuildSeconds: number;
}

/** The programs that `KUBEBUILDER_ASSETS` is expected to hold: the convention of controller-runtime's envtest. */
export const convention = ['etcd', 'kube-apiserver', 'kubectl'] as const;

const kubernetes = (name: string, coldBuildSeconds: number): Asset => ({
  name,
  moduleFolder: join(toolFolder, 'kubernetes'),
  versionOf: 'k8s.io/kubernetes',
  package: `k8s.io/kubernetes/cmd/${name}`,
  tags: 'selinux,notest,grpcnotrace',
  // Without the stamp /version answers v0.0.0-master, and clients that compare versions misbehave.
  stamp: (version) => {
    const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
    const variables = {
      gitVersion: version,
      gitMajor: major,
      gitMinor: minor,
      gitTreeState: 'clean',
      gitCommit: 'unknown',
      buildDate: '1970-01-01T00:00:00Z',
    };
    return Object.fromEntries(
      Object.entries(variables).map(([key, value]) => [`k8s.io/component-base/version.${key}`, value]),
    );
  },
  coldBuildSeconds,
});

export const assets = {
  etcd: {
    name: 'etcd',
    moduleFolder: join(toolFolder, 'etcd'),
    versionOf: 'go.etcd.io/etcd/server/v3',
    package: 'go.etcd.io/etcd/server/v3',
    coldBuildSeconds: 25,
  },
  'kube-apiserver': kubernetes('kube-apiserver', 300),
  kubectl: kubernetes('kubectl', 25),
  'kube-controller-manager': kubernetes('kube-controller-manager', 95),
  'kube-scheduler': kubernetes('kube-scheduler', 15),
  kubelet: kubernetes('kubelet', 30),
  'kube-proxy': kubernetes('kube-proxy', 15),
  kwok: {
    name: 'kwok',
    moduleFolder: join(toolFolder, 'kwok'),
    versionOf: 'sigs.k8s.io/kwok',
    package: 'sigs.k8s.io/kwok/cmd/kwok',
    coldBuildSeconds: 60,
  },
  coredns: {
    name: 'coredns',
    moduleFolder: join(toolFolder, 'coredns'),
    versionOf: 'github.com/coredns/coredns',
    package: 'github.com/coredns/coredns',
    coldBuildSeconds: 60,
  },
} as const satisfies Readonly<Record<string, Asset>>;

export type AssetName = keyof typeof assets;

/** The version that an asset's go.mod pins, such as `v1.37.2`. @throws Error when the go.mod doesn't name it. */
export function versionOf(asset: Asset): string {
  const file = join(asset.moduleFolder, 'go.mod');
  const escaped = asset.versionOf.replaceAll('.', '\\.');
  const version = new RegExp(`^\\s*(?:require )?${escaped} (v\\S+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  if (version === undefined) throw new Error(`${file} pins no version of ${asset.versionOf}`);
  return version;
}
