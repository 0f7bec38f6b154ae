import { describe, expect, it } from '@jest/globals';
import { apiVersionOf, collectionPath, objectPath, resourceName, withQuery } from './resource-path.js';
import type { ResourceType } from './resource.js';

const PODS: ResourceType = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true };
const RUNS: ResourceType = { group: 'example.org', version: 'v2', plural: 'runs', kind: 'Run', namespaced: false };

describe('paths', () => {
  it('address a namespaced kind of the core group', () => {
    expect(collectionPath(PODS)).toBe('/api/v1/pods');
    expect(collectionPath(PODS, 'a')).toBe('/api/v1/namespaces/a/pods');
    expect(objectPath(PODS, { namespace: 'a', name: 'b' }, 'status')).toBe('/api/v1/namespaces/a/pods/b/status');
    expect(apiVersionOf(PODS)).toBe('v1');
    expect(resourceName(PODS)).toBe('pods');
  });

  it('address a cluster-scoped kind of a named group', () => {
    expect(collectionPath(RUNS, 'ignored')).toBe('/apis/example.org/v2/runs');
    expect(objectPath(RUNS, { namespace: '', name: 'system:x' })).toBe('/apis/example.org/v2/runs/system%3Ax');
    expect(apiVersionOf(RUNS)).toBe('example.org/v2');
    expect(resourceName(RUNS)).toBe('runs.example.org');
  });

  it('refuse a key that would address something else', () => {
    expect(() => objectPath(PODS, { namespace: '', name: 'b' })).toThrow(/without a namespace/);
    expect(() => objectPath(RUNS, { namespace: '', name: '' })).toThrow(/without a name/);
  });

  it('encode query values and leave out what is undefined or empty', () => {
    const query = { labelSelector: 'a in (b,c)', limit: 5, watch: true, fieldSelector: '', continue: undefined };
    expect(withQuery('/p', query)).toBe('/p?labelSelector=a%20in%20(b%2Cc)&limit=5&watch=true');
    expect(withQuery('/p', {})).toBe('/p');
  });
});
