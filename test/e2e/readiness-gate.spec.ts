/** A Pod with the readiness gate is no endpoint of its Service before its datapath works, and says why while it doesn't. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { addresses } from '../../tools/control-plane/node/world.js';
import { ROOT } from '../../tools/controller/deployment.js';
import { deployedCluster, until } from './cluster.js';
import type { Cluster, PodStatus } from './cluster.js';
import { pod, webServer, workloadNamespace } from './manifests.js';
import { describeOnRealNode } from './on-real-node.js';

const NAMESPACE = 'gated';
const OVERLAY = join(ROOT, 'config/overlays/readiness-gate');
const GATE = 'datapath.observer/ready';
/** A port of the node whose packets are dropped, until the test leads them to one where something listens. */
const HELD_PORT = 9003;

interface EndpointSlices {
  readonly items: readonly {
    readonly endpoints: readonly {
      readonly conditions: { readonly ready: boolean };
      readonly targetRef?: { readonly name: string };
    }[];
  }[];
}

const condition = (each: PodStatus, type: string): { status: string; reason?: string } | undefined =>
  each.status.conditions?.find((one) => one.type === type);

describeOnRealNode('the readiness gate', () => {
  let cluster: Cluster;
  const gated = (name: string, target: string, timeout = '60s'): object =>
    pod(NAMESPACE, { name, target, timeout, spec: { readinessGates: [{ conditionType: GATE }] } });
  /** Whether the Pod is a ready endpoint of the Service of its name; undefined while it is none at all. */
  const isEndpoint = async (name: string): Promise<boolean | undefined> => {
    const { items } = await cluster.get<EndpointSlices>(
      `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices?labelSelector=kubernetes.io/service-name=${name}`,
    );
    return items.flatMap(({ endpoints }) => endpoints).find(({ targetRef }) => targetRef?.name === name)?.conditions
      .ready;
  };
  const service = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE },
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  });

  beforeAll(async () => {
    cluster = await deployedCluster({ manifests: OVERLAY });
    await cluster.node.nft(`table inet gated {
      chain input { type filter hook input priority -10; tcp dport ${HELD_PORT} drop; }
    }`);
    await cluster.create(...workloadNamespace(NAMESPACE), ...webServer(NAMESPACE, 'target'));
    await cluster.kubectl(['wait', '-n', NAMESPACE, '--for=condition=Ready', 'pod/target', '--timeout=60s']);
  }, 240_000);
  afterAll(async () => {
    await cluster?.node.nft('delete table inet gated').catch(() => '');
    await cluster?.dropNamespaces(NAMESPACE);
    const beyondDefault = ['clusterrole/datapath-readiness-gate', 'clusterrolebinding/datapath-readiness-gate'];
    await cluster?.kubectl(['delete', '--ignore-not-found', ...beyondDefault]);
    await cluster?.end();
  }, 120_000);

  it('keeps a Pod out of its Service until its first probe succeeded', async () => {
    await cluster.create(service('held'), gated('held', `tcp://${addresses.node}:${HELD_PORT}`));
    await until('its containers are ready and it is listed as an endpoint', async () => {
      const seen = await cluster.pod(NAMESPACE, 'held');
      return condition(seen, 'ContainersReady')?.status === 'True' && (await isEndpoint('held')) !== undefined;
    });
    const before = await cluster.pod(NAMESPACE, 'held');
    expect(condition(before, 'Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' });
    expect(await isEndpoint('held')).toBe(false);

    const liftedMs = Date.now();
    await cluster.node.nft(`flush chain inet gated input
      table inet gated {
        chain lead { type nat hook prerouting priority -110; tcp dport ${HELD_PORT} redirect to :6443; }
      }`);
    await until('it is a ready endpoint', () => isEndpoint('held'));
    const after = await cluster.pod(NAMESPACE, 'held');
    expect(condition(after, GATE)).toMatchObject({ status: 'True', reason: 'ProbeSucceeded' });
    expect(condition(after, 'Ready')?.status).toBe('True');
    const { status } = await cluster.result(NAMESPACE, 'held', (result) => result.status?.outcome === 'Ready');
    expect(Date.parse(status?.datapathReadyAt ?? '')).toBeGreaterThanOrEqual(liftedMs);
  }, 180_000);

  it('says on the Pod why it stays shut, and opens on a late success', async () => {
    await cluster.create(service('late'), gated('late', 'tcp://target:9', '2s'));
    await until('the condition names the failure', async () => {
      const seen = condition(await cluster.pod(NAMESPACE, 'late'), GATE);
      return seen?.status === 'False' && seen.reason === 'ProbeTimeout';
    });
    expect(await isEndpoint('late')).toBe(false);
    const now = new Date().toISOString();
    await cluster.kubectl(['annotate', 'pod', '-n', NAMESPACE, 'late', `datapath.observer/ready-at=${now}`]);
    await until('it is a ready endpoint', () => isEndpoint('late'));
  });

  it('holds up no Pod that does not ask for it', async () => {
    await cluster.create(service('free'), pod(NAMESPACE, { name: 'free', target: 'tcp://target:9', timeout: '60s' }));
    await until('it is a ready endpoint', () => isEndpoint('free'));
    const seen = await cluster.pod(NAMESPACE, 'free');
    expect(condition(seen, GATE)).toBeUndefined();
  });
});
