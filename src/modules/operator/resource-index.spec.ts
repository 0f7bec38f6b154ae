import { describe, expect, it } from '@jest/globals';
import type { Projected, ReflectorEvent } from '../kube/resource.js';
import { ResourceIndex } from './resource-index.js';

interface Placed extends Projected {
  readonly node: string | undefined;
}

const placed = (name: string, node?: string): Placed => ({
  namespace: 'n',
  name,
  uid: name,
  resourceVersion: '1',
  node,
});
const select = ({ node }: Placed): string | undefined => node;

describe('ResourceIndex', () => {
  it('finds the keys of a value while objects come, move and go, and keeps nothing of those that are gone', () => {
    const index = new ResourceIndex('byNode');
    const apply = (event: object): void => index.apply(event as ReflectorEvent<Placed>, select);
    apply({ type: 'Added', object: placed('a', 'x') });
    apply({ type: 'Added', object: placed('b', 'x') });
    apply({ type: 'Added', object: placed('c') });
    apply({ type: 'Synced' });
    expect([...index.keys('x')]).toEqual(['n/a', 'n/b']);
    apply({ type: 'Modified', previous: placed('a', 'x'), object: placed('a', 'y') });
    expect([[...index.keys('x')], [...index.keys('y')]]).toEqual([['n/b'], ['n/a']]);
    apply({ type: 'Deleted', object: placed('a', 'y') });
    apply({ type: 'Deleted', object: placed('b', 'x') });
    expect([...index.keys('x')]).toEqual([]);
    expect(index.size).toBe(0);
  });

  it('finds an object under each of its values', () => {
    const index = new ResourceIndex('byLetter');
    index.apply({ type: 'Added', object: placed('abc'), live: true, receivedAt: 0n }, ({ name }) => [...name]);
    expect([...index.values()].map((value) => [...index.keys(value)])).toEqual([['n/abc'], ['n/abc'], ['n/abc']]);
  });
});
