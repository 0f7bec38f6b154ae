import { describe, expect, it } from '@jest/globals';
import { addFinalizerPatch, removeFinalizerPatch } from './finalizers.js';
import type { ObjectMeta } from './resource.js';

const object = (metadata: Partial<ObjectMeta>) => ({
  metadata: { name: 'a', uid: 'u', resourceVersion: '5', ...metadata },
});

describe('finalizer patches', () => {
  it('add to an absent list only if the object is unchanged', () => {
    expect(addFinalizerPatch(object({}), 'x/y')).toEqual([
      { op: 'test', path: '/metadata/uid', value: 'u' },
      { op: 'test', path: '/metadata/resourceVersion', value: '5' },
      { op: 'add', path: '/metadata/finalizers', value: ['x/y'] },
    ]);
  });

  it('add to a list only if nobody changed it meanwhile', () => {
    expect(addFinalizerPatch(object({ finalizers: ['a/b'] }), 'x/y')).toEqual([
      { op: 'test', path: '/metadata/uid', value: 'u' },
      { op: 'test', path: '/metadata/finalizers', value: ['a/b'] },
      { op: 'add', path: '/metadata/finalizers/-', value: 'x/y' },
    ]);
  });

  it('are not made for an object that has the finalizer or is being deleted', () => {
    expect(addFinalizerPatch(object({ finalizers: ['x/y'] }), 'x/y')).toBeUndefined();
    expect(addFinalizerPatch(object({ deletionTimestamp: '2026-01-01T00:00:00Z' }), 'x/y')).toBeUndefined();
    expect(removeFinalizerPatch(object({ finalizers: ['a/b'] }), 'x/y')).toBeUndefined();
  });

  it('remove exactly the one that was meant', () => {
    expect(removeFinalizerPatch(object({ finalizers: ['a/b', 'x/y'] }), 'x/y')).toEqual([
      { op: 'test', path: '/metadata/uid', value: 'u' },
      { op: 'test', path: '/metadata/finalizers/1', value: 'x/y' },
      { op: 'remove', path: '/metadata/finalizers/1' },
    ]);
  });
});
