import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { CONTROLLER_SCRIPT, createPod } from '../../tools/controller/deployment.js';
import {
  annotate,
  controlPlane,
  deletePod,
  eventually,
  newWorkloadNamespace,
  resultsOf,
  startController,
  statistic,
} from '../support/controller.js';
import type { StoredResult } from '../support/controller.js';

const STARTED = 'datapath.observer/started-at';
const READY = 'datapath.observer/ready-at';

let plane: ControlPlane;
let controller: ControllerProcess;

beforeAll(async () => {
  plane = await controlPlane();
  controller = await startController(plane);
}, 90_000);

afterAll(async () => {
  await controller.kill('SIGTERM');
});

/** An instant some milliseconds from now, with as many fraction digits as asked. */
function soon(offsetMs: number, digits = 3): string {
  const [whole, fraction] = new Date(Date.now() + offsetMs).toISOString().slice(0, -1).split('.');
  return digits === 0 ? `${whole}Z` : `${whole}.${(fraction ?? '').padEnd(digits, '1')}Z`;
}

async function onlyResult(namespace: string, outcome: string): Promise<StoredResult> {
  return eventually(`one result, ${outcome}`, async () => {
    const results = await resultsOf(plane, namespace);
    return results.length === 1 && results[0]?.status?.outcome === outcome && results[0];
  });
}

describe('a Pod', () => {
  it.each([0, 3, 7, 9])(
    'annotated by the Go reporter with %d fraction digits has the right milliseconds',
    async (digits) => {
      const namespace = await newWorkloadNamespace(plane, 'legacy');
      await createPod(plane, namespace, { name: 'web' });
      const start = soon(1_000, digits);
      const ready = soon(3_456, digits);
      await annotate(plane, namespace, 'web', {
        'perf.github.com/azure-start-ts': start,
        'perf.github.com/azure-dp-ready-ts': ready,
      });
      const result = await onlyResult(namespace, 'Ready');
      const since = (text: string): number =>
        Math.floor(Date.parse(text.replace(/(\.\d{3})\d*/, '$1')) - Date.parse(result.spec.createdAt));
      const toStart = await statistic(controller, 'time-to-start', namespace);
      const toReady = await statistic(controller, 'time-to-datapath-ready', namespace);
      expect(toStart.worstPods.map((pod) => pod.value)).toEqual([since(start)]);
      expect(toReady.worstPods.map((pod) => pod.value)).toEqual([since(ready)]);
      expect(result.status).toMatchObject({ timeToStartMs: since(start), timeToDatapathReadyMs: since(ready) });
    },
  );

  it('that is pending is counted as pending, never as failed', async () => {
    const namespace = await newWorkloadNamespace(plane, 'pending');
    await createPod(plane, namespace, { name: 'web' });
    await eventually('one result', async () => (await resultsOf(plane, namespace)).length === 1);
    expect(await statistic(controller, 'time-to-start', namespace)).toMatchObject({
      totalPending: 1,
      totalFailed: 0,
      totalSuccessful: 0,
      p50: null,
      worstPods: [],
      failedPods: [],
    });
  });

  it('that was seen live has its receipt as the creation instant', async () => {
    const namespace = await newWorkloadNamespace(plane, 'live');
    await createPod(plane, namespace, { name: 'web' });
    const [result] = await eventually('one result', async () => {
      const results = await resultsOf(plane, namespace);
      return results.length === 1 && results;
    });
    // A Pod made in the last moments of a second may arrive in the next: then the truncated timestamp stands, and says so.
    expect(['WatchReceipt', 'CreationTimestamp']).toContain(result?.spec.creationSource);
    if (result?.spec.creationSource === 'CreationTimestamp') expect(Date.parse(result.spec.createdAt) % 1000).toBe(0);
  });

  it('without a reporter is left alone', async () => {
    const namespace = await newWorkloadNamespace(plane, 'plain');
    await plane.kubectlOk([
      'run',
      'plain',
      '-n',
      namespace,
      '--image=local.test/app:1',
      '--overrides={"spec":{"nodeName":"n"}}',
    ]);
    await createPod(plane, namespace, { name: 'web' });
    await eventually('the result of the other Pod', async () => (await resultsOf(plane, namespace)).length > 0);
    expect((await resultsOf(plane, namespace)).map((result) => result.spec.podRef.name)).toEqual(['web']);
  });

  it('deleted before readiness keeps its record', async () => {
    const namespace = await newWorkloadNamespace(plane, 'deleted');
    await createPod(plane, namespace, { name: 'web' });
    await annotate(plane, namespace, 'web', { [STARTED]: soon(0) });
    await eventually(
      'started',
      async () => (await statistic(controller, 'time-to-start', namespace)).totalSuccessful === 1,
    );
    await deletePod(plane, namespace, 'web');
    const result = await onlyResult(namespace, 'Aborted');
    expect(result.status?.failure?.class).toBe('DeletedBeforeReady');
    expect(result.status?.startedAt).toBeDefined();
    expect(result.status?.podDeletedAt).toBeDefined();
    expect(await statistic(controller, 'time-to-datapath-ready', namespace)).toMatchObject({
      totalAborted: 1,
      totalFailed: 0,
    });
  });

  it('made again under the same name has a result of its own', async () => {
    const namespace = await newWorkloadNamespace(plane, 'again');
    const first = await createPod(plane, namespace, { name: 'web-0' });
    await annotate(plane, namespace, 'web-0', { [STARTED]: soon(0), [READY]: soon(100) });
    await eventually(
      'the first is ready',
      async () => (await statistic(controller, 'time-to-datapath-ready', namespace)).totalSuccessful === 1,
    );
    await deletePod(plane, namespace, 'web-0');
    const second = await createPod(plane, namespace, { name: 'web-0' });
    const results = await eventually('two results', async () => {
      const list = await resultsOf(plane, namespace);
      return list.length === 2 && list.some((result) => result.status?.outcome === 'Ready') && list;
    });
    const outcomes = new Map(results.map((result) => [result.spec.podRef.uid, result.status?.outcome ?? 'Pending']));
    expect(outcomes).toEqual(
      new Map([
        [first, 'Ready'],
        [second, 'Pending'],
      ]),
    );
  });

  it('whose labels change has a result with the same labels', async () => {
    const namespace = await newWorkloadNamespace(plane, 'labels');
    await createPod(plane, namespace, { name: 'web', labels: { app: 'web', tier: 'front' } });
    await eventually('one result', async () => (await resultsOf(plane, namespace)).length === 1);
    await plane.kubectlOk(['label', 'pod', 'web', '-n', namespace, 'tier-', 'zone=a']);
    await eventually('the labels followed', async () => {
      const [result] = await resultsOf(plane, namespace);
      return JSON.stringify(result?.metadata.labels) === JSON.stringify({ app: 'web', zone: 'a' });
    });
  });

  it('costs two writes', async () => {
    const namespace = await newWorkloadNamespace(plane, 'writes');
    await Promise.all(['a', 'b', 'c'].map((name) => createPod(plane, namespace, { name })));
    for (const name of ['a', 'b', 'c']) {
      await annotate(plane, namespace, name, { [STARTED]: soon(0) });
      await annotate(plane, namespace, name, { [READY]: soon(0) });
    }
    await eventually('all are stored as ready', async () => {
      const results = await resultsOf(plane, namespace);
      return results.length === 3 && results.every((result) => result.status?.outcome === 'Ready');
    });
    const writes = readFileSync(plane.auditLogPath ?? '', 'utf8')
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as { verb: string; stage: string; objectRef?: { resource: string; namespace?: string } },
      )
      .filter(
        (event) =>
          event.stage === 'ResponseComplete' &&
          event.objectRef?.resource === 'datapathresults' &&
          event.objectRef.namespace === namespace &&
          !['get', 'list', 'watch'].includes(event.verb),
      )
      .map((event) => event.verb)
      .sort();
    expect(writes).toEqual(['create', 'create', 'create', 'patch', 'patch', 'patch']);
  });
});

describe('Pod health', () => {
  it('misses the Pods that a Deployment wants and nobody created, and counts no other namespace’s or plain Pods', async () => {
    const namespace = await newWorkloadNamespace(plane, 'health');
    const template = (name: string, containers: readonly string[]): object => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: { containers: containers.map((container) => ({ name: container, image: 'local.test/app:1' })) },
        },
      },
    });
    const items = [template('measured', ['app', 'datapath-reporter']), template('plain', ['app'])];
    await plane.kubectlOk(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
    await createPod(plane, namespace, { name: 'web' });
    const health = await eventually('one Pod and its three missing fellows', async () => {
      const response = await fetch(`${controller.url}/api/v1/pod-health?namespace=${namespace}`);
      const answer = (await response.json()) as { desiredReplicas: number; pendingPods: number };
      return answer.desiredReplicas === 4 && answer.pendingPods === 1 && answer;
    });
    expect(health).toMatchObject({ runningPods: 0, failedPods: 0, successPct: 0, pendingPodList: [{ name: 'web' }] });
  });
});

describe('a hostile Pod', () => {
  it.each([
    ['garbage', { [STARTED]: 'tomorrow' }, 'started-at is "tomorrow"'],
    ['a date in 1970', { [STARTED]: '1970-01-01T00:00:00Z' }, 'more than a day before the Pod was created'],
    ['a date in 2100', { [READY]: '2100-01-01T00:00:00.000Z' }, 'more than a day after it was seen'],
    ['200 KiB', { 'datapath.observer/report': 'x'.repeat(200 * 1024) }, 'longer than 2048'],
    ['a readiness before its start', { [STARTED]: soon(2_000), [READY]: soon(0) }, 'ms before the start'],
    ['control characters', { [STARTED]: '\u0000\u001b[31m' }, 'must be an RFC 3339 date-time'],
  ])('with %s is told as an invalid report, and other Pods’ numbers are untouched', async (_, annotations, message) => {
    const namespace = await newWorkloadNamespace(plane, 'hostile');
    await createPod(plane, namespace, { name: 'good' });
    await annotate(plane, namespace, 'good', { [STARTED]: soon(0), [READY]: soon(500) });
    await createPod(plane, namespace, { name: 'bad' });
    await annotate(plane, namespace, 'bad', annotations);
    const bad = await eventually('the bad one failed', async () =>
      (await resultsOf(plane, namespace)).find(
        (result) => result.spec.podRef.name === 'bad' && result.status?.outcome === 'Failed',
      ),
    );
    expect(bad.status?.failure).toMatchObject({ class: 'InvalidReport' });
    expect(bad.status?.failure?.message).toContain(message);
    await eventually('kubectl describe pod tells it', async () =>
      (await plane.kubectlOk(['describe', 'pod', 'bad', '-n', namespace])).includes('InvalidReport'),
    );
    const answer = await statistic(controller, 'time-to-datapath-ready', namespace);
    expect(answer).toMatchObject({ totalSuccessful: 1, totalFailed: 1 });
    expect(answer.failedPods.map((pod) => pod.name)).toEqual(['bad']);
    expect(answer.worstPods.map((pod) => pod.name)).toEqual(['good']);
  });
});

describe('a restart', () => {
  it('by kill -9 loses and doubles nothing, whatever happened meanwhile', async () => {
    const namespace = await newWorkloadNamespace(plane, 'restart');
    const mine = await startController(plane, { args: [`--namespace=${namespace}`] });
    try {
      for (const name of ['ready-before', 'ready-during', 'deleted-during', 'pending']) {
        await createPod(plane, namespace, { name });
      }
      await annotate(plane, namespace, 'ready-before', { [STARTED]: soon(0), [READY]: soon(10) });
      await eventually('four results, one ready', async () => {
        const results = await resultsOf(plane, namespace);
        return results.length === 4 && results.filter((result) => result.status?.outcome === 'Ready').length === 1;
      });
      const before = new Map(
        (await resultsOf(plane, namespace)).map((result) => [result.spec.podRef.name, result.spec]),
      );

      await mine.kill('SIGKILL');
      // The other controller of this file watches all namespaces and would take over: it must not see these Pods change.
      await controller.kill('SIGKILL');
      await annotate(plane, namespace, 'ready-during', { [STARTED]: soon(0), [READY]: soon(10) });
      await deletePod(plane, namespace, 'deleted-during');
      await createPod(plane, namespace, { name: 'new-during' });
      mine.start();
      await mine.ready(60_000);

      const results = await eventually('all five are told', async () => {
        const list = await resultsOf(plane, namespace);
        const done = list.filter((result) => ['Ready', 'Failed'].includes(result.status?.outcome ?? ''));
        return list.length === 5 && done.length === 3 && list;
      });
      const outcome = Object.fromEntries(
        results.map((result) => [
          result.spec.podRef.name,
          result.status?.failure?.class ?? result.status?.outcome ?? 'Pending',
        ]),
      );
      expect(outcome).toEqual({
        'ready-before': 'Ready',
        'ready-during': 'Ready',
        'deleted-during': 'ReportLost',
        'new-during': 'Pending',
        pending: 'Pending',
      });
      for (const result of results) {
        const was = before.get(result.spec.podRef.name);
        if (was !== undefined) expect(result.spec).toEqual(was);
      }
      expect(results.find((result) => result.spec.podRef.name === 'new-during')?.spec.creationSource).toBe(
        'CreationTimestamp',
      );
    } finally {
      await mine.kill('SIGKILL');
      await controller.kill('SIGKILL');
      controller.start();
      await controller.ready(60_000);
    }
  }, 90_000);
});

describe('the process', () => {
  it('ends a wrong flag with status 2 and says why', () => {
    const { status, stderr } = spawnSync(process.execPath, [CONTROLLER_SCRIPT, '--frobnicate=1'], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toContain('unknown argument "--frobnicate=1"');
  });

  it('shows every flag with --help', () => {
    const { status, stdout } = spawnSync(process.execPath, [CONTROLLER_SCRIPT, '--help'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toContain('--max-concurrent-reconciles');
  });

  it('ends a kubeconfig that is not there with status 1 and its name', () => {
    const { status, stderr } = spawnSync(process.execPath, [CONTROLLER_SCRIPT, '--kubeconfig=/nowhere/config'], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(status).toBe(1);
    expect(stderr).toContain('/nowhere/config');
  });

  it('ends without any cluster with status 1, and says where it looked', () => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [CONTROLLER_SCRIPT], {
      encoding: 'utf8',
      timeout: 30_000,
      env: { PATH: process.env['PATH'], HOME: '/nowhere' },
    });
    expect(status).toBe(1);
    expect(stdout + stderr).toContain('KUBECONFIG is not set');
  });

  it('answers the probes of the kubelet', async () => {
    for (const path of ['livez', 'readyz', 'healthz']) {
      const response = await fetch(`${controller.url}/${path}`);
      expect([path, response.status]).toEqual([path, 200]);
    }
  });

  it('ends with status 0 at SIGTERM', async () => {
    const other = await startController(plane, { args: ['--namespace=default'] });
    expect(await other.kill('SIGTERM')).toBe(0);
  });
});

describe('bad questions', () => {
  it.each([
    ['topN=abc', 'topN'],
    ['topN=-1', 'topN'],
    ['topN=1e9', 'topN'],
    ['labelSelector=a==b=c', 'labelSelector'],
    ['namespace=%00', 'namespace'],
    ['colour=red', 'colour'],
  ])('%s are answered with a problem document that names the parameter', async (query, parameter) => {
    const response = await fetch(`${controller.url}/api/v1/time-to-start?${query}`);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(await response.text()).toContain(parameter);
  });
});
