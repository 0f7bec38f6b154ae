/** Deleted results on a real API server: their numbers are kept once, whenever the controller is killed. */
import { expect, it } from '@jest/globals';
import { eventually } from '../support/controller.js';
import { deleteAllResults, endedRun, keptOf, readRun, resultCount, runThat } from '../support/runs.js';
import type { Fate } from '../support/runs.js';
import { runsWorld } from '../support/runs-world.js';

const world = runsWorld();

interface Step {
  readonly what: string;
  readonly reached: (name: string, namespace: string) => Promise<boolean>;
}

const STEPS: readonly Step[] = [
  { what: 'before anything is kept', reached: () => Promise.resolve(true) },
  {
    what: 'when they are kept and still there',
    reached: async (name) => ((await readRun(world.plane, name))?.status?.archive?.releasing ?? []).length > 0,
  },
  { what: 'when some are gone', reached: async (_, namespace) => (await resultCount(world.plane, namespace)) < 40 },
  {
    what: 'when all are gone and their uids are still remembered',
    reached: async (_, namespace) => (await resultCount(world.plane, namespace)) === 0,
  },
];

it('the numbers of deleted results are kept once, though the controller is killed at each step of it', async () => {
  const fates: Fate[] = [...Array.from({ length: 38 }, (_, i) => ({ delayMs: 10 + i })), 'failed', 'pending'];
  const runs = await Promise.all(STEPS.map(() => endedRun(world.plane, world.client, fates)));
  for (const [i, { what, reached }] of STEPS.entries()) {
    const { name, namespace, before } = runs[i]!;
    await deleteAllResults(world.plane, namespace);
    await eventually(`the step ${what}`, () => reached(name, namespace));
    await world.controller.kill('SIGKILL');
    world.controller.start();
    await world.controller.ready(30_000);
    const after = await runThat(world.plane, name, `keeps all, killed ${what}`, (run) => {
      const { archive } = run.status ?? {};
      return archive?.results === 40 && archive.releasing === undefined;
    });
    expect([what, await resultCount(world.plane, namespace)]).toEqual([what, 0]);
    expect([what, keptOf(after)]).toEqual([what, keptOf(before)]);
  }
}, 120_000);
