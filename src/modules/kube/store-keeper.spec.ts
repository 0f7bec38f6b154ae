import { describe, expect, it } from '@jest/globals';
import { systemClock } from './clock.js';
import { EventLoopBudget } from './event-loop-budget.js';
import { ListenerSet } from './listener-set.js';
import { silentLogger } from './logger.js';
import type { KubeObject, Projected, ReflectorEvent } from './resource.js';
import { StoreKeeper } from './store-keeper.js';

/** An object whose projection throws while its generation is 13. */
function raw(name: string, resourceVersion: string, generation = 1): KubeObject {
  return { metadata: { namespace: 'a', name, uid: `uid-${name}`, resourceVersion, generation } };
}

function keep(): { readonly keeper: StoreKeeper<Projected>; readonly told: string[] } {
  const told: string[] = [];
  const listeners = new ListenerSet<Projected>('things', silentLogger);
  listeners.add((event: ReflectorEvent<Projected>) => {
    if (event.type !== 'Synced') told.push(`${event.type} ${event.object.name}@${event.object.resourceVersion}`);
  });
  const project = ({ metadata }: KubeObject): Projected => {
    if (metadata.generation === 13) throw new TypeError('a fault of the test');
    const { namespace = '', name, uid = '', resourceVersion = '' } = metadata;
    return { namespace, name, uid, resourceVersion };
  };
  return { keeper: new StoreKeeper({ resource: 'things', project, listeners, logger: silentLogger }), told };
}

const list = async (keeper: StoreKeeper<Projected>, ...objects: readonly KubeObject[]): Promise<void> => {
  keeper.clearShadow();
  for (const object of objects) keeper.gather(object);
  expect(await keeper.swap(0n, new EventLoopBudget(systemClock), () => true)).toBe(true);
};

describe('An object that can not be projected', () => {
  it('is left out, and comes when a later state can be', () => {
    const { keeper, told } = keep();
    keeper.apply('ADDED', raw('x', '1', 13), 0n);
    expect(keeper.store.size).toBe(0);
    keeper.apply('MODIFIED', raw('x', '2'), 0n);
    expect(told).toEqual(['Added x@2']);
    expect(keeper.projectionErrors).toBe(1);
  });

  it('stays as it last could be, in the watch as in a list', async () => {
    const { keeper, told } = keep();
    keeper.apply('ADDED', raw('x', '1'), 0n);
    keeper.apply('MODIFIED', raw('x', '2', 13), 0n);
    await list(keeper, raw('x', '2', 13), raw('y', '3'));
    expect(keeper.store.getByUid('uid-x')?.resourceVersion).toBe('1');
    expect(told).toEqual(['Added x@1', 'Added y@3']);
  });

  it('is no miss of the watch', async () => {
    const { keeper } = keep();
    keeper.apply('ADDED', raw('x', '1'), 0n);
    keeper.apply('MODIFIED', raw('x', '2', 13), 0n);
    expect(keeper.newestVersion('uid-x')).toBe('2');
    await list(keeper, raw('x', '4', 13));
    expect(keeper.newestVersion('uid-x')).toBe('4');
    keeper.apply('MODIFIED', raw('x', '5'), 0n);
    expect(keeper.newestVersion('uid-x')).toBe('5');
  });

  it('is deleted all the same', () => {
    const { keeper, told } = keep();
    keeper.apply('ADDED', raw('x', '1'), 0n);
    keeper.apply('DELETED', raw('x', '2', 13), 0n);
    expect(keeper.store.size).toBe(0);
    expect(keeper.newestVersion('uid-x')).toBeUndefined();
    expect(told).toEqual(['Added x@1', 'Deleted x@1']);
  });
});
