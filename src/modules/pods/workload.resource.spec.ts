import { describe, expect, it } from '@jest/globals';
import { DAEMON_SETS, DEPLOYMENTS, JOBS, projectWorkload, REPLICA_SETS } from './workload.resource.js';
import type { KubeObject, ResourceType } from '../kube/resource.js';

function desired(type: ResourceType, body: object): number {
  return projectWorkload(type)({ metadata: { name: 'web', namespace: 'shop', uid: 'u' }, ...body } as KubeObject)
    .desired;
}

describe('projectWorkload', () => {
  it('takes the replicas, one where none are given, and none of what is being deleted', () => {
    expect(desired(DEPLOYMENTS, { spec: { replicas: 7 } })).toBe(7);
    expect(desired(DEPLOYMENTS, { spec: { replicas: 0 } })).toBe(0);
    expect(desired(DEPLOYMENTS, { spec: {} })).toBe(1);
    const deleted = { metadata: { name: 'web', deletionTimestamp: '2026-11-22T10:00:00Z' }, spec: { replicas: 7 } };
    expect(desired(DEPLOYMENTS, deleted)).toBe(0);
  });

  it('takes the nodes that a DaemonSet is meant for', () => {
    expect(desired(DAEMON_SETS, { status: { desiredNumberScheduled: 12 } })).toBe(12);
    expect(desired(DAEMON_SETS, {})).toBe(0);
  });

  it.each([
    ['one that just began', { parallelism: 5, completions: 20 }, {}, 5],
    ['one near its end', { parallelism: 5, completions: 20 }, { succeeded: 18 }, 20],
    ['one without completions', { parallelism: 5 }, { succeeded: 2 }, 7],
    ['a suspended one', { parallelism: 5, completions: 20, suspend: true }, { succeeded: 3 }, 3],
    ['a failed one', { completions: 20 }, { succeeded: 3, conditions: [{ type: 'Failed', status: 'True' }] }, 3],
    ['the default', {}, {}, 1],
  ])('counts what a Job wants: %s', (_, spec, status, expected) => {
    expect(desired(JOBS, { spec, status })).toBe(expected);
  });

  it('knows the Deployment that speaks for a ReplicaSet, and whether the template carries a reporter', () => {
    const view = projectWorkload(REPLICA_SETS)({
      metadata: {
        name: 'web-1',
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd-1', controller: true }],
      },
      spec: {
        template: { metadata: { labels: { app: 'web' } }, spec: { initContainers: [{ name: 'datapath-reporter' }] } },
      },
    } as unknown as KubeObject);
    expect(view).toMatchObject({ deploymentUid: 'd-1', carriesReporter: true, templateLabels: { app: 'web' } });
  });
});
