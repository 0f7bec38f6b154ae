import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, putConfigMap } from '../support/kube-fixtures.js';
import { FaultWorld } from '../support/fault-world.js';

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe('a reflector whose server fails', () => {
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

  it('loses nothing when the API server is killed and started again', async () => {
    const follower = await world.follow();
    for (let round = 0; round < 2; round++) {
      await world.controlPlane.killApiServer();
      await pause(1_000);
      await world.controlPlane.startApiServer();
      await follower.recovered(60_000);
    }
    await follower.judge();
    expect(follower.churn.failures).toBeGreaterThan(0);
    expect(follower.reflector.status().restarts['transport']).toBeGreaterThan(1);
  });

  it('loses nothing when etcd is killed and started again', async () => {
    const follower = await world.follow();
    await world.controlPlane.killEtcd();
    await pause(500);
    const taken = follower.churn.taken;
    await pause(2_500);
    // The API server may answer with an error or with nothing; it can't take a write.
    expect(follower.churn.taken).toBe(taken);
    await world.controlPlane.startEtcd();
    await follower.recovered(60_000);
    await follower.judge();
  });

  it('lists again when its version was compacted away, delivering every deletion of the gap', async () => {
    const follower = await world.follow();
    const doomed = [...follower.reflector.values()].filter(({ name }) => name.startsWith('old-')).slice(0, 20);
    await world.proxy.refuse();
    for (const { name } of doomed) await world.deleteDirectly(follower.namespace, name);
    const [reborn] = doomed;
    if (reborn === undefined) throw new Error('there was nothing to delete');
    await putConfigMap(world.direct, follower.namespace, reborn.name, 'again');
    await pause(1_000);
    await world.controlPlane.end('kube-apiserver');
    await world.controlPlane.compact();
    await world.controlPlane.startApiServer();
    await world.proxy.heal();

    await eventually('the state is listed again', () => follower.reflector.status().relists > 0, 30_000);
    await follower.judge();
    expect(follower.reflector.status().relistsByReason['expired']).toBeGreaterThan(0);
    const stale = follower.ledger.events.filter((event) => event.type === 'Deleted' && event.stale);
    expect(stale.length).toBeGreaterThanOrEqual(doomed.length);
    const ofReborn = follower.ledger.events
      .filter((event) => event.type !== 'Synced' && event.object.name === reborn.name)
      .map((event) => event.type);
    expect(ofReborn).toEqual(['Added', 'Deleted', 'Added']);
  });

  it('starts the list over when its continue token expired between two pages', async () => {
    const settings = { streamInitialList: false, pageSize: 10 };
    world.proxy.trickle(10_000);
    const follower = await world.follow({ objects: 200, settings, wait: false });
    await eventually('some pages have arrived', () => follower.counter.requests.length >= 5);
    await world.controlPlane.end('kube-apiserver');
    await world.controlPlane.compact();
    expect(follower.reflector.synced).toBe(false);
    await world.controlPlane.startApiServer();
    await world.proxy.heal();
    await eventually('the first list is complete', () => follower.reflector.synced, 40_000);
    expect(follower.warnings.map((warning) => warning['reason'])).toContain('expired');
    // Each verification takes two dozen of these small pages.
    await follower.judge({ requestsPer10s: 200 });
    expect(follower.reflector.size).toBeGreaterThanOrEqual(200);
  });
});
