/** Deleted results on a real API server: their numbers are kept in their run once, whenever the controller is killed. */
import { describe, expect, it } from '@jest/globals';
import type { DatapathResult } from '../../src/modules/results/datapath-result.schema.js';
import { QuantileSketch, SKETCH_RELATIVE_ERROR } from '../../src/statistics/quantile-sketch.js';
import { quantile } from '../../src/statistics/quantile.js';
import { deletePod, eventually, newWorkloadNamespace, resultsOf } from '../support/controller.js';
import {
  createRun,
  deleteAllResults,
  deleteResult,
  deleteRun,
  endedRun,
  isComplete,
  keptOf,
  newRunName,
  readRun,
  reportFor,
  reportingPods,
  resultCount,
  runThat,
} from '../support/runs.js';
import type { Fate } from '../support/runs.js';
import { runsWorld } from '../support/runs-world.js';

const RUN_LABEL = 'datapath.observer/run';

const world = runsWorld();

async function exactDelays(namespace: string): Promise<Float64Array> {
  const answer = await world.plane.request('GET', `/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults`);
  const { items } = JSON.parse(answer.text) as { items: DatapathResult[] };
  return Float64Array.from(items.flatMap(({ status }) => status?.datapathDelayMs ?? [])).sort();
}

describe('the numbers of deleted results', () => {
  it('are kept by their run, exact but for quantiles, which stay within 1 %', async () => {
    const fates: Fate[] = Array.from({ length: 60 }, (_, i) => ({ delayMs: 10 + i * i * 7 }));
    const { name, namespace, before } = await endedRun(world.plane, world.client, [
      ...fates,
      'failed',
      'failed',
      'pending',
    ]);
    const delays = await exactDelays(namespace);
    expect(delays).toHaveLength(60);
    await deleteAllResults(world.plane, namespace);
    const after = await runThat(world.plane, name, 'keeps all and waits for none', (run) => {
      const { archive } = run.status ?? {};
      return archive?.results === 63 && archive.releasing === undefined;
    });
    expect(await resultCount(world.plane, namespace)).toBe(0);
    expect(keptOf(after)).toEqual(keptOf(before));
    expect(after.status?.failedPods).toEqual(before.status?.failedPods);
    const metric = after.status?.metrics?.datapathDelay;
    expect(metric?.estimated).toBe(true);
    expect(metric?.worst).toEqual(before.status?.metrics?.datapathDelay.worst);
    for (const [q, value] of [
      [0.5, metric?.p50Ms],
      [0.9, metric?.p90Ms],
      [0.99, metric?.p99Ms],
    ] as const) {
      const exact = quantile(delays, q) ?? 0;
      expect(Math.abs((value ?? 0) - exact)).toBeLessThanOrEqual(SKETCH_RELATIVE_ERROR * exact);
    }
    expect(metric?.sketch).toBe(QuantileSketch.of(delays).toString());
  });
});

describe('a deleted result', () => {
  it('is made again with the same instants while its Pod lives, and counts once', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'again');
    const name = newRunName('again');
    await createRun(world.plane, name, { expectedPods: 1 });
    const [uid] = await reportingPods(world.client, namespace, [{ delayMs: 10 }], { labels: { [RUN_LABEL]: name } });
    const [first] = await eventually('a result with an end', async () => {
      const results = await resultsOf(world.plane, namespace);
      return results[0]?.status?.outcome === 'Ready' && results;
    });
    await deleteResult(world.plane, namespace, `dpresult-${uid}`);
    const [second] = await eventually('another result with an end', async () => {
      const results = await resultsOf(world.plane, namespace);
      return results[0]?.metadata.uid !== first?.metadata.uid && results[0]?.status?.outcome === 'Ready' && results;
    });
    expect(second?.spec).toEqual(first?.spec);
    expect(second?.status?.startedAt).toBe(first?.status?.startedAt);
    const run = await runThat(world.plane, name, 'counts one Pod', ({ status }) => status?.pods === 1);
    expect(run.status?.archive).toBeUndefined();

    await deletePod(world.plane, namespace, 'web-0000');
    await deleteResult(world.plane, namespace, `dpresult-${uid}`);
    const kept = await runThat(world.plane, name, 'keeps it', ({ status }) => status?.archive?.results === 1);
    expect(kept.status?.pods).toBe(1);
  });

  it('is kept, not made again, when its Pod was deleted a moment before', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'behind');
    const name = newRunName('behind');
    await createRun(world.plane, name, { expectedPods: 60 });
    const fates = Array.from({ length: 60 }, () => ({ delayMs: 10 }));
    const uids = await reportingPods(world.client, namespace, fates, { labels: { [RUN_LABEL]: name } });
    await runThat(world.plane, name, 'is complete', isComplete);
    // The caches learn of Pods and of results by different watches: some will hear of the result first.
    await Promise.all(
      uids.map(async (uid, i) => {
        await deletePod(world.plane, namespace, `web-${String(i).padStart(4, '0')}`);
        await deleteResult(world.plane, namespace, `dpresult-${uid}`);
      }),
    );
    const kept = await runThat(world.plane, name, 'keeps them', ({ status }) => {
      return status?.archive?.results === 60 && status.archive.releasing === undefined;
    });
    expect(kept.status).toMatchObject({ pods: 60, ready: 60 });
    expect(await resultsOf(world.plane, namespace)).toEqual([]);
  });

  it('says how its measurement ended before its run keeps it, though it was deleted before that was stored', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'ended');
    const name = newRunName('ended');
    await createRun(world.plane, name, { expectedPods: 1 });
    const path = `/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults`;
    const { metadata } = JSON.parse((await world.plane.request('GET', path)).text) as {
      metadata: { resourceVersion: string };
    };
    const [uid] = await reportingPods(world.client, namespace, ['pending'], { labels: { [RUN_LABEL]: name } });
    await eventually('a result', async () => (await resultCount(world.plane, namespace)) === 1);
    world.controller.signal('SIGSTOP');
    try {
      await reportFor(world.client, namespace, 'web-0000', { delayMs: 10 });
      await deletePod(world.plane, namespace, 'web-0000');
      await deleteResult(world.plane, namespace, `dpresult-${uid}`);
    } finally {
      world.controller.signal('SIGCONT');
    }
    await runThat(world.plane, name, 'keeps it', ({ status }) => status?.archive?.results === 1);
    await eventually('the result is gone', async () => (await resultCount(world.plane, namespace)) === 0);
    const since = `watch=true&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`;
    const events = (await world.plane.request('GET', `${path}?${since}`)).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; object: DatapathResult });
    const { type, object } = events.at(-1) ?? {};
    expect(type).toBe('DELETED');
    expect(object?.status).toMatchObject({ outcome: 'Ready', datapathDelayMs: 10 });
  });

  it('goes though its run was deleted', async () => {
    const { name, namespace } = await endedRun(world.plane, world.client, [{ delayMs: 10 }]);
    await deleteRun(world.plane, name);
    await deleteAllResults(world.plane, namespace);
    await eventually('the result is gone', async () => (await resultCount(world.plane, namespace)) === 0);
    expect(await readRun(world.plane, name)).toBeUndefined();
  });

  it('that somebody made without the finalizer gets it', async () => {
    const { namespace } = await endedRun(world.plane, world.client, [{ delayMs: 10 }]);
    const [result] = await resultsOf(world.plane, namespace);
    const resultName = result?.metadata.name ?? '';
    await world.plane.kubectlOk([
      'patch',
      'dpr',
      resultName,
      '-n',
      namespace,
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":null}}',
    ]);
    await eventually(
      'the finalizer is back',
      async () =>
        (await world.plane.kubectlOk([
          'get',
          'dpr',
          resultName,
          '-n',
          namespace,
          '-o',
          'jsonpath={.metadata.finalizers[*]}',
        ])) === 'datapath.observer/archive',
    );
  });
});
