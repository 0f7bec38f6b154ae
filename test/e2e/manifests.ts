/** Objects for the tests: Pods that carry a reporter in every place, and something to probe. */
import { busyboxReference } from '../../tools/control-plane/node/busybox-image.js';

export const REPORTER_IMAGE = 'datapath-reporter:0.1.0';

/** What Pod Security "restricted" demands, and what the images promise: no root, nothing written to the root file system. */
const RESTRICTED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  runAsUser: 65532,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

export type Place = 'sidecar' | 'container' | 'init';

export interface ReporterOptions {
  readonly target: string;
  /** Default 60s. */
  readonly timeout?: string;
  readonly place?: Place;
  readonly env?: Readonly<Record<string, string>>;
  /** Fields of the container over ours. */
  readonly container?: object;
}

export interface PodOptions extends ReporterOptions {
  readonly name: string;
  readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never';
  /** Without a token there is no right to patch anything. Default true. */
  readonly token?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Shell command of the workload. Default: waits for ever. */
  readonly app?: string;
  /** Init containers before the reporter. */
  readonly before?: readonly object[];
  /** Fields of the Pod's spec over ours. */
  readonly spec?: object;
}

export function reporterContainer(options: ReporterOptions): object {
  const env = { PROBE_TARGET: options.target, PROBE_TIMEOUT: options.timeout ?? '60s', ...options.env };
  return {
    name: 'datapath-reporter',
    image: REPORTER_IMAGE,
    ...(options.place === undefined || options.place === 'sidecar' ? { restartPolicy: 'Always' } : {}),
    env: Object.entries(env).map(([name, value]) => ({ name, value })),
    securityContext: RESTRICTED,
    ...options.container,
  };
}

/** The spec of a Pod with a reporter and a workload `app`. */
export function podSpec(options: PodOptions): object {
  const reporter = reporterContainer(options);
  const isOrdinary = options.place === 'container';
  const app = container('app', options.app ?? 'trap "exit 0" TERM; sleep infinity & wait');
  return {
    restartPolicy: options.restartPolicy ?? 'Always',
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: options.token ?? true,
    initContainers: [...(options.before ?? []), ...(isOrdinary ? [] : [reporter])],
    containers: [...(isOrdinary ? [reporter] : []), app],
    ...options.spec,
  };
}

export function pod(namespace: string, options: PodOptions): object {
  const { name, annotations = {} } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, annotations, labels: { app: name, ...options.labels } },
    spec: podSpec(options),
  };
}

/** A shell in a container of its own. */
export function container(name: string, script: string, fields: object = {}): object {
  return {
    name,
    image: busyboxReference,
    imagePullPolicy: 'Never',
    command: ['sh', '-c', script],
    securityContext: RESTRICTED,
    ...fields,
  };
}

/** A namespace, and the right of its Pods' default account to report. */
export function workloadNamespace(name: string, { mayReport = true } = {}): readonly object[] {
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'datapath-reporter', namespace: name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'datapath-reporter' },
    subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: name }],
  };
  return [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, ...(mayReport ? [binding] : [])];
}

/** A Pod that serves HTTP on 8080 and the Service of the same name in front of it. */
export function webServer(namespace: string, name: string): readonly object[] {
  const folder = [{ name: 'www', emptyDir: {} }];
  const mounts = [{ name: 'www', mountPath: '/www' }];
  const serve = 'echo hello > /www/index.html; exec httpd -f -p 8080 -h /www';
  return [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 0,
        automountServiceAccountToken: false,
        volumes: folder,
        containers: [container('web', serve, { volumeMounts: mounts })],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector: { app: name }, ports: [{ port: 8080 }], publishNotReadyAddresses: true },
    },
  ];
}
