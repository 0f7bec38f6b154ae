/**
 * The controller is killed while runs come to their end: what a run said when it was complete is what it says for ever, and what was lost
 * before that never makes a verdict Met.
 */
import { describe, expect, it } from '@jest/globals';
import type { DatapathRunSpec } from '../../src/modules/runs/datapath-run.schema.js';
import { proveRuns } from '../proof/proof.js';
import { eventually, newWorkloadNamespace, resultsOf } from '../support/controller.js';
import { seeded } from '../support/pod-churn.js';
import {
  createRun,
  deleteAllPods,
  deleteAllResults,
  endedRun,
  isComplete,
  keptOf,
  newRunName,
  readRun,
  reportingPods,
  resultCount,
  runIsKnown,
  runThat,
} from '../support/runs.js';
import { runsWorld } from '../support/runs-world.js';

const PODS = 30;
const RUN_LABEL = 'datapath.observer/run';
const FATES = Array.from({ length: PODS }, (_, i) => ({ delayMs: 10 + i }));
const SPEC: DatapathRunSpec = {
  expectedPods: PODS,
  objectives: [{ metric: 'datapathDelay', statistic: 'p99', thresholdMs: 60_000 }],
};

const world = runsWorld();

/** A run whose Pods have all reported just now. */
async function reportedRun(purpose: string): Promise<{ readonly name: string; readonly namespace: string }> {
  const [name, namespace] = [newRunName(purpose), await newWorkloadNamespace(world.plane, purpose)];
  await createRun(world.plane, name, SPEC);
  await runIsKnown(world.plane, name);
  await reportingPods(world.client, namespace, FATES, { labels: { [RUN_LABEL]: name } });
  return { name, namespace };
}

/** The controller is killed, the Pods go while none is there, and it comes back. */
async function killAndLose(namespace: string): Promise<void> {
  await world.controller.kill('SIGKILL');
  await deleteAllPods(world.plane, namespace);
  world.controller.start();
  await world.controller.ready(60_000);
}

describe('a run', () => {
  it('that was complete keeps every number, though the controller is killed and the Pods go in that moment', async () => {
    for (let round = 0; round < 3; round++) {
      const { name, namespace } = await reportedRun('moment');
      let before = await readRun(world.plane, name);
      while (before === undefined || !isComplete(before)) before = await readRun(world.plane, name);
      await killAndLose(namespace);
      const stored = await resultsOf(world.plane, namespace);
      expect(stored.map(({ status }) => status?.outcome)).toEqual(Array.from({ length: PODS }, () => 'Ready'));
      const answer = await fetch(`${world.controller.url}/api/v1/runs/${name}`);
      expect(await answer.json()).toMatchObject({ ready: PODS, failed: 0, verdict: 'Met' });
      expect(keptOf((await readRun(world.plane, name)) ?? before)).toEqual(keptOf(before));
    }
  });

  it('is not Met where numbers were lost before it was complete, whenever the controller was killed', async () => {
    const random = seeded(7);
    const endings: string[] = [];
    for (let round = 0; round < 4; round++) {
      const { name, namespace } = await reportedRun('window');
      const delayMs = random() * 2_500;
      await new Promise((done) => setTimeout(done, delayMs));
      await killAndLose(namespace);
      const after = await runThat(world.plane, name, 'is complete', isComplete);
      const { ready = 0, failed = 0, verdict, failureClasses = [] } = after.status ?? {};
      const lost = failureClasses.find((one) => one.class === 'ReportLost')?.count ?? 0;
      expect([ready + failed, failed]).toEqual([PODS, lost]);
      expect(verdict).toBe(lost === 0 ? 'Met' : 'Inconclusive');
      await eventually('the results say the same', async () => {
        const outcomes = (await resultsOf(world.plane, namespace)).map(({ status }) => status?.outcome);
        return outcomes.filter((outcome) => outcome === 'Ready').length === ready;
      });
      endings.push(`${Math.round(delayMs)} ms: ${ready} kept, ${lost} lost, ${verdict}`);
    }
    process.stderr.write(`  killed after the last report: ${endings.join('; ')}\n`);
  });

  it('whose archive an earlier version stored, without counts that came later, keeps what comes', async () => {
    const { name, namespace } = await endedRun(world.plane, world.client, [{ delayMs: 10 }, 'failed']);
    await deleteAllResults(world.plane, namespace);
    const archived = await runThat(world.plane, name, 'keeps two', ({ status }) => {
      return status?.archive?.results === 2 && status.archive.releasing === undefined;
    });
    await world.controller.kill('SIGKILL');
    const path = `/apis/datapath.observer/v1/datapathruns/${name}/status`;
    const older = JSON.parse(
      JSON.stringify(archived, (key, value: unknown) => (key === 'lost' || key === 'unmeasured' ? undefined : value)),
    ) as object;
    expect((await world.plane.request('PUT', path, older)).status).toBe(200);
    const stored = JSON.stringify((await readRun(world.plane, name))?.status);
    expect(stored).not.toContain('"lost"');
    world.controller.start();
    await world.controller.ready(30_000);

    await reportingPods(world.client, namespace, [{ delayMs: 30 }], { labels: { [RUN_LABEL]: name }, prefix: 'later' });
    await eventually('a result with an end', async () => {
      return (await resultsOf(world.plane, namespace))[0]?.status?.outcome === 'Ready';
    });
    await deleteAllPods(world.plane, namespace);
    await deleteAllResults(world.plane, namespace);
    const kept = await runThat(world.plane, name, 'keeps three', ({ status }) => {
      return status?.archive?.results === 3 && status.archive.releasing === undefined;
    });
    expect(kept.status).toMatchObject({ pods: 3, ready: 2, failed: 1 });
    expect(kept.status?.metrics?.datapathDelay).toMatchObject({ count: 2, sumMs: 40, lost: 0, unmeasured: 0 });
    expect(await resultCount(world.plane, namespace)).toBe(0);
  });
});

describe('four runs', () => {
  it('keep their numbers while the controller is killed at random and their namespaces are deleted', async () => {
    const told: string[] = [];
    const proof = await proveRuns({
      pods: 120,
      kills: 4,
      seed: 1,
      tell: (text) => void told.push(text),
      signal: new AbortController().signal,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; ${told.slice(-10).join('; ')}`, { cause: error });
    });
    expect(proof.findings).toEqual([]);
    expect(proof.verdict.violations).toEqual([]);
    expect(proof.kills).toBe(4);
  }, 300_000);
});
