import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ControllerWorld, pause } from '../support/controller-world.js';

/** A watch that says nothing is given up after 90 s. */
const SILENCE_MS = 150_000;

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

  it('whose other side vanished without a word', async () => {
    const { proxy } = world.first;
    const silences = await world.metric('operator_watch_restarts_total', 'reason="silence"');
    await world.survives({
      times: 1,
      strike: async () => {
        proxy.halfOpen();
        await pause(1_000);
      },
      recoveryMs: SILENCE_MS,
    });
    expect(await world.metric('operator_watch_restarts_total', 'reason="silence"')).toBeGreaterThan(silences);
  }, 400_000);

  it('on which everything trickles', async () => {
    const { proxy } = world.first;
    const before = proxy.struck;
    await world.survives({
      times: 1,
      strike: async () => {
        proxy.trickle(4_000);
        await pause(10_000);
      },
    });
    expect(proxy.struck).toBeGreaterThan(before);
  });
});
