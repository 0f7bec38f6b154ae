import { describe, expect, it } from '@jest/globals';
import { ObjectStore } from './object-store.js';
import type { Projected } from './resource.js';

const at = (name: string, uid: string, resourceVersion: string): Projected => ({
  namespace: 'n',
  name,
  uid,
  resourceVersion,
});

describe('ObjectStore', () => {
  it('ignores a replay from the watch, and a state older than the one it has', () => {
    const store = new ObjectStore<Projected>();
    store.applyLive(at('a', 'u', '10'));
    expect(store.applyLive(at('a', 'u', '10'))).toEqual({ kind: 'unchanged' });
    expect(store.applyLive(at('a', 'u', '9'))).toEqual({ kind: 'unchanged' });
    expect(store.get('n/a')?.resourceVersion).toBe('10');
  });

  it('believes a list even when versions went back, as after a restore of etcd', () => {
    const store = new ObjectStore<Projected>();
    store.applyLive(at('a', 'u', '10'));
    expect(store.applyListed(at('a', 'u', '9'))).toMatchObject({
      kind: 'modified',
      previous: { resourceVersion: '10' },
    });
    expect(store.applyListed(at('a', 'u', '9'))).toEqual({ kind: 'unchanged' });
  });

  it('names the predecessor when another object takes the same name', () => {
    const store = new ObjectStore<Projected>();
    store.applyLive(at('a', 'old', '10'));
    expect(store.applyLive(at('a', 'new', '12'))).toMatchObject({ kind: 'added', replaced: { uid: 'old' } });
    expect(store.getByUid('old')).toBeUndefined();
    expect(store.size).toBe(1);
  });

  it('does not remove a successor when the deletion of its predecessor arrives', () => {
    const store = new ObjectStore<Projected>();
    store.applyLive(at('a', 'old', '10'));
    store.applyLive(at('a', 'new', '12'));
    expect(store.remove('old')).toBeUndefined();
    expect(store.get('n/a')?.uid).toBe('new');
    expect(store.remove('new')?.uid).toBe('new');
    expect(store.size).toBe(0);
  });
});
