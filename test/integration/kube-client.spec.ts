import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import {
  isAborted,
  isAlreadyExists,
  isConflict,
  isInvalid,
  isNotFound,
  isTransport,
  KubeApiError,
  NotLeaderError,
} from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { CONFIG_MAPS, type ConfigMap, configMap, makeNamespace, NAMESPACES } from '../support/kube-fixtures.js';
import { RequestCounter } from '../support/request-counter.js';

const failure = async (call: Promise<unknown>): Promise<KubeApiError> => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof KubeApiError))
    throw new Error(`the call should have failed with a KubeApiError, not ${String(error)}`);
  return error;
};

describe('KubeClient against a real API server', () => {
  const counter = new RequestCounter();
  let client: KubeClient;
  let namespace: string;

  beforeAll(async () => {
    client = connect({ metrics: counter, fieldManager: 'kube-client-spec' });
    namespace = await makeNamespace(client, 'client');
  });

  afterAll(() => {
    client.close();
  });

  it('makes 200 sequential reads on one TLS handshake', async () => {
    const own = new RequestCounter();
    const reader = connect({ metrics: own });
    for (let read = 0; read < 200; read++) {
      await reader.get(NAMESPACES, { namespace: '', name: namespace });
    }
    reader.close();
    expect(own.connections).toBe(1);
    expect(own.codes()).toEqual({ '200': 200 });
  });

  it('creates, reads, patches in three ways and deletes', async () => {
    const key = { namespace, name: 'whole' };
    const created = await client.create(CONFIG_MAPS, configMap(namespace, key.name, '1'));
    expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);

    const merged = await client.patch<ConfigMap>(CONFIG_MAPS, key, { data: { value: '2' } }, { kind: 'merge' });
    expect(merged.data).toEqual({ value: '2' });

    const operations = [{ op: 'replace', path: '/data/value', value: '3' }];
    const patched = await client.patch<ConfigMap>(CONFIG_MAPS, key, operations, { kind: 'json' });
    expect(patched.data).toEqual({ value: '3' });

    const wanted = { apiVersion: 'v1', kind: 'ConfigMap', metadata: key, data: { own: 'x' } };
    const options = { kind: 'apply', fieldManager: 'somebody', force: true } as const;
    const applied = await client.patch<ConfigMap>(CONFIG_MAPS, key, wanted, options);
    expect(applied.data).toEqual({ value: '3', own: 'x' });

    expect((await client.get<ConfigMap>(CONFIG_MAPS, key)).data).toEqual(applied.data);
    await client.delete(CONFIG_MAPS, key);
    expect(isNotFound(await failure(client.get(CONFIG_MAPS, key)))).toBe(true);
  });

  it('writes under its own field manager', async () => {
    const created = await client.create(CONFIG_MAPS, configMap(namespace, 'managed', '1'));
    const { managedFields } = created.metadata as { managedFields?: readonly { manager: string }[] };
    expect(managedFields?.map(({ manager }) => manager)).toEqual(['kube-client-spec']);
  });

  it('tells an object that exists, a lost race, a failed test and a wrong uid apart', async () => {
    const key = { namespace, name: 'contested' };
    const created = await client.create(CONFIG_MAPS, configMap(namespace, key.name, '1'));
    expect(isAlreadyExists(await failure(client.create(CONFIG_MAPS, configMap(namespace, key.name, '1'))))).toBe(true);

    await client.patch(CONFIG_MAPS, key, { data: { value: '2' } }, { kind: 'merge' });
    const outdated = { metadata: { resourceVersion: created.metadata.resourceVersion }, data: { value: '3' } };
    expect(isConflict(await failure(client.patch(CONFIG_MAPS, key, outdated, { kind: 'merge' })))).toBe(true);

    const test = [{ op: 'test', path: '/data/value', value: 'other' }];
    expect(isInvalid(await failure(client.patch(CONFIG_MAPS, key, test, { kind: 'json' })))).toBe(true);

    expect(isConflict(await failure(client.delete(CONFIG_MAPS, key, { uid: 'another-uid' })))).toBe(true);
    await client.delete(CONFIG_MAPS, key, { uid: created.metadata.uid });
  });

  it('lists in pages, with kind and apiVersion on each item', async () => {
    const room = await makeNamespace(client, 'pages');
    for (let index = 0; index < 25; index++) await client.create(CONFIG_MAPS, configMap(room, `item-${index}`, '1'));
    const names: string[] = [];
    const sizes: number[] = [];
    let token: string | undefined;
    do {
      const page = await client.list<ConfigMap>(CONFIG_MAPS, { namespace: room, limit: 10, continue: token });
      sizes.push(page.items.length);
      for (const item of page.items) {
        expect([item.kind, item.apiVersion]).toEqual(['ConfigMap', 'v1']);
        names.push(item.metadata.name);
      }
      token = page.metadata.continue;
    } while (token !== undefined);
    expect(sizes).toEqual([10, 10, 5]);
    expect(new Set(names).size).toBe(25);
  });

  it('lists metadata alone where nothing else is asked for', async () => {
    await client.create(CONFIG_MAPS, configMap(namespace, 'long', 'x'.repeat(10_000)));
    const page = await client.list<ConfigMap>(CONFIG_MAPS, { namespace, metadataOnly: true });
    const item = page.items.find(({ metadata }) => metadata.name === 'long');
    expect(item?.metadata.uid).toBeDefined();
    expect(item?.data).toBeUndefined();
  });

  it('answers a write with metadata alone where nothing else is asked for', async () => {
    const key = { namespace, name: 'brief' };
    const options = { metadataOnly: true } as const;
    const created = await client.create<ConfigMap>(CONFIG_MAPS, configMap(namespace, key.name, '1'), options);
    expect(created.data).toBeUndefined();
    const change = { data: { value: '2' } };
    const patched = await client.patch<ConfigMap>(CONFIG_MAPS, key, change, { kind: 'merge', ...options });
    expect(patched.data).toBeUndefined();
    const now = await client.get<ConfigMap>(CONFIG_MAPS, key);
    expect(now.data).toEqual({ value: '2' });
    expect(patched.metadata.resourceVersion).toBe(now.metadata.resourceVersion);
    expect(created.metadata.uid).toBe(now.metadata.uid);
  });

  it('asks the fence before each write, and sends nothing when it refuses', async () => {
    const fenced = connect({ metrics: counter });
    fenced.fenceWrites(() => {
      throw new NotLeaderError();
    });
    const key = { namespace, name: 'fenced' };
    await expect(fenced.create(CONFIG_MAPS, configMap(namespace, key.name, '1'))).rejects.toThrow(NotLeaderError);
    await expect(fenced.patch(CONFIG_MAPS, key, {}, { kind: 'merge' })).rejects.toThrow(NotLeaderError);
    await expect(fenced.delete(CONFIG_MAPS, key)).rejects.toThrow(NotLeaderError);
    await fenced.list(CONFIG_MAPS, { namespace });
    expect(isNotFound(await failure(fenced.get(CONFIG_MAPS, key)))).toBe(true);
    fenced.close();
  });

  it('makes any other call, such as a review', async () => {
    const review = await client.request<{ status: { allowed: boolean } }>({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb: 'list', resource: 'pods' } },
      },
    });
    expect(review.status.allowed).toBe(true);
    expect(await client.request<string>({ method: 'GET', path: '/readyz' })).toBe('ok');
  });

  it('ends a call when its signal is aborted, before or during it', async () => {
    const controller = new AbortController();
    const options = { namespace, signal: controller.signal };
    const call = client.list(CONFIG_MAPS, options);
    controller.abort();
    expect(isAborted(await failure(call))).toBe(true);
    expect(isAborted(await failure(client.list(CONFIG_MAPS, options)))).toBe(true);
  });

  it('gives a call up when its time is over', async () => {
    // A watch of a quiet collection: headers come only with its first line or its end when it is asked for as a plain call.
    const call = client.request({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/secrets`,
      query: { watch: true, timeoutSeconds: 20 },
      timeoutMs: 300,
    });
    const error = await failure(call);
    expect(isTransport(error)).toBe(true);
    expect(error.reason).toBe('Timeout');
  });
});
