import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ControllerWorld, pause } from '../support/controller-world.js';

/** A watch that says nothing is given up after 90 s. */
const SILENCE_MS = 150_000;

describe('The invariants hold for a controller on a silent network', () => {
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
