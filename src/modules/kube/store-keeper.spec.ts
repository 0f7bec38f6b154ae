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
  keeper.forgetList();
  for (const object of objects) keeper.gather(object, 0n);
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

describe('The first list', () => {
  it('fills the store as it arrives', () => {
    const { keeper, told } = keep();
    keeper.forgetList();
    keeper.gather(raw('x', '1'), 0n);
    expect(keeper.store.get('a/x')?.resourceVersion).toBe('1');
    expect(told).toEqual(['Added x@1']);
  });

  it('that broke off is corrected by the next, which is taken over at once', async () => {
    const { keeper, told } = keep();
    keeper.forgetList();
    for (const object of [raw('x', '1'), raw('y', '2'), raw('z', '3')]) keeper.gather(object, 0n);
    keeper.forgetList();
    for (const object of [raw('x', '1'), raw('z', '5'), raw('new', '4')]) keeper.gather(object, 0n);
    expect(told.splice(0)).toEqual(['Added x@1', 'Added y@2', 'Added z@3']);
    await keeper.swap(0n, new EventLoopBudget(systemClock), () => true);
    expect(told).toEqual(['Deleted y@2', 'Modified z@5', 'Added new@4']);
  });
});

describe('A later list', () => {
  it('changes nothing before it is complete, and is projected only where it brings another version', async () => {
    const { keeper, told } = keep();
    await list(keeper, raw('x', '1'), raw('y', '2'));
    keeper.store.markSynced();
    const before = keeper.store.getByUid('uid-x');
    keeper.forgetList();
    for (const object of [raw('x', '1', 13), raw('y', '3')]) keeper.gather(object, 0n);
    expect(told).toEqual(['Added x@1', 'Added y@2']);
    await keeper.swap(0n, new EventLoopBudget(systemClock), () => true);
    expect(told.slice(2)).toEqual(['Modified y@3']);
    expect(keeper.store.getByUid('uid-x')).toBe(before);
    expect(keeper.projectionErrors).toBe(0);
  });

  it('of an empty store gathers in the shadow as well', () => {
    const { keeper, told } = keep();
    keeper.store.markSynced();
    keeper.forgetList();
    keeper.gather(raw('x', '1'), 0n);
    expect(told).toEqual([]);
  });
});
