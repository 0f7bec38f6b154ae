/**
 * The reporter in every place of a Pod, with and without rights, under every restart policy and kind of workload: always measured,
 * and the workload beside it is never delayed, restarted or made NotReady by it.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { deployedCluster, until } from './cluster.js';
import type { Cluster, ContainerStatus, PodStatus, Result } from './cluster.js';
import { pod, podSpec, webServer, workloadNamespace } from './manifests.js';
import type { Place, PodOptions } from './manifests.js';
import { describeOnRealNode } from './on-real-node.js';

const NAMESPACE = 'placement';
const RESTRICTED = 'placement-hardened';
const TARGET = 'http://target:8080/';

const PLACES: readonly Place[] = ['sidecar', 'container', 'init'];
const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'] as const;

interface Case extends PodOptions {
  readonly place: Place;
  readonly restartPolicy: (typeof RESTART_POLICIES)[number];
  readonly token: boolean;
}

const CASES: readonly Case[] = [true, false].flatMap((token) =>
  PLACES.flatMap((place) =>
    RESTART_POLICIES.map((restartPolicy): Case => ({
      name: `${place}-${restartPolicy.toLowerCase()}-${token ? 'rights' : 'norights'}`,
      place,
      restartPolicy,
      token,
      target: `http://target.${NAMESPACE}:8080/`,
    })),
  ),
);

/** Restarts of the reporter that are the price of having no rights: where the container is restarted after its end. */
function expectedRestarts({ place, restartPolicy, token }: Case): number {
  if (token || place === 'init') return 0;
  return place === 'sidecar' || restartPolicy === 'Always' ? 1 : 0;
}

/** Where an ordinary container may end, because nothing starts it again, it does. */
function endsInItsPlace({ place, restartPolicy }: Case): boolean {
  return place === 'container' && restartPolicy !== 'Always';
}

const statusOf = (each: PodStatus | undefined, name: string): ContainerStatus | undefined =>
  [...(each?.status.initContainerStatuses ?? []), ...(each?.status.containerStatuses ?? [])].find(
    (status) => status.name === name,
  );
const isReady = (each: PodStatus | undefined): boolean =>
  each?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

describeOnRealNode('a reporter', () => {
  let cluster: Cluster;
  const podOf = async ({ name, token }: Case): Promise<PodStatus> => cluster.pod(token ? NAMESPACE : RESTRICTED, name);

  beforeAll(async () => {
    cluster = await deployedCluster();
    await cluster.create(...workloadNamespace(NAMESPACE), ...workloadNamespace(RESTRICTED, { mayReport: false }));
    await cluster.create(...webServer(NAMESPACE, 'target'));
    await cluster.kubectl(['wait', '-n', NAMESPACE, '--for=condition=Ready', 'pod/target', '--timeout=60s']);
    await cluster.create(...CASES.map((each) => pod(each.token ? NAMESPACE : RESTRICTED, each)));
  }, 240_000);
  afterAll(async () => {
    await cluster?.dropNamespaces(NAMESPACE, RESTRICTED);
    await cluster?.end();
  }, 120_000);

  it.each(CASES)('is measured as $name, and its workload runs undisturbed', async (each) => {
    const namespace = each.token ? NAMESPACE : RESTRICTED;
    const result: Result = await cluster.result(namespace, each.name, ({ status }) => status?.outcome === 'Ready');
    const { status } = result;
    expect(status?.timeToStartMs).toBeGreaterThan(0);
    expect(status?.timeToDatapathReadyMs).toBeGreaterThanOrEqual(status?.timeToStartMs ?? NaN);
    // Without rights the report comes by the termination message: nothing else can carry it.
    const source = status?.milestones?.find(({ name }) => name === 'datapathReady')?.source;
    // An annotation is the usual source, and isn't written down.
    expect(source ?? 'Annotation').toBe(each.token ? 'Annotation' : 'TerminationMessage');

    const settled = await until(`${each.name} has settled`, async () => {
      const seen = await podOf(each);
      const reporter = statusOf(seen, 'datapath-reporter');
      const calm = endsInItsPlace(each) || each.place === 'init' ? reporter?.state.terminated : reporter?.state.running;
      // Between the end of an init container and the start of the workload there is a moment without either.
      const isRunning = statusOf(seen, 'app')?.state.running !== undefined;
      const isSettled = calm !== undefined && isRunning && (reporter?.restartCount ?? 0) >= expectedRestarts(each);
      return isSettled ? seen : undefined;
    });
    expect(statusOf(settled, 'datapath-reporter')?.restartCount).toBe(expectedRestarts(each));
    expect(statusOf(settled, 'app')).toMatchObject({ restartCount: 0, state: { running: expect.any(Object) } });
    if (!endsInItsPlace(each)) {
      await until(`${each.name} is Ready`, async () => isReady(await podOf(each)));
    }
  });

  it('stays so: no restart, no NotReady while the reporters idle', async () => {
    // As long as a back-off of the kubelet would take to show: a condition can't be awaited that must not come.
    const end = performance.now() + 15_000;
    while (performance.now() < end) {
      for (const each of CASES) {
        const seen = await podOf(each);
        expect(statusOf(seen, 'app')?.restartCount).toBe(0);
        expect(statusOf(seen, 'datapath-reporter')?.restartCount).toBe(expectedRestarts(each));
        if (!endsInItsPlace(each)) expect([each.name, isReady(seen)]).toEqual([each.name, true]);
      }
    }
  }, 60_000);

  it('idles at no more than 1 MB', async () => {
    const pids = await until('reporters have become the idle program', async () => {
      const said = await cluster.node.runOk(['sh', '-c', 'pgrep -x datapath-idle || true']);
      return said.trim() === '' ? undefined : said.trim().split('\n');
    });
    for (const pid of pids) {
      const status = await cluster.node.runOk(['cat', `/proc/${pid}/status`]);
      expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? NaN)).toBeLessThanOrEqual(1024);
    }
  });

  it("answers on LISTEN while it idles, so that another Pod's reporter measures the way in", async () => {
    const port = 8099;
    await cluster.create(pod(NAMESPACE, { name: 'listening', target: TARGET, env: { LISTEN: String(port) } }));
    await cluster.result(NAMESPACE, 'listening', ({ status }) => status?.outcome === 'Ready');
    const ip = await until('the Pod has its address', async () => {
      return (await cluster.pod(NAMESPACE, 'listening')).status.podIP;
    });
    await cluster.node.nft(`table bridge ingress {
      chain forward { type filter hook forward priority 0; ip daddr ${ip} tcp dport ${port} drop; }
    }`);
    await cluster.create(pod(NAMESPACE, { name: 'measuring', target: `http://${ip}:${port}/`, timeout: '10m' }));
    await until('its packets are dropped', async () => {
      const report = (await cluster.pod(NAMESPACE, 'measuring')).metadata.annotations?.['datapath.observer/report'];
      return report?.includes('"state":"Probing"');
    });
    const liftedMs = Date.now();
    await cluster.node.nft('delete table bridge ingress');
    const { status } = await cluster.result(NAMESPACE, 'measuring', (result) => result.status?.outcome === 'Ready');
    expect(Date.parse(status?.datapathReadyAt ?? '')).toBeGreaterThanOrEqual(liftedMs - 1);
    expect(status?.probe?.attempts).toBeGreaterThan(1);
  }, 120_000);

  it('is measured in a Deployment, a StatefulSet and a Job', async () => {
    const template = (name: string, fields: Partial<PodOptions>): object => ({
      metadata: { labels: { app: name } },
      spec: podSpec({ name, target: TARGET, ...fields }),
    });
    const object = (kind: string, name: string, spec: object): object => ({
      apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1',
      kind,
      metadata: { name, namespace: NAMESPACE },
      spec: kind === 'Job' ? spec : { selector: { matchLabels: { app: name } }, replicas: 2, ...spec },
    });
    await cluster.create(
      object('Deployment', 'deployment', { template: template('deployment', {}) }),
      object('StatefulSet', 'statefulset', { serviceName: 'none', template: template('statefulset', {}) }),
      object('Job', 'sidecar-job', {
        backoffLimit: 0,
        template: template('sidecar-job', { restartPolicy: 'Never', app: 'sleep 1' }),
      }),
      object('Job', 'container-job', {
        backoffLimit: 0,
        template: template('container-job', { restartPolicy: 'OnFailure', app: 'sleep 1', place: 'container' }),
      }),
    );
    for (const kind of ['deployment', 'statefulset']) {
      await cluster.kubectl(['rollout', 'status', '-n', NAMESPACE, `${kind}/${kind}`, '--timeout=90s']);
    }
    for (const job of ['sidecar-job', 'container-job']) {
      await cluster.kubectl(['wait', '-n', NAMESPACE, `job/${job}`, '--for=condition=Complete', '--timeout=90s']);
    }
    const owners = await until('six results with their owners', async () => {
      const results = [...(await cluster.results(NAMESPACE)).values()].filter(
        ({ status }) => status?.outcome === 'Ready',
      );
      const kinds = results.flatMap(({ spec }) => (spec as { owner?: { kind: string } }).owner?.kind ?? []).sort();
      return kinds.length >= 6 ? kinds : undefined;
    });
    expect(owners).toEqual(['Job', 'Job', 'ReplicaSet', 'ReplicaSet', 'StatefulSet', 'StatefulSet']);
  }, 180_000);

  it('holds its workload back as an init container until the datapath works, and no longer', async () => {
    await cluster.create(
      ...(['pass', 'fail'] as const).map((onTimeout) =>
        pod(NAMESPACE, {
          name: `gate-${onTimeout}`,
          place: 'init',
          restartPolicy: 'Never',
          target: '127.0.0.1:9',
          timeout: '2s',
          env: { ON_TIMEOUT: onTimeout },
        }),
      ),
    );
    for (const name of ['gate-pass', 'gate-fail']) {
      const { status } = await cluster.result(NAMESPACE, name, (result) => result.status?.outcome === 'Failed');
      expect(status?.failure).toMatchObject({ class: 'ProbeTimeout', message: expect.stringContaining('refused') });
    }
    await until('the workload runs after ON_TIMEOUT=pass', async () =>
      isReady(await cluster.pod(NAMESPACE, 'gate-pass')),
    );
    const failed = await until('the Pod with ON_TIMEOUT=fail has failed', async () => {
      const seen = await cluster.pod(NAMESPACE, 'gate-fail');
      return seen.status.phase === 'Failed' ? seen : undefined;
    });
    expect(statusOf(failed, 'app')?.state.running).toBeUndefined();
  }, 120_000);
});
