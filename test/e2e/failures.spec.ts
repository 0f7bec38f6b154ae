/** Each failure class, produced for real; the record, `kubectl get dpr` and the API name it, with its evidence. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cniConfiguration } from '../../tools/control-plane/node/configuration.js';
import { addresses } from '../../tools/control-plane/node/world.js';
import { deployedCluster, until } from './cluster.js';
import type { Cluster, Result } from './cluster.js';
import { FAULTY_PORTS, faultyTarget } from './faulty-target.js';
import { container, pod, workloadNamespace } from './manifests.js';
import type { PodOptions } from './manifests.js';
import { describeOnRealNode } from './on-real-node.js';

const NAMESPACE = 'failures';
/** After so long whatever still holds a Pod back is its failure. */
const DEADLINE = '20s';
const IMPATIENT = { timeout: '3s' };
const DROPPED_PORT = 9001;
const at = (port: number): string => `http://target:${port}/`;

/** The kernel's word reaches containerd apart from the end of the process: where it comes later, the kubelet says Error. */
const KILLED_BY_OOM = /exit code 137 \((OOMKilled|Error)\)/;

interface Case extends Omit<PodOptions, 'target'> {
  readonly target?: string;
  readonly class: string;
  /** What the message must say. */
  readonly evidence: RegExp;
  /** `probe.lastError.kind`, of a probe that timed out. */
  readonly kind?: string;
}

/** These come about by themselves once the Pod is created. */
const CASES: readonly Case[] = [
  {
    name: 'unschedulable',
    spec: { nodeSelector: { 'kubernetes.io/hostname': 'nowhere' } },
    class: 'Unschedulable',
    evidence: /0\/1 nodes/,
  },
  {
    name: 'image-missing',
    container: { image: 'registry.invalid/reporter:1' },
    class: 'ImagePull',
    evidence: /datapath-reporter: (ErrImagePull|ImagePullBackOff).*registry\.invalid/,
  },
  {
    name: 'image-never-pulled',
    container: { image: 'local.test/absent:1', imagePullPolicy: 'Never' },
    class: 'ImagePull',
    evidence: /ErrImageNeverPull/,
  },
  {
    name: 'config-map-missing',
    container: { envFrom: [{ configMapRef: { name: 'absent' } }] },
    class: 'ConfigError',
    evidence: /CreateContainerConfigError.*"absent" not found/,
  },
  { name: 'bad-target', target: 'http://', class: 'ConfigError', evidence: /PROBE_TARGET/ },
  {
    name: 'bad-interval',
    env: { PROBE_INTERVAL: 'often' },
    class: 'ConfigError',
    evidence: /PROBE_INTERVAL is "often"/,
  },
  {
    name: 'out-of-memory-init',
    place: 'init',
    restartPolicy: 'Never',
    container: { resources: { limits: { memory: '4Mi' } } },
    class: 'ReporterCrash',
    evidence: KILLED_BY_OOM,
  },
  {
    name: 'out-of-memory-sidecar',
    container: { resources: { limits: { memory: '4Mi' } } },
    class: 'ReporterCrash',
    evidence: KILLED_BY_OOM,
  },
  {
    name: 'crashing',
    container: { command: ['/usr/local/bin/absent'] },
    class: 'ConfigError',
    evidence: /absent/,
  },
  {
    name: 'refused',
    target: `tcp://${addresses.node}:9`,
    ...IMPATIENT,
    class: 'ProbeTimeout',
    kind: 'refused',
    evidence: /refused.*attempts on tcp:\/\/10\.245\.0\.1:9/,
  },
  {
    name: 'dropped',
    target: `tcp://${addresses.node}:${DROPPED_PORT}`,
    ...IMPATIENT,
    class: 'ProbeTimeout',
    kind: 'connectTimeout',
    evidence: /connectTimeout/,
  },
  {
    name: 'unrouted',
    // Pods here have no route for IPv6.
    target: 'tcp://[2001:db8::1]:80',
    ...IMPATIENT,
    class: 'ProbeTimeout',
    kind: 'noRoute',
    evidence: /noRoute/,
  },
  {
    name: 'resetting',
    target: at(FAULTY_PORTS.resetting),
    ...IMPATIENT,
    class: 'ProbeTimeout',
    kind: 'reset',
    evidence: /reset/,
  },
  {
    name: 'wrong-certificate',
    target: `https://target:${FAULTY_PORTS.untrusted}/`,
    ...IMPATIENT,
    class: 'ProbeTimeout',
    kind: 'tls',
    evidence: /tls: .*certificate/i,
  },
  {
    name: 'status-500',
    target: at(FAULTY_PORTS.failing),
    ...IMPATIENT,
    class: 'ProbeTimeout',
    kind: 'httpStatus',
    evidence: /500/,
  },
  {
    name: 'unknown-name',
    target: 'http://nowhere.example.invalid/',
    ...IMPATIENT,
    class: 'ProbeTimeout',
    kind: 'dns',
    evidence: /nowhere\.example\.invalid/,
  },
  {
    name: 'silent-server',
    target: at(FAULTY_PORTS.silent),
    ...IMPATIENT,
    class: 'ProbeTimeout',
    kind: 'other',
    evidence: /connected, but no HTTP answer within 1000 ms.*attempts on/,
  },
  {
    name: 'policy-not-enforced',
    target: at(FAULTY_PORTS.fine),
    env: { PROBE_EXPECT: 'blocked' },
    class: 'PolicyNotEnforced',
    evidence: /must be blocked/,
  },
  {
    name: 'silent-reporter',
    container: { image: 'local.test/busybox:1', imagePullPolicy: 'Never', command: ['sleep', 'infinity'] },
    class: 'ReportLost',
    evidence: /runs, but no report arrived/,
  },
  {
    name: 'ended-without-report',
    place: 'container',
    restartPolicy: 'Never',
    container: { image: 'local.test/busybox:1', imagePullPolicy: 'Never', command: ['true'] },
    app: 'true',
    class: 'ReportLost',
    evidence: /ended \(Succeeded\)/,
  },
  {
    // The work of a Job is done before its network is: the sidecar is stopped, and did nothing wrong.
    name: 'done-before-ready',
    restartPolicy: 'Never',
    app: 'sleep 3',
    target: `tcp://${addresses.node}:9`,
    class: 'ProbeTimeout',
    kind: 'refused',
    evidence: /refused.*until the Pod ended: Pod Succeeded/,
  },
  {
    name: 'held-up-before',
    before: [container('earlier', 'sleep infinity')],
    class: 'DeadlineExceeded',
    evidence: /earlier/,
  },
];

describeOnRealNode('failure classes', () => {
  let cluster: Cluster;
  const failed = (name: string): Promise<Result> =>
    cluster.result(NAMESPACE, name, ({ status }) => status?.outcome === 'Failed' || status?.outcome === 'Aborted');
  const create = (options: PodOptions): Promise<void> => cluster.create(pod(NAMESPACE, options));
  const started = (name: string): Promise<unknown> =>
    until(`${name} has started`, async () => {
      const { metadata } = await cluster.pod(NAMESPACE, name);
      return metadata.annotations?.['datapath.observer/started-at'];
    });
  const cause = ({ status }: Result): object => ({ outcome: status?.outcome, class: status?.failure?.class });

  beforeAll(async () => {
    cluster = await deployedCluster({ args: [`--deadline=${DEADLINE}`] });
    await cluster.create(...workloadNamespace(NAMESPACE), ...faultyTarget(NAMESPACE, 'target'));
    await cluster.node.nft(`table inet failures {
      chain input {
        type filter hook input priority -10;
        tcp dport ${DROPPED_PORT} drop
      }
    }`);
    await cluster.kubectl(['wait', '-n', NAMESPACE, '--for=condition=Ready', 'pod/target', '--timeout=60s']);
    await cluster.create(...CASES.map((each) => pod(NAMESPACE, { target: at(FAULTY_PORTS.fine), ...each })));
  }, 240_000);
  afterAll(async () => {
    await cluster?.node.nft('delete table inet failures').catch(() => '');
    await cluster?.dropNamespaces(NAMESPACE);
    await cluster?.end();
  }, 120_000);

  it.each(CASES)('calls $name $class', async (each) => {
    const result = await failed(each.name);
    expect({ ...cause(result), message: result.status?.failure?.message }).toEqual({
      outcome: 'Failed',
      class: each.class,
      message: expect.stringMatching(each.evidence),
    });
    if (each.kind !== undefined) expect(result.status?.probe?.lastError?.kind).toBe(each.kind);
  });

  it('calls a Pod whose network could not be made SandboxNetwork, and Ready once it could', async () => {
    const file = join(cluster.plane.state.folder, 'node/cni/10-pods.conflist');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"bridge",', '"broken",'));
    try {
      // containerd rereads the folder when it is told by the kernel.
      await create({ name: 'no-network', target: at(FAULTY_PORTS.fine) });
      expect((await failed('no-network')).status?.failure?.class).toBe('SandboxNetwork');
    } finally {
      cniConfiguration(cluster.plane.state.folder);
    }
    const late = await cluster.result(NAMESPACE, 'no-network', ({ status }) => status?.outcome === 'Ready');
    expect(late.status?.failure).toBeUndefined();
    expect(late.status?.timeToDatapathReadyMs).toBeGreaterThan(20_000);
  }, 180_000);

  it('calls a report that can not be read InvalidReport', async () => {
    await create({ name: 'garbled', target: `tcp://${addresses.node}:9` });
    await started('garbled');
    const annotation = 'datapath.observer/ready-at=yesterday';
    await cluster.kubectl(['annotate', 'pod', '-n', NAMESPACE, 'garbled', '--overwrite', annotation]);
    const result = await failed('garbled');
    expect(cause(result)).toEqual({ outcome: 'Failed', class: 'InvalidReport' });
    expect(result.status?.failure?.message).toMatch(/ready-at is "yesterday"/);
  });

  it('calls an eviction before readiness Evicted', async () => {
    await create({ name: 'evicted', target: `tcp://${addresses.node}:9` });
    await started('evicted');
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'evicted', namespace: NAMESPACE } };
    await cluster.plane.request('POST', `/api/v1/namespaces/${NAMESPACE}/pods/evicted/eviction`, eviction);
    const result = await failed('evicted');
    expect(cause(result)).toEqual({ outcome: 'Failed', class: 'Evicted' });
    expect(result.status?.failure?.message).toMatch(/EvictionByEvictionAPI/);
  });

  it('tells a deletion before the start from one before readiness, and calls both Aborted', async () => {
    await create({ name: 'never-began', target: 'a:1', spec: { nodeSelector: { absent: 'yes' } } });
    await create({ name: 'cut-short', target: `tcp://${addresses.node}:9` });
    await started('cut-short');
    await cluster.kubectl(['delete', 'pod', '-n', NAMESPACE, 'never-began', 'cut-short', '--wait=false']);
    expect(cause(await failed('never-began'))).toEqual({ outcome: 'Aborted', class: 'DeletedBeforeStart' });
    expect(cause(await failed('cut-short'))).toEqual({ outcome: 'Aborted', class: 'DeletedBeforeReady' });
  });

  it('keeps a readiness whose right to be written was withdrawn meanwhile', async () => {
    await create({ name: 'right-withdrawn', target: `tcp://target:${FAULTY_PORTS.fine + 1}`, timeout: '30s' });
    await started('right-withdrawn');
    await cluster.kubectl(['delete', 'rolebinding', '-n', NAMESPACE, 'datapath-reporter']);
    try {
      const service = {
        spec: { ports: [{ name: 'late', port: FAULTY_PORTS.fine + 1, targetPort: FAULTY_PORTS.fine }] },
      };
      await cluster.kubectl(['patch', 'service', '-n', NAMESPACE, 'target', `--patch=${JSON.stringify(service)}`]);
      const result = await cluster.result(NAMESPACE, 'right-withdrawn', ({ status }) => status?.outcome === 'Ready');
      expect(result.status?.milestones?.find(({ name }) => name === 'datapathReady')?.source).toBe(
        'TerminationMessage',
      );
    } finally {
      await cluster.create(workloadNamespace(NAMESPACE)[1] ?? {});
    }
  });

  it('keeps a readiness that the API server could not be told', async () => {
    const gate = container('gate', 'until [ -e /gate/open ]; do sleep 0.1; done', {
      volumeMounts: [{ name: 'gate', mountPath: '/gate' }],
    });
    await create({
      name: 'cut-off',
      target: at(FAULTY_PORTS.fine),
      before: [gate],
      env: { REPORT_TIMEOUT: '3s' },
      spec: { volumes: [{ name: 'gate', emptyDir: {} }] },
    });
    const { metadata } = await cluster.pod(NAMESPACE, 'cut-off');
    await until('the network of the Pod is cut off', async () => {
      // The first process of a Pod may be one of its making, gone a moment later.
      const pid = await cluster.node.untilPodPid(metadata.uid);
      await cluster.node.nft(
        `table inet cut {
          chain output {
            type filter hook output priority -10;
            tcp dport { 443, 6443 } drop
          }
        }`,
        pid,
      );
      return true;
    });
    await openGate(cluster, metadata.uid);
    const result = await cluster.result(NAMESPACE, 'cut-off', ({ status }) => status?.outcome === 'Ready');
    expect(result.status?.milestones?.find(({ name }) => name === 'datapathReady')?.source).toBe('TerminationMessage');
  });

  it('names each class in kubectl get dpr and in the API, and counts it', async () => {
    const rows = await cluster.kubectl(['get', 'dpr', '-n', NAMESPACE, '-o=wide', '--no-headers']);
    for (const each of CASES) {
      expect(rows).toMatch(new RegExp(`\\s${each.name}\\s.*Failed.*\\s${each.class}\\s`));
    }
    interface Answer {
      readonly totalFailed: number;
      readonly failedPods: readonly { readonly name: string }[];
      readonly failureClasses: Readonly<Record<string, number>>;
    }
    const answer = await cluster.api<Answer>(`time-to-datapath-ready?namespace=${NAMESPACE}&topN=1000`);
    const names = answer.failedPods.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(CASES.map(({ name }) => name)));
    for (const name of new Set(CASES.map((each) => each.class))) {
      const least = CASES.filter((each) => each.class === name).length;
      expect([name, answer.failureClasses[name]]).toEqual([name, expect.any(Number)]);
      expect(answer.failureClasses[name]).toBeGreaterThanOrEqual(least);
    }
    const results = await cluster.results(NAMESPACE);
    const lines = [...results.values()].map(({ spec, status }) =>
      [
        spec.podRef.name.padEnd(24),
        (status?.outcome ?? '').padEnd(8),
        (status?.failure?.class ?? '').padEnd(18),
      ].concat((status?.failure?.message ?? '').slice(0, 100)),
    );
    process.stderr.write(`${lines.map((line) => line.join(' ')).join('\n')}\n`);
  });
});

/** Creates the file that a Pod's `gate` container waits for, in its emptyDir of that name. */
async function openGate(cluster: Cluster, uid: string): Promise<void> {
  const pods = join(cluster.plane.state.folder, 'node/kubelet/pods');
  await until('the volume of the gate', async () => {
    writeFileSync(join(pods, uid, 'volumes/kubernetes.io~empty-dir/gate/open'), '');
    return true;
  });
}
