import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { ObjectStore } from '../kube/object-store.js';
import type { KubeObject } from '../kube/resource.js';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { projectPod } from './project-pod.js';

const PODS = 4_000;
const LIMIT_BYTES = 1_536;

/** The answer of an API server to a reporter's Pod on a node: 5 KB and more, most of which nobody asks for. */
function text(index: number): string {
  const container = (name: string): object => ({
    name,
    image: 'registry.example.org/team/application:v1.2.3',
    env: Array.from({ length: 20 }, (_, n) => ({ name: `VARIABLE_${n}`, value: `some value ${n}` })),
    volumeMounts: [{ name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
  });
  const started = { running: { startedAt: '2026-11-22T10:00:03Z' } };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `deployment-${index}-7d4b9c6f5-x2x${index}`,
      namespace: `group-${index % 30}`,
      uid: `1f0c2d3e-0000-4000-8000-${String(index).padStart(12, '0')}`,
      resourceVersion: String(1_000_000 + index),
      creationTimestamp: '2026-11-22T10:00:00Z',
      labels: { app: `app-${index % 20}`, 'pod-template-hash': '7d4b9c6f5', 'datapath.observer/run': 'nightly' },
      annotations: {
        'datapath.observer/started-at': `2026-11-22T10:00:03.${String(index % 1000).padStart(3, '0')}Z`,
        'datapath.observer/ready-at': `2026-11-22T10:00:04.${String(index % 1000).padStart(3, '0')}Z`,
      },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `deployment-${index}`, uid: `o-${index}` }],
    },
    spec: {
      nodeName: `node-${index % 100}`,
      initContainers: [{ ...container('datapath-reporter'), restartPolicy: 'Always' }],
      containers: [container('main')],
    },
    status: {
      phase: 'Running',
      podIP: `10.1.${index % 250}.7`,
      conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(
        (type) => ({
          type,
          status: 'True',
          lastTransitionTime: '2026-11-22T10:00:04Z',
        }),
      ),
      initContainerStatuses: [{ name: 'datapath-reporter', restartCount: 0, state: started }],
      containerStatuses: [{ name: 'main', restartCount: 0, state: started }],
    },
  });
}

describe('A Pod in the cache', () => {
  it(`costs at most ${LIMIT_BYTES} bytes of heap, whatever the Pod itself weighs`, () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const store = new ObjectStore<PodObservation>();
    const before = heap();
    for (let index = 0; index < PODS; index++) store.applyLive(projectPod(JSON.parse(text(index)) as KubeObject));
    const each = (heap() - before) / PODS;
    expect(store.size).toBe(PODS);
    // Less than its two map entries and its uid would mean that nothing was measured.
    expect(each).toBeGreaterThan(200);
    expect(each).toBeLessThan(LIMIT_BYTES);
  });
});
