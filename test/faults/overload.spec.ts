import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/kube-fixtures.js';
import { FaultWorld, WATCHER } from '../support/fault-world.js';
import { Starvation } from '../support/starvation.js';

describe('a reflector under flow control', () => {
  let world: FaultWorld;
  let starvation: Starvation;

  beforeAll(async () => {
    world = await FaultWorld.start();
    starvation = await Starvation.prepare(world.controlPlane, world.direct, { kind: 'User', user: { name: WATCHER } });
  });

  afterEach(async () => {
    await starvation.end();
    await world.rest();
  });

  afterAll(async () => {
    starvation.close();
    await world.stop();
  });

  it('waits as long as it is told when it is answered with 429, and loses nothing', async () => {
    const follower = await world.follow();
    await starvation.begin();
    await eventually('requests are refused', () => (follower.counter.codes()['429'] ?? 0) > 0, 40_000);
    await world.proxy.refuse();
    await world.proxy.heal();
    await eventually(
      'the watch is refused',
      () => (follower.reflector.status().restarts['throttled'] ?? 0) >= 3,
      40_000,
    );
    const told = follower.warnings.filter((warning) => warning['reason'] === 'throttled');
    // The API server says "Retry-After: 1" with each 429.
    for (const warning of told) expect(warning['retryInMs']).toBeGreaterThanOrEqual(1_000);
    await starvation.end();
    await follower.judge();
  });

  it('fills its store although its first lists are refused', async () => {
    await starvation.begin();
    const follower = await world.follow({ wait: false });
    await eventually('lists are refused', () => (follower.counter.codes()['429'] ?? 0) >= 3, 40_000);
    expect(follower.reflector.synced).toBe(false);
    await starvation.end();
    await follower.judge();
  });
});
