/** The API of a real controller over real Pods, asked as people and programs ask it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { createPod } from '../../tools/controller/deployment.js';
import { DatapathApiError, DatapathClient } from '../support/api-client.js';
import {
  annotate,
  controlPlane,
  deletePod,
  eventually,
  newWorkloadNamespace,
  startController,
} from '../support/controller.js';
import { openEventStream } from '../support/event-stream.js';

let plane: ControlPlane;
let controller: ControllerProcess;
let client: DatapathClient;
let namespace: string;

beforeAll(async () => {
  plane = await controlPlane();
  controller = await startController(plane);
  client = new DatapathClient({ baseUrl: controller.url });
  namespace = await newWorkloadNamespace(plane, 'api');
  for (const name of ['fast', 'slow', 'waiting']) await createPod(plane, namespace, { name });
  await eventually('three results', async () => (await client.listResults({ namespace: [namespace] })).total === 3);
}, 90_000);

afterAll(async () => {
  await controller.kill('SIGTERM');
});

const iso = (offsetMs: number): string => new Date(Date.now() + offsetMs).toISOString();

async function ready(name: string, startMs: number, readyMs: number): Promise<void> {
  await annotate(plane, namespace, name, {
    'datapath.observer/started-at': iso(startMs),
    'datapath.observer/ready-at': iso(readyMs),
  });
}

describe('the API of a controller', () => {
  it('answers clients of the first controller: their parameters, their fields', async () => {
    await ready('fast', 1000, 1100);
    await ready('slow', 1000, 6000);
    const query = `namespace=${namespace}&labelSelector=&topN=1`;
    const answer = await eventually('two values', async () => {
      const response = await fetch(`${controller.url}/api/v1/time-to-datapath-ready?${query}`);
      const body = (await response.json()) as Record<string, unknown>;
      return body['count'] === 2 && body;
    });
    expect(answer).toMatchObject({ metric: 'time-to-datapath-ready', unit: 'ms', totalSuccessful: 2, totalFailed: 0 });
    expect(answer['worstPods']).toEqual([
      expect.objectContaining({ namespace, name: 'slow', value: expect.any(Number) }),
    ]);
    for (const name of ['p50', 'p90', 'p99']) expect(answer[name]).toEqual(expect.any(Number));

    const health = await (await fetch(`${controller.url}/api/v1/pod-health?${query}`)).json();
    expect(health).toMatchObject({
      namespace,
      desiredReplicas: 3,
      runningPods: 0,
      pendingPods: 3,
      failedPods: 0,
      successPct: 0,
    });
    expect(health).toHaveProperty('pendingPodList.0.phase', 'Pending');
  });

  it('gives one record with its timeline, and every record as CSV', async () => {
    const { items } = await client.listResults({ namespace: [namespace], sort: 'name' });
    expect(items.map((item) => [item.name, item.outcome])).toEqual([
      ['fast', 'Ready'],
      ['slow', 'Ready'],
      ['waiting', 'Pending'],
    ]);
    const detail = await client.getResult(items[0]?.uid ?? '');
    expect(detail.timeline.map((step) => step.name)).toEqual(
      expect.arrayContaining(['created', 'started', 'datapathReady']),
    );
    const csv = await (await fetch(`${controller.url}/api/v1/results?namespace=${namespace}&format=csv`)).text();
    expect(csv.trimEnd().split('\r\n')).toHaveLength(4);
  });

  it('streams what happens to a Pod, to its end', async () => {
    const { lastEventId } = await client.listResults({ namespace: [namespace] });
    const stream = await openEventStream(
      `${controller.url}/api/v1/stream?namespace=${namespace}&lastEventId=${lastEventId}`,
    );
    try {
      await deletePod(plane, namespace, 'waiting');
      await eventually('the outcome Aborted in the stream', async () => {
        const { data } = await stream.next('results');
        const { changed } = JSON.parse(data) as { changed: { name: string; outcome: string }[] };
        return changed.some(({ name, outcome }) => name === 'waiting' && outcome === 'Aborted');
      });
    } finally {
      stream.close();
    }
  });

  it('says what is wrong with a question', async () => {
    const wrong = client.timeToStart({ labelSelector: 'a==b==c' });
    await expect(wrong).rejects.toBeInstanceOf(DatapathApiError);
    await expect(wrong).rejects.toThrow(
      'labelSelector is no label selector: found "==", expected "," or the end, at character 5',
    );
  });
});
