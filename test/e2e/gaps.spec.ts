/** What no watch saw and no clock agreed on: a controller that was away, a node that is lost, a clock that is off, another's reporter. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addresses } from '../../tools/control-plane/node/world.js';
import { deployedCluster, until } from './cluster.js';
import type { Cluster } from './cluster.js';
import { container, pod, webServer, workloadNamespace } from './manifests.js';
import { describeOnRealNode } from './on-real-node.js';

const NAMESPACE = 'gaps';
const TARGET = 'http://target:8080/';

describeOnRealNode('what the controller makes of gaps', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await deployedCluster();
    await cluster.create(...workloadNamespace(NAMESPACE), ...webServer(NAMESPACE, 'target'));
    await cluster.kubectl(['wait', '-n', NAMESPACE, '--for=condition=Ready', 'pod/target', '--timeout=60s']);
  }, 240_000);
  afterAll(async () => {
    await cluster?.plane.start('kubelet').catch(() => undefined);
    await cluster?.scaleController(1);
    await cluster?.dropNamespaces(NAMESPACE);
    await cluster?.end();
  }, 240_000);

  it('flags a clock that is behind or ahead, bounds by how much, and keeps the value', async () => {
    await cluster.create(
      pod(NAMESPACE, { name: 'behind', target: TARGET, env: { CLOCK_OFFSET: '-30s' } }),
      pod(NAMESPACE, { name: 'ahead', target: TARGET, env: { CLOCK_OFFSET: '30s' } }),
    );
    const behind = await cluster.result(NAMESPACE, 'behind', ({ status }) => status?.outcome === 'Ready');
    expect(behind.status?.timeToStartMs).toBeLessThan(0);
    expect(behind.status?.clockSkew?.behindMs).toBeGreaterThan(0);
    // A bound from below: never more than the clock is really off.
    expect(behind.status?.clockSkew?.behindMs).toBeLessThanOrEqual(30_000);
    const ahead = await cluster.result(NAMESPACE, 'ahead', ({ status }) => status?.outcome === 'Ready');
    expect(ahead.status?.timeToStartMs).toBeGreaterThan(30_000);
    expect(ahead.status?.clockSkew?.aheadMs).toBeGreaterThan(0);
    expect(ahead.status?.clockSkew?.aheadMs).toBeLessThanOrEqual(30_000);
    // Within the reporter one monotonic clock counts.
    for (const { status } of [behind, ahead]) expect(status?.datapathDelayMs).toBeLessThan(10_000);
  }, 180_000);

  it('reads the annotations of the Go reporter, and prefers ours in a Pod with both', async () => {
    const annotate = (name: string, at: Date): Promise<string> =>
      cluster.kubectl(
        ['annotate', 'pod', '-n', NAMESPACE, name].concat(
          `perf.github.com/azure-start-ts=${at.toISOString().replace('Z', '456Z')}`,
          `perf.github.com/azure-dp-ready-ts=${new Date(at.getTime() + 250).toISOString()}`,
        ),
      );
    const foreign = container('datapath-reporter', 'sleep infinity', { restartPolicy: 'Always' });
    await cluster.create(
      pod(NAMESPACE, { name: 'go', target: TARGET, container: foreign }),
      pod(NAMESPACE, { name: 'both', target: TARGET }),
    );
    const both = await cluster.result(NAMESPACE, 'both', ({ status }) => status?.outcome === 'Ready');
    const at = new Date();
    await annotate('go', at);
    await annotate('both', at);
    const go = await cluster.result(NAMESPACE, 'go', ({ status }) => status?.outcome === 'Ready');
    expect(Date.parse(go.status?.startedAt ?? '')).toBe(at.getTime());
    expect(go.status?.datapathDelayMs).toBe(249);
    expect(go.status?.milestones?.find(({ name }) => name === 'started')?.source).toBe('LegacyAnnotation');
    const after = (await cluster.results(NAMESPACE)).get('both');
    expect(after?.status).toMatchObject({
      startedAt: both.status?.startedAt,
      datapathReadyAt: both.status?.datapathReadyAt,
    });
  }, 180_000);

  it('is right about 50 Pods that started while no controller ran, and says what can not be known', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `unseen-${i}`);
    // Known to the controller before it leaves; not ready by then, and gone when it comes back.
    const lost = ['lost-0', 'lost-1'];
    await cluster.create(...lost.map((name) => pod(NAMESPACE, { name, target: `tcp://${addresses.node}:9` })));
    for (const name of lost) await cluster.result(NAMESPACE, name, () => true);
    await cluster.scaleController(0);

    await cluster.create(...names.map((name) => pod(NAMESPACE, { name, target: TARGET })));
    const annotated = await until('all Pods have reported', async () => {
      const pods = new Map((await cluster.pods(NAMESPACE)).map(({ metadata }) => [metadata.name, metadata]));
      const reports = names.map((name) => pods.get(name)?.annotations?.['datapath.observer/ready-at']);
      return reports.every((report) => report !== undefined) ? reports : undefined;
    });
    const gone = names.slice(0, 10);
    await cluster.kubectl(['delete', 'pod', '-n', NAMESPACE, ...gone, ...lost, '--force', '--grace-period=0']);

    await cluster.scaleController(1);
    const results = await until('every Pod that lives has its result', async () => {
      const all = await cluster.results(NAMESPACE);
      const known = [...names.slice(10), ...lost].map((name) => all.get(name)?.status?.outcome);
      return known.every((outcome) => outcome === 'Ready' || outcome === 'Failed') ? all : undefined;
    });
    for (const [i, name] of names.entries()) {
      const result = results.get(name);
      if (i < 10) {
        // Born and gone between two looks: there is nothing that could be known of them.
        expect(result).toBeUndefined();
        continue;
      }
      expect(result?.spec.creationSource).toBe('CreationTimestamp');
      expect(result?.status).toMatchObject({ outcome: 'Ready', uncertaintyMs: 1000 });
      expect(Date.parse(result?.status?.datapathReadyAt ?? '')).toBe(Math.floor(Date.parse(annotated[i] ?? '')));
    }
    for (const name of lost) {
      expect(results.get(name)?.status).toMatchObject({
        outcome: 'Failed',
        failure: { class: 'ReportLost', message: expect.stringContaining('unknown') },
      });
    }
  }, 300_000);

  it('calls Pods of a lost node NodeLost', async () => {
    const tolerations = ['not-ready', 'unreachable'].map((name) => ({
      key: `node.kubernetes.io/${name}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 1,
    }));
    await cluster.create(
      pod(NAMESPACE, { name: 'stranded', target: `tcp://${addresses.node}:9`, timeout: '10m', spec: { tolerations } }),
    );
    await cluster.result(NAMESPACE, 'stranded', ({ status }) => status !== undefined || true);
    await until('the reporter has started', async () => {
      const { metadata } = await cluster.pod(NAMESPACE, 'stranded');
      return metadata.annotations?.['datapath.observer/started-at'];
    });
    await cluster.plane.kill('kubelet');
    try {
      // The node's lease must run out, then its taint evicts; nobody is there to confirm the end.
      await until(
        'the Pod is to be deleted',
        async () => {
          const { metadata } = await cluster.get<{ metadata: { deletionTimestamp?: string } }>(
            `/api/v1/namespaces/${NAMESPACE}/pods/stranded`,
          );
          return metadata.deletionTimestamp;
        },
        120_000,
      );
      await cluster.kubectl(['delete', 'pod', '-n', NAMESPACE, 'stranded', '--force', '--grace-period=0']);
      const { status } = await cluster.result(NAMESPACE, 'stranded', (result) => result.status?.failure !== undefined);
      expect(status).toMatchObject({
        outcome: 'Failed',
        failure: { class: 'NodeLost', message: expect.stringContaining('DeletionByTaintManager') },
      });
    } finally {
      await cluster.plane.start('kubelet');
    }
    await cluster.kubectl(['wait', 'node/node1', '--for=condition=Ready', '--timeout=90s']);
    await cluster.rolledOut();
  }, 300_000);
});
