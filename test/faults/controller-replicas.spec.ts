import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ControllerWorld, pause } from '../support/controller-world.js';
import { eventually } from '../support/kube-fixtures.js';

const REPLICAS = 3;

describe('The invariants hold for three controllers, all of which are ready and answer', () => {
  let world: ControllerWorld;

  beforeAll(async () => {
    world = await ControllerWorld.start({ replicas: REPLICAS });
  });

  afterEach(async () => {
    await world.heal();
  });

  afterAll(async () => {
    await world.stop();
  });

  it('while the leader is frozen past its lease and wakes', async () => {
    await world.survives({
      times: 1,
      strike: async () => {
        const leader = await world.leader();
        leader.process.signal('SIGSTOP');
        await world.leader(leader);
        // What it had in hand is to be refused by itself.
        leader.process.signal('SIGCONT');
        await pause(2_000);
      },
      leaderChanges: 1,
    });
  });

  it('while the leader is cut off and comes back', async () => {
    await world.survives({
      times: 1,
      strike: async () => {
        const leader = await world.leader();
        await leader.proxy.refuse();
        const next = await world.leader(leader);
        expect(await world.metric('leader_election_master_status', '', next)).toBe(1);
        await eventually(
          'the one that was cut off says that it does not lead',
          async () => (await world.metric('leader_election_master_status', '', leader)) === 0,
        );
      },
      leaderChanges: 1,
    });
  });

  it('while the leader is killed, twice', async () => {
    await world.survives({
      times: 2,
      strike: async () => {
        const leader = await world.leader();
        const kubeconfig = await world.kubeconfig(leader.proxy);
        await leader.process.kill('SIGKILL');
        // Started before, it may be the one that leads next.
        await world.leader(leader);
        leader.process.start(kubeconfig);
      },
      processes: REPLICAS + 2,
      leaderChanges: 2,
    });
  });
});
