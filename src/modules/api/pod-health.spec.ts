import { describe, expect, it } from '@jest/globals';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { EVERYTHING, parseSelector } from '../../statistics/label-selector.js';
import { causeOf, podHealth } from './pod-health.js';
import type { Workload } from './read-model.js';

function pod(name: string, phase: string, over: Partial<PodObservation> = {}): PodObservation {
  return {
    namespace: 'perf',
    name,
    uid: `uid-${name}`,
    resourceVersion: '1',
    labels: { app: 'web' },
    creationTimestamp: '2026-01-31T12:00:00Z',
    ownerKind: 'ReplicaSet',
    phase,
    restartPolicy: 'Always',
    ...over,
  };
}

const ready = { ready: { status: true } };
const all = { selector: EVERYTHING, topN: 10 };

function workload(desired: number, over: Partial<Workload> = {}): Workload {
  return {
    namespace: 'perf',
    kind: 'Deployment',
    name: 'web',
    uid: 'w',
    desired,
    templateLabels: { app: 'web' },
    ...over,
  };
}

describe('the Pods that are desired', () => {
  it('come from the owners, so that Pods that were never created are missing', () => {
    const health = podHealth([pod('a', 'Running', ready)], [workload(4)], all);
    expect(health).toMatchObject({ desiredReplicas: 4, runningPods: 1, readyPods: 1, successPct: 25 });
  });

  it('count one for each Pod without an owner that says how many', () => {
    const pods = [pod('a', 'Running', ready), pod('b', 'Running', { ownerKind: 'Sandbox' })];
    expect(podHealth(pods, [workload(1)], all).desiredReplicas).toBe(2);
  });

  it('are found by the labels of the template, in the namespaces asked for', () => {
    const workloads = [
      workload(2),
      workload(3, { templateLabels: { app: 'db' } }),
      workload(5, { namespace: 'other' }),
    ];
    const query = { ...all, selector: parseSelector('app=web'), namespaces: ['perf'] };
    expect(podHealth([], workloads, query).desiredReplicas).toBe(2);
  });

  it('are those that exist where the owners are not known, and it is said', () => {
    const health = podHealth([pod('a', 'Running', ready), pod('b', 'Pending')], undefined, all);
    expect(health).toMatchObject({ desiredReplicas: 2, successPct: 50 });
    expect(health.warnings.join()).toContain('owners were not asked');
  });
});

describe('the Pods that are there', () => {
  it('are counted by what they are: crash-looping is running but not well, terminating is neither', () => {
    const health = podHealth(
      [
        pod('ready', 'Running', ready),
        pod('looping', 'Running', {
          ready: { status: false, reason: 'ContainersNotReady' },
          waiting: { name: 'web', restartCount: 7, waitingReason: 'CrashLoopBackOff' },
        }),
        pod('pending', 'Pending'),
        pod('failed', 'Failed', { reason: 'Evicted', message: 'The node was low on resource: memory' }),
        pod('done', 'Succeeded'),
        pod('leaving', 'Running', { ...ready, deletionTimestamp: '2026-01-31T12:01:00Z' }),
      ],
      [workload(5)],
      all,
    );
    expect(health).toMatchObject({
      runningPods: 2,
      readyPods: 1,
      pendingPods: 1,
      failedPods: 1,
      succeededPods: 1,
      terminatingPods: 1,
      successPct: 40,
    });
    expect(health.failedPodList).toEqual([
      {
        namespace: 'perf',
        name: 'failed',
        uid: 'uid-failed',
        phase: 'Failed',
        reason: 'Evicted',
        message: 'The node was low on resource: memory',
      },
    ]);
    expect(health.notReadyPodList).toMatchObject([{ name: 'looping', reason: 'CrashLoopBackOff' }]);
  });

  it('are listed by name, at most as many as asked for', () => {
    const pods = ['c', 'a', 'b'].map((name) => pod(name, 'Pending'));
    const health = podHealth(pods, undefined, { ...all, topN: 2 });
    expect(health.pendingPodList.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(podHealth(pods, undefined, { ...all, topN: 0 })).toMatchObject({ pendingPods: 3, pendingPodList: [] });
  });

  it('are those on the nodes asked for', () => {
    const pods = [pod('a', 'Running', { ...ready, nodeName: 'n1' }), pod('b', 'Running', { nodeName: 'n2' })];
    expect(podHealth(pods, [workload(9)], { ...all, nodes: ['n1'] })).toMatchObject({
      desiredReplicas: 1,
      readyPods: 1,
    });
  });
});

describe('the reason', () => {
  it.each([
    ['of the Pod itself', { reason: 'NodeLost' }, 'NodeLost'],
    ['of scheduling', { scheduled: { status: false, reason: 'Unschedulable', message: '0/3 nodes' } }, 'Unschedulable'],
    [
      'of a waiting container',
      { waiting: { name: 'w', restartCount: 0, waitingReason: 'ImagePullBackOff' } },
      'ImagePullBackOff',
    ],
    [
      'of the reporter before others',
      {
        reporter: { name: 'datapath-reporter', restartCount: 1, waitingReason: 'CrashLoopBackOff' },
        waiting: { name: 'w', restartCount: 0, waitingReason: 'PodInitializing' },
      },
      'CrashLoopBackOff',
    ],
    ['of none that is known', {}, undefined],
  ])('is that %s', (_, over, reason) => {
    expect(causeOf(pod('p', 'Pending', over)).reason).toBe(reason);
  });

  it('of a failed Pod is how its container ended', () => {
    const reporter = {
      name: 'datapath-reporter',
      restartCount: 0,
      terminated: { exitCode: 137, reason: 'OOMKilled', current: true },
    };
    expect(causeOf(pod('p', 'Failed', { reporter }))).toEqual({
      reason: 'OOMKilled',
      message: 'container datapath-reporter ended with exit code 137',
    });
  });
});
