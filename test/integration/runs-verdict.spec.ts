/** Runs on a real API server: when one is complete, and its verdict. */
import { describe, expect, it } from '@jest/globals';
import { deletePod, eventually, newWorkloadNamespace, resultsOf } from '../support/controller.js';
import {
  conditionOf,
  createRun,
  isComplete,
  newRunName,
  reportFor,
  reportingPods,
  runIsKnown,
  runThat,
} from '../support/runs.js';
import { runsWorld } from '../support/runs-world.js';

const RUN_LABEL = 'datapath.observer/run';
const LONG_MS = 3_600_000;

const world = runsWorld();

/** Lets the API server refuse every status of a result in a namespace that has one. @returns what ends it */
async function refuseStatuses(namespace: string): Promise<() => Promise<void>> {
  const group = '/apis/admissionregistration.k8s.io/v1';
  const paths = [`${group}/validatingadmissionpolicies`, `${group}/validatingadmissionpolicybindings`];
  const specs = [
    {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ['datapath.observer'],
            apiVersions: ['*'],
            resources: ['datapathresults/status'],
            operations: ['UPDATE'],
          },
        ],
      },
      validations: [{ expression: 'false', message: 'not now' }],
    },
    {
      policyName: namespace,
      validationActions: ['Deny'],
      matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
    },
  ];
  for (const [i, collection] of paths.entries()) {
    const answer = await world.plane.request('POST', collection, { metadata: { name: namespace }, spec: specs[i] });
    expect(answer.status).toBe(201);
  }
  const one = await eventually('a result', async () => (await resultsOf(world.plane, namespace))[0]);
  const path = `/apis/datapath.observer/v1/namespaces/${namespace}/datapathresults/${one.metadata.name}/status?dryRun=All`;
  await eventually('statuses are refused', async () => {
    const answer = await world.plane.request('PATCH', path, {});
    return answer.text.includes('not now');
  });
  return async () => {
    for (const collection of paths.toReversed()) {
      expect((await world.plane.request('DELETE', `${collection}/${namespace}`)).status).toBe(200);
    }
  };
}

describe('a run with expected Pods', () => {
  it('is complete when as many have an end, and its objectives are judged then', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'expected');
    const name = newRunName('expected');
    await createRun(world.plane, name, {
      expectedPods: 4,
      objectives: [
        { metric: 'timeToDatapathReady', statistic: 'p99', thresholdMs: LONG_MS },
        { metric: 'datapathDelay', statistic: 'max', thresholdMs: 40 },
      ],
    });
    const labels = { [RUN_LABEL]: name };
    await reportingPods(world.client, namespace, [{ delayMs: 10 }, { delayMs: 20 }, { delayMs: 30 }], { labels });
    const open = await runThat(world.plane, name, 'has three ready', (run) => run.status?.ready === 3);
    expect(isComplete(open)).toBe(false);
    expect(open.status?.verdict).toBeUndefined();
    expect(conditionOf(open, 'ObjectivesMet')).toMatchObject({ status: 'Unknown', reason: 'Running' });
    await reportingPods(world.client, namespace, [{ delayMs: 40 }], { labels, prefix: 'last' });
    await world.plane.kubectlOk(['wait', '--for=condition=Complete', `dprun/${name}`, '--timeout=20s']);
    expect(await world.plane.kubectlOk(['get', 'dprun', name, '-o', 'jsonpath={.status.verdict}'])).toBe('Met');
    const done = await runThat(world.plane, name, 'is met', (run) => run.status?.verdict === 'Met');
    expect(done.status?.objectives?.map(({ valueMs }) => valueMs)).toEqual([expect.any(Number), 40]);
    expect(done.status).toMatchObject({
      pods: 4,
      ready: 4,
      coverage: { expected: 4, known: 4, ratio: '1' },
      metrics: { datapathDelay: { count: 4, minMs: 10, p50Ms: 20, maxMs: 40, sumMs: 100, estimated: false } },
    });
    expect(done.status?.metrics?.datapathDelay.worst?.map(({ valueMs }) => valueMs)).toEqual([40, 30, 20, 10]);
    expect(conditionOf(done, 'ObjectivesMet')?.status).toBe('True');

    // More than expected may come: the verdict stands, and the run says how many there were.
    await reportingPods(world.client, namespace, [{ delayMs: 5_000 }], { labels, prefix: 'more' });
    const more = await runThat(world.plane, name, 'counts one more', (run) => run.status?.pods === 5);
    expect(more.status?.verdict).toBe('Met');
    expect(more.status?.completedAt).toBe(done.status?.completedAt);
    expect(conditionOf(more, 'Complete')?.message).toBe('4 Pods were expected, 5 came');
  });

  it('is complete only when the ends of its Pods are stored, and says so', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'unstored');
    const name = newRunName('unstored');
    await createRun(world.plane, name, {
      expectedPods: 2,
      objectives: [{ metric: 'datapathDelay', statistic: 'max', thresholdMs: LONG_MS }],
    });
    await reportingPods(world.client, namespace, ['pending', 'pending'], { labels: { [RUN_LABEL]: name } });
    const allow = await refuseStatuses(namespace);
    await reportFor(world.client, namespace, 'web-0000', { delayMs: 10 });
    await reportFor(world.client, namespace, 'web-0001', 'failed');
    const open = await runThat(
      world.plane,
      name,
      'waits for the store',
      (run) => conditionOf(run, 'Complete')?.reason === 'ResultsNotStored',
    );
    expect(conditionOf(open, 'Complete')).toMatchObject({
      status: 'False',
      message: 'the end of 2 Pods is not stored yet',
    });
    expect(open.status).toMatchObject({ ready: 1, failed: 1 });
    expect(open.status?.verdict).toBeUndefined();
    await allow();
    const done = await runThat(world.plane, name, 'is complete', isComplete);
    expect(done.status?.verdict).toBe('Missed');
    const stored = await resultsOf(world.plane, namespace);
    expect(stored.map(({ status }) => status?.outcome).toSorted()).toEqual(['Failed', 'Ready']);
  });

  it('is missed by one failed Pod, unless it says that some may fail', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'failing');
    const [strict, lenient] = [newRunName('strict'), newRunName('lenient')];
    const objective = { metric: 'datapathDelay', statistic: 'max', thresholdMs: LONG_MS } as const;
    await createRun(world.plane, strict, { expectedPods: 2, objectives: [objective] });
    await createRun(world.plane, lenient, { expectedPods: 2, objectives: [{ ...objective, maxFailedRatio: '0.5' }] });
    const fates = [{ delayMs: 10 }, 'failed'] as const;
    await reportingPods(world.client, namespace, fates, { labels: { [RUN_LABEL]: strict }, prefix: 'strict' });
    await reportingPods(world.client, namespace, fates, { labels: { [RUN_LABEL]: lenient }, prefix: 'lenient' });
    const missed = await runThat(world.plane, strict, 'is complete', isComplete);
    expect(missed.status).toMatchObject({ verdict: 'Missed', reason: 'FailedPods', failed: 1 });
    expect(missed.status?.failureClasses).toEqual([{ class: 'ProbeTimeout', count: 1 }]);
    expect(missed.status?.failedPods).toEqual([
      expect.objectContaining({
        name: 'strict-0001',
        class: 'ProbeTimeout',
        message: expect.stringContaining('refused'),
      }),
    ]);
    expect(conditionOf(missed, 'ObjectivesMet')?.status).toBe('False');
    expect((await runThat(world.plane, lenient, 'is complete', isComplete)).status?.verdict).toBe('Met');
  });

  it('is inconclusive at its deadline while Pods are missing, and says how many are known', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'late');
    const name = newRunName('late');
    await createRun(world.plane, name, {
      expectedPods: 3,
      deadlineSeconds: 6,
      objectives: [{ metric: 'datapathDelay', statistic: 'p99', thresholdMs: LONG_MS }],
    });
    await reportingPods(world.client, namespace, [{ delayMs: 10 }, 'pending'], { labels: { [RUN_LABEL]: name } });
    const done = await runThat(world.plane, name, 'is complete', isComplete);
    expect(conditionOf(done, 'Complete')?.reason).toBe('DeadlinePassed');
    expect(done.status).toMatchObject({
      verdict: 'Inconclusive',
      reason: 'PendingPods',
      coverage: { expected: 3, known: 1, ratio: '0.333333' },
    });
    expect(conditionOf(done, 'ObjectivesMet')).toMatchObject({ status: 'Unknown', reason: 'PendingPods' });
  });
});

describe('a run that expects nothing', () => {
  it('is complete when no Pod was pending for a while, and open again when one comes', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'quiet');
    const name = newRunName('quiet');
    await createRun(world.plane, name, {
      quietSeconds: 1,
      objectives: [{ metric: 'datapathDelay', statistic: 'p50', thresholdMs: 5 }],
    });
    const labels = { [RUN_LABEL]: name };
    await reportingPods(world.client, namespace, [{ delayMs: 10 }], { labels });
    const done = await runThat(world.plane, name, 'is complete', isComplete);
    expect(conditionOf(done, 'Complete')?.reason).toBe('Quiet');
    expect(done.status).toMatchObject({ verdict: 'Missed', reason: 'AboveThreshold' });
    await reportingPods(world.client, namespace, ['pending'], { labels, prefix: 'next' });
    const open = await runThat(world.plane, name, 'is open', (run) => !isComplete(run));
    expect(open.status?.verdict).toBeUndefined();
    expect(open.status?.completedAt).toBeUndefined();
    await deletePod(world.plane, namespace, 'next-0000');
    await runThat(world.plane, name, 'is complete again', isComplete);
  });

  it('is never complete without a Pod, and has no verdict without objectives', async () => {
    const name = newRunName('empty');
    await createRun(world.plane, name, { quietSeconds: 1 });
    const empty = await runIsKnown(world.plane, name);
    expect(conditionOf(empty, 'Complete')).toMatchObject({ status: 'False', reason: 'NoPods' });
    expect(conditionOf(empty, 'ObjectivesMet')).toMatchObject({ status: 'Unknown', reason: 'NoObjectives' });
    expect(empty.status?.verdict).toBeUndefined();
  });
});
