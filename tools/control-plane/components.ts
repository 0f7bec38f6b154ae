/** How each program of a control plane is started: its flags, where it logs, how one knows that it serves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceAccountKeys, type CertificateAuthority } from './certificates.js';
import { writeKubeconfig, type Cluster } from './kubeconfig.js';
import type { Placement } from './placement.js';
import type { ProcessSpec } from './supervisor.js';

/** A static bearer token, as `--token-auth-file` takes it. */
export interface TokenUser {
  readonly token: string;
  readonly name: string;
  readonly groups?: readonly string[];
}

/** The files that the components of one control plane share. */
export interface Credentials {
  readonly authority: CertificateAuthority;
  readonly authorityFile: string;
  readonly servingCertificateFile: string;
  readonly servingKeyFile: string;
  readonly kubeletClientCertificateFile: string;
  readonly kubeletClientKeyFile: string;
  readonly serviceAccountKeyFile: string;
  readonly serviceAccountPublicKeyFile: string;
  readonly tokenFile: string;
}

/** Makes the certificates, keys and users of one control plane in its state folder. */
export function writeCredentials(
  folder: string,
  authority: CertificateAuthority,
  hosts: readonly string[],
  users: readonly TokenUser[],
): Credentials {
  const write = (name: string, content: string): string => {
    const file = join(folder, 'certificates', name);
    writeFileSync(file, content, { mode: 0o600 });
    return file;
  };
  const serving = authority.issue({ commonName: 'kube-apiserver', hosts });
  const kubeletClient = authority.issue({
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['system:masters'],
  });
  const serviceAccounts = serviceAccountKeys();
  const tokenLines = users.map(({ token, name, groups = [] }) => `${token},${name},${name},"${groups.join(',')}"\n`);
  return {
    authority,
    authorityFile: write('ca.crt', authority.certificate),
    servingCertificateFile: write('serving.crt', serving.certificate),
    servingKeyFile: write('serving.key', serving.key),
    kubeletClientCertificateFile: write('kubelet-client.crt', kubeletClient.certificate),
    kubeletClientKeyFile: write('kubelet-client.key', kubeletClient.key),
    serviceAccountKeyFile: write('service-accounts.key', serviceAccounts.privateKey),
    serviceAccountPublicKeyFile: write('service-accounts.pub', serviceAccounts.publicKey),
    tokenFile: write('tokens.csv', tokenLines.join('')),
  };
}

/** Where a component keeps its things, and where it runs. */
export interface Place {
  readonly folder: string;
  readonly placement: Placement;
}

/** A process in its place: the prefix before its command, a log of its own. */
export function inPlace(
  { folder, placement }: Place,
  name: string,
  command: string,
  args: readonly string[],
): ProcessSpec {
  const [head = command, ...rest] = [...placement.commandPrefix, command, ...args];
  return { name, command: head, args: rest, log: join(folder, 'logs', `${name}.log`) };
}

export interface EtcdOptions extends Place {
  readonly binary: string;
  readonly memberName: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** Bytes that the store may hold before it refuses writes. */
  readonly quotaBytes: number;
}

export function etcd(options: EtcdOptions): ProcessSpec {
  const client = `http://127.0.0.1:${options.clientPort}`;
  const peer = `http://127.0.0.1:${options.peerPort}`;
  return inPlace(options, 'etcd', options.binary, [
    `--name=${options.memberName}`,
    `--data-dir=${join(options.folder, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${options.memberName}=${peer}`,
    // What is stored lives no longer than the machine: a crash of a process loses nothing even so.
    '--unsafe-no-fsync',
    `--quota-backend-bytes=${options.quotaBytes}`,
    '--log-level=warn',
  ]);
}

export interface ApiServerOptions extends Place {
  readonly binary: string;
  readonly credentials: Credentials;
  readonly etcdUrl: string;
  readonly port: number;
  /** Without kube-controller-manager nobody makes default service accounts, and no Pod would be admitted. */
  readonly admitWithoutServiceAccounts: boolean;
  readonly nodeRestriction: boolean;
  /** An audit policy (a document), or false for no audit log. */
  readonly audit: object | false;
  readonly extraFlags: readonly string[];
}

export function apiServer(options: ApiServerOptions): ProcessSpec {
  const { credentials, folder, placement } = options;
  return inPlace(options, 'kube-apiserver', options.binary, [
    `--etcd-servers=${options.etcdUrl}`,
    `--bind-address=${placement.bindAddress}`,
    ...(placement.advertiseAddress === undefined ? [] : [`--advertise-address=${placement.advertiseAddress}`]),
    `--secure-port=${options.port}`,
    `--cert-dir=${join(folder, 'certificates')}`,
    `--tls-cert-file=${credentials.servingCertificateFile}`,
    `--tls-private-key-file=${credentials.servingKeyFile}`,
    `--client-ca-file=${credentials.authorityFile}`,
    `--token-auth-file=${credentials.tokenFile}`,
    `--kubelet-client-certificate=${credentials.kubeletClientCertificateFile}`,
    `--kubelet-client-key=${credentials.kubeletClientKeyFile}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--service-cluster-ip-range=10.0.0.0/24',
    '--allow-privileged=true',
    '--authorization-mode=Node,RBAC',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${credentials.serviceAccountPublicKeyFile}`,
    `--service-account-signing-key-file=${credentials.serviceAccountKeyFile}`,
    ...(options.admitWithoutServiceAccounts ? ['--disable-admission-plugins=ServiceAccount'] : []),
    ...(options.nodeRestriction ? ['--enable-admission-plugins=NodeRestriction'] : []),
    ...auditFlags(folder, options.audit),
    ...options.extraFlags,
  ]);
}

export const auditLogOf = (folder: string): string => join(folder, 'logs', 'audit.jsonl');

function auditFlags(folder: string, policy: object | false): readonly string[] {
  if (policy === false) return [];
  const file = join(folder, 'audit-policy.json');
  writeFileSync(file, JSON.stringify(policy));
  // Bounded: 256 MB a file, two old ones. Blocking, so that a line is there when its answer is.
  return [
    `--audit-policy-file=${file}`,
    `--audit-log-path=${auditLogOf(folder)}`,
    '--audit-log-format=json',
    '--audit-log-mode=blocking',
    '--audit-log-maxsize=256',
    '--audit-log-maxbackup=2',
  ];
}

export interface ClientComponentOptions extends Place {
  readonly binary: string;
  readonly credentials: Credentials;
  readonly cluster: Cluster;
  readonly port: number;
}

export function controllerManager(
  options: ClientComponentOptions & { readonly flags?: readonly string[] },
): ProcessSpec {
  return inPlace(options, 'kube-controller-manager', options.binary, [
    `--kubeconfig=${componentKubeconfig(options, 'system:kube-controller-manager')}`,
    `--root-ca-file=${options.credentials.authorityFile}`,
    `--service-account-private-key-file=${options.credentials.serviceAccountKeyFile}`,
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    ...servingFlags(options),
    ...(options.flags ?? []),
  ]);
}

export function scheduler(options: ClientComponentOptions): ProcessSpec {
  return inPlace(options, 'kube-scheduler', options.binary, [
    `--kubeconfig=${componentKubeconfig(options, 'system:kube-scheduler')}`,
    '--leader-elect=false',
    ...servingFlags(options),
  ]);
}

/** kwok plays kubelet for every node; the stages say how a node and a Pod move on. */
export function kwok(options: ClientComponentOptions & { readonly stagesFile: string }): ProcessSpec {
  return inPlace(options, 'kwok', options.binary, [
    `--kubeconfig=${componentKubeconfig(options, 'kwok', ['system:masters'])}`,
    `--config=${options.stagesFile}`,
    '--manage-all-nodes=true',
    '--node-lease-duration-seconds=40',
    '--cidr=10.244.0.0/16',
    `--server-address=127.0.0.1:${options.port}`,
  ]);
}

/** A kubeconfig in the state folder for a component that runs beside the API server. */
export function componentKubeconfig(
  options: { readonly folder: string; readonly credentials: Credentials; readonly cluster: Cluster },
  user: string,
  organizations: readonly string[] = [],
): string {
  const keyPair = options.credentials.authority.issue({ commonName: user, organizations });
  const file = join(options.folder, 'kubeconfigs', `${user.replaceAll(':', '-')}.json`);
  return writeKubeconfig(file, options.cluster, { keyPair });
}

function servingFlags({ credentials, port }: ClientComponentOptions): readonly string[] {
  return [
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--tls-cert-file=${credentials.servingCertificateFile}`,
    `--tls-private-key-file=${credentials.servingKeyFile}`,
  ];
}
