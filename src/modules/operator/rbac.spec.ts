import { describe, expect, it } from '@jest/globals';
import type { ResourceType } from '../kube/resource.js';
import { OnDelete, Operator, Reconcile } from './operator.decorators.js';
import { owns, reads, watch, wholeObject } from './operator-options.js';
import { electionRules, rbacRules } from './rbac.js';

const type = (group: string, plural: string, namespaced = true): ResourceType => ({
  group,
  version: 'v1',
  plural,
  kind: plural,
  namespaced,
});
const PODS = type('', 'pods');
const NODES = type('', 'nodes', false);
const WIDGETS = type('example.com', 'widgets');

@Operator({
  name: 'a',
  resource: WIDGETS,
  project: wholeObject,
  watches: [
    watch({ resource: PODS, project: wholeObject, toKeys: () => [] }),
    reads({ resource: NODES, project: wholeObject }),
    owns(WIDGETS, { resource: type('apps', 'deployments') }),
  ],
  access: [
    { resource: WIDGETS, verbs: ['patch'], subresource: 'status' },
    { resource: type('apps', 'deployments'), verbs: ['create'] },
  ],
})
class A {
  @Reconcile()
  reconcile(): void {
    // Never run here.
  }
}

@Operator({ name: 'b', resource: WIDGETS })
class B {
  @OnDelete()
  deleted(): void {
    // Never run here.
  }
}

describe('rbacRules', () => {
  it('says what an operator watches and declares, in canonical order', () => {
    expect(rbacRules([A])).toEqual([
      { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'list', 'watch', 'create'] },
      { apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['example.com'], resources: ['widgets/status'], verbs: ['patch'] },
    ]);
  });

  it('adds up several operators, and what handlers of causes write themselves', () => {
    expect(rbacRules([B])).toEqual([
      { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
      { apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get', 'list', 'watch', 'patch'] },
      { apiGroups: ['example.com'], resources: ['widgets/status'], verbs: ['patch'] },
    ]);
    expect(rbacRules([A, B])).toEqual(rbacRules([B, A]));
  });

  it('refuses a class that is no operator', () => {
    expect(() => rbacRules([class Plain {}])).toThrow('Plain is not declared with @Operator()');
  });

  it('says what an election needs', () => {
    expect(electionRules()).toEqual([
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'patch'] },
    ]);
  });
});
