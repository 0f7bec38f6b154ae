import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ControllerWorld, pause } from '../support/controller-world.js';

describe('The invariants hold for a controller on a bad network', () => {
  let world: ControllerWorld;

  beforeAll(async () => {
    world = await ControllerWorld.start();
  });

  afterEach(async () => {
    await world.heal();
  });

  afterAll(async () => {
    await world.stop();
  });

  it('whose connections are reset in the middle of an answer', async () => {
    const { proxy } = world.first;
    const before = proxy.struck;
    await world.survives({
      times: 3,
      strike: async () => {
        proxy.resetMidway();
        await pause(1_000);
      },
    });
    expect(proxy.struck).toBeGreaterThan(before);
  });

  it('whose answers end before their time', async () => {
    const { proxy } = world.first;
    const before = proxy.struck;
    await world.survives({
      times: 3,
      strike: async () => {
        proxy.truncate();
        await pause(1_000);
      },
    });
    expect(proxy.struck).toBeGreaterThan(before);
  });

  it('that refuses connections for longer than a lease lasts', async () => {
    await world.survives({
      times: 1,
      strike: async () => {
        await world.first.proxy.refuse();
        await pause(17_000);
      },
    });
  });

  it('that stalls without closing anything for longer than a lease lasts, and delivers late', async () => {
    const { proxy } = world.first;
    await world.survives({
      times: 1,
      strike: async () => {
        proxy.stall();
        await pause(20_000);
        proxy.resume();
      },
      // A lease can't call back what is under way; the version that each write names makes it harmless.
      arrivesLate: true,
    });
  });
});
