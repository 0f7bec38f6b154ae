/** Runs on a real API server: whose a Pod is, and what becomes of it when the run goes. */
import { describe, expect, it } from '@jest/globals';
import { eventually, newWorkloadNamespace, resultsOf } from '../support/controller.js';
import {
  conditionOf,
  createRun,
  deleteAllResults,
  deleteRun,
  endedRun,
  isComplete,
  newRunName,
  readRun,
  reportFor,
  reportingPods,
  runIsKnown,
  runThat,
} from '../support/runs.js';
import { runsWorld } from '../support/runs-world.js';

const RUN_LABEL = 'datapath.observer/run';

const world = runsWorld();

/** The run of each result of a namespace, by Pod. */
async function runsOf(namespace: string, pods: number): Promise<Record<string, string>> {
  const results = await eventually(`${pods} results in ${namespace}`, async () => {
    const found = await resultsOf(world.plane, namespace);
    return found.length === pods && found;
  });
  return Object.fromEntries(results.map(({ spec }) => [spec.podRef.name, spec.runName]));
}

interface ToldEvent {
  readonly reason: string;
  readonly note: string;
  readonly regarding: { readonly kind: string; readonly uid: string };
}

/** Events of a namespace with a reason; `undefined` where there are none. */
async function eventsOf(namespace: string, reason: string): Promise<readonly ToldEvent[] | undefined> {
  const answer = await world.plane.request('GET', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
  const found = (JSON.parse(answer.text) as { items: ToldEvent[] }).items.filter((event) => event.reason === reason);
  return found.length === 0 ? undefined : found;
}

describe('a Pod belongs', () => {
  it('to the run of its own label, before that of its namespace, before its namespace', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'belongs');
    await reportingPods(world.client, namespace, ['pending'], { prefix: 'plain' });
    expect(await runsOf(namespace, 1)).toEqual({ 'plain-0000': namespace });
    expect((await readRun(world.plane, namespace))?.spec).toEqual({});

    const named = newRunName('named');
    await world.plane.kubectlOk(['label', 'namespace', namespace, `${RUN_LABEL}=${named}`]);
    const own = newRunName('own');
    await reportingPods(world.client, namespace, ['pending'], { prefix: 'own', labels: { [RUN_LABEL]: own } });
    // The watch of namespaces may be behind that of Pods by a moment: made again until the label is known.
    let pods = 2;
    await eventually('the label of the namespace is known', async () => {
      await reportingPods(world.client, namespace, ['pending'], { prefix: `named-${String(pods)}` });
      pods += 1;
      return Object.values(await runsOf(namespace, pods)).includes(named);
    });
    expect(await runsOf(namespace, pods)).toMatchObject({ 'plain-0000': namespace, 'own-0000': own });
    await runThat(world.plane, own, 'counts its Pod', (run) => run.status?.pods === 1);
  });

  it('to the first run whose selectors match, and the other one says so', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'selected');
    const [first, second] = [newRunName('first'), newRunName('second')];
    const app = newRunName('app');
    await createRun(world.plane, first, { selector: { podSelector: { matchLabels: { app } } } });
    await runThat(
      world.plane,
      first,
      'waits for Pods',
      (run) => conditionOf(run, 'Selecting')?.reason === 'NoPodMatched',
    );
    await createRun(world.plane, second, {
      selector: { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: [app] }] } },
    });
    await runIsKnown(world.plane, second);
    await reportingPods(world.client, namespace, ['pending', 'pending'], { labels: { app } });
    await reportingPods(world.client, namespace, ['pending'], { prefix: 'other', labels: { app: 'other' } });
    expect(await runsOf(namespace, 3)).toEqual({ 'web-0000': first, 'web-0001': first, 'other-0000': namespace });
    await runThat(world.plane, first, 'has selected', (run) => conditionOf(run, 'Selecting')?.reason === 'Selected');
    // Something has to happen to the second run before it looks again: its spec is changed.
    await world.plane.kubectlOk(['patch', 'dprun', second, '--type=merge', '-p', '{"spec":{"quietSeconds":31}}']);
    const told = await runThat(
      world.plane,
      second,
      'tells of the overlap',
      (run) => conditionOf(run, 'Selecting')?.reason === 'Overlapping',
    );
    expect(conditionOf(told, 'Selecting')?.message).toBe(`2 Pods that match belong to run ${first}`);
  });

  it('to its namespace where its label can be no name of a run', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'odd');
    await reportingPods(world.client, namespace, ['pending'], { labels: { [RUN_LABEL]: 'Run_1' } });
    expect(await runsOf(namespace, 1)).toEqual({ 'web-0000': namespace });
  });

  it('to no run by a selector that the API server takes and that can match nothing: the run says why', async () => {
    const name = newRunName('invalid');
    await createRun(world.plane, name, { selector: { podSelector: { matchLabels: { 'not a key': 'x' } } } });
    const run = await runIsKnown(world.plane, name);
    expect(conditionOf(run, 'Selecting')).toMatchObject({ status: 'False', reason: 'InvalidSelector' });
  });

  it('to the same run for ever, whatever labels become of it', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'forever');
    const [one, two] = [newRunName('one'), newRunName('two')];
    await reportingPods(world.client, namespace, ['pending'], { labels: { [RUN_LABEL]: one } });
    expect(await runsOf(namespace, 1)).toEqual({ 'web-0000': one });
    await world.plane.kubectlOk(['label', 'pod', 'web-0000', '-n', namespace, '--overwrite', `${RUN_LABEL}=${two}`]);
    await reportFor(world.client, namespace, 'web-0000', { delayMs: 10 });
    await runThat(world.plane, one, 'has its Pod ready', (run) => run.status?.ready === 1);
    expect(await runsOf(namespace, 1)).toEqual({ 'web-0000': one });
    expect(await readRun(world.plane, two)).toBeUndefined();
  });
});

describe('a run that is deleted', () => {
  it('in the middle leaves its results as they are, says so where they are, and counts them once when it is made anew', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'gone');
    const name = newRunName('gone');
    await createRun(world.plane, name, { expectedPods: 2 });
    await reportingPods(world.client, namespace, [{ delayMs: 10 }], { labels: { [RUN_LABEL]: name } });
    await runThat(world.plane, name, 'has one ready', (run) => run.status?.ready === 1);
    await deleteRun(world.plane, name);
    await reportFor(world.client, namespace, 'web-0000', { delayMs: 10 });
    expect(await runsOf(namespace, 1)).toEqual({ 'web-0000': name });
    expect(await readRun(world.plane, name)).toBeUndefined();
    const [event] = await eventually('an Event', () => eventsOf(namespace, 'RunDeleted'));
    const [result] = await resultsOf(world.plane, namespace);
    expect(event?.regarding).toMatchObject({ kind: 'DatapathResult', uid: result?.metadata.uid });
    expect(event?.note).toContain(`DatapathRun ${name} was deleted: 1 results of it are left in this namespace`);

    await reportingPods(world.client, namespace, [{ delayMs: 10 }], { prefix: 'late', labels: { [RUN_LABEL]: name } });
    const again = await runThat(world.plane, name, 'is made anew', (run) => run.status?.ready === 2);
    expect(again.status).toMatchObject({ pods: 2, pending: 0 });
    expect(await eventsOf(namespace, 'RunDeleted')).toHaveLength(1);
  });

  it('goes on to keep numbers while somebody holds it', async () => {
    const { name, namespace } = await endedRun(world.plane, world.client, [{ delayMs: 10 }]);
    const finalizers = (list: string): Promise<string> =>
      world.plane.kubectlOk(['patch', 'dprun', name, '--type=merge', '-p', `{"metadata":{"finalizers":${list}}}`]);
    await finalizers('["example.com/hold"]');
    await deleteRun(world.plane, name);
    await deleteAllResults(world.plane, namespace);
    await eventually('the result is gone', async () => (await resultsOf(world.plane, namespace)).length === 0);
    expect((await readRun(world.plane, name))?.status?.archive?.results).toBe(1);
    await finalizers('null');
    await eventually('the run is gone', async () => (await readRun(world.plane, name)) === undefined);
  });

  it('by its time to live is gone some time after it was complete', async () => {
    const namespace = await newWorkloadNamespace(world.plane, 'ttl');
    const name = newRunName('ttl');
    await createRun(world.plane, name, { expectedPods: 1, ttlSecondsAfterComplete: 1 });
    await reportingPods(world.client, namespace, [{ delayMs: 10 }], { labels: { [RUN_LABEL]: name } });
    await runThat(world.plane, name, 'is complete', isComplete);
    await eventually('the run is gone', async () => (await readRun(world.plane, name)) === undefined);
    expect(await resultsOf(world.plane, namespace)).toHaveLength(1);
  });
});
