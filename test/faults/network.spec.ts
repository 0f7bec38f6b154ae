import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_REFLECTOR_SETTINGS } from '../../src/modules/kube/reflector-settings.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { CONFIG_MAPS, type ConfigMap, eventually, putConfigMap } from '../support/kube-fixtures.js';
import { FaultWorld } from '../support/fault-world.js';

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Aims a fault until it has met some bytes: between two connections there is nothing to hit. */
async function strike(what: string, proxy: FaultProxy, aim: () => void): Promise<void> {
  const before = proxy.struck;
  await eventually(what, () => {
    aim();
    return proxy.struck > before;
  });
}

describe('a reflector behind a bad network', () => {
  let world: FaultWorld;

  beforeAll(async () => {
    world = await FaultWorld.start();
  });

  afterEach(async () => {
    await world.rest();
  });

  afterAll(async () => {
    await world.stop();
  });

  it('loses nothing when the connection stalls without closing', async () => {
    const follower = await world.follow();
    world.proxy.stall();
    await pause(6_000);
    await world.proxy.heal();
    await follower.judge();
    expect(world.proxy.struck).toBeGreaterThan(0);
    expect(follower.reflector.status().restarts['silence']).toBeGreaterThan(0);
  });

  it('loses nothing when the peer vanishes and the connection stays half open', async () => {
    const follower = await world.follow();
    world.proxy.halfOpen();
    await follower.judge();
    expect(follower.reflector.status().restarts['silence']).toBeGreaterThan(0);
  });

  it('loses nothing when connections are reset in mid-line, again and again', async () => {
    const follower = await world.follow();
    for (let round = 0; round < 8; round++) {
      await strike('a connection is reset', world.proxy, () => {
        world.proxy.resetMidway();
      });
      await pause(300);
    }
    await follower.judge();
    expect(follower.reflector.status().restarts['transport']).toBeGreaterThan(2);
  });

  it('loses nothing when answers are cut short by a proper end of the connection', async () => {
    const follower = await world.follow({ plain: true });
    for (let round = 0; round < 5; round++) {
      await strike('an answer is cut', world.plainProxy, () => {
        world.plainProxy.truncate();
      });
      await pause(300);
    }
    await follower.judge();
    expect(follower.reflector.status().restarts['transport']).toBeGreaterThan(1);
  });

  it('skips no line that arrived spoilt', async () => {
    const follower = await world.follow({ plain: true });
    for (let round = 0; round < 4; round++) {
      await strike('a line is spoilt', world.plainProxy, () => {
        world.plainProxy.corrupt();
      });
      await pause(500);
    }
    await follower.judge();
    expect(follower.reflector.status().restarts['malformed']).toBeGreaterThan(1);
  });

  it('finds and heals what a watch had missed, and counts it', async () => {
    const follower = await world.follow({ plain: true });
    const key = `${follower.namespace}/old-7`;
    let value = 0;
    await strike('a change is swallowed', world.plainProxy, () => {
      world.plainProxy.swallow('old-7');
      void putConfigMap(world.direct, follower.namespace, 'old-7', String(value++));
    });
    await eventually('the miss is counted', () => follower.reflector.status().missedEvents === 1, 30_000);
    expect(follower.counter.missed).toBe(1);
    await eventually('the store is right again', async () => {
      const fresh = await world.direct.get<ConfigMap>(CONFIG_MAPS, { namespace: follower.namespace, name: 'old-7' });
      return follower.reflector.get(key)?.value === fresh.data?.['value'];
    });
    await follower.judge({ missedEvents: 1 });
    expect(follower.reflector.status().relistsByReason).toEqual({ missed: 1 });
  });

  it('keeps up with a slow trickle as far as it goes, and catches up afterwards', async () => {
    const follower = await world.follow();
    world.proxy.trickle(2_000);
    await pause(6_000);
    await world.proxy.heal();
    await follower.judge();
    expect(world.proxy.struck).toBeGreaterThan(0);
  });

  it('fills its store although the first list is cut over and over', async () => {
    const follower = await world.follow({
      objects: 300,
      bytes: 2_000,
      wait: false,
      settings: { streamInitialList: false, pageSize: 50 },
    });
    // A page may slip through between two cuts, so the machine's speed decides how many of them meet the list; one at least must.
    let cutsOfTheList = 0;
    for (let round = 0; round < 4 && !follower.reflector.synced; round++) {
      await strike('the list is cut', world.proxy, () => {
        world.proxy.resetMidway();
      });
      if (!follower.reflector.synced) cutsOfTheList++;
    }
    expect(cutsOfTheList).toBeGreaterThan(0);
    await follower.judge();
    expect(follower.reflector.size).toBeGreaterThan(300);
  });

  it('stops at once in the middle of a stall, leaving no connection', async () => {
    const follower = await world.follow();
    world.proxy.stall();
    await pause(200);
    const startedAt = performance.now();
    await follower.reflector.stop();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(follower.reflector.status().state).toBe('stopped');
    follower.client.close();
    // The proxy reads nothing while it stalls; it hears of the end when it wakes.
    world.proxy.thaw();
    await eventually('no connection is left', () => world.proxy.open === 0);
  });

  it('asks rarely while connections are refused for 30 s, with the settings of production', async () => {
    const follower = await world.follow({ settings: DEFAULT_REFLECTOR_SETTINGS });
    await world.proxy.refuse();
    const before = follower.counter.requests.length;
    await pause(30_000);
    const asked = follower.counter.requests.length - before;
    await world.proxy.heal();
    expect(asked).toBeGreaterThanOrEqual(4);
    expect(asked).toBeLessThanOrEqual(7);
    await follower.recovered(45_000);
    expect(follower.reflector.status().relists).toBe(0);
  });

  it('loses nothing while connections are refused', async () => {
    const follower = await world.follow();
    await world.proxy.refuse();
    await pause(5_000);
    await world.proxy.heal();
    await follower.judge();
  });
});
