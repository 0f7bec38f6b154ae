import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { loadYaml } from '@kubernetes/client-node';
import { type Site, SITES } from '../../examples/sites/site.js';
import { SiteOperator } from '../../examples/sites/site.operator.js';
import { connect } from '../../src/modules/kube/connect.js';
import { isAlreadyExists, isNotFound } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { KubeObject, ResourceType } from '../../src/modules/kube/resource.js';
import { EVENTS, rbacRules } from '../../src/modules/operator/index.js';
import { CONFIG_MAPS, type ConfigMap, eventually, makeNamespace } from '../support/kube-fixtures.js';
import { type RunningOperators, runOperators } from '../support/operator-fixtures.js';

const DEFINITIONS: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

describe('The example operator against a real API server', () => {
  let client: KubeClient;
  let running: RunningOperators | undefined;
  let namespace: string;
  let web: string;

  const site = (text: string): Site => ({
    apiVersion: 'example.datapath.observer/v1',
    kind: 'Site',
    metadata: { namespace, name: 'hello' },
    spec: { text, publishIn: web },
  });
  const published = async (): Promise<string | undefined> => {
    try {
      const map = await client.get<ConfigMap>(CONFIG_MAPS, { namespace: web, name: `site-${namespace}-hello` });
      return map.data?.['text'];
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  beforeAll(async () => {
    client = connect();
    const file = new URL('../../examples/sites/site.crd.yaml', import.meta.url);
    const crd = loadYaml<KubeObject>(await readFile(file, 'utf8'));
    await client.create(DEFINITIONS, crd).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
    await eventually('sites are served', async () => {
      try {
        await client.list(SITES, { limit: 1 });
        return true;
      } catch (error) {
        if (isNotFound(error)) return false;
        throw error;
      }
    });
  });

  beforeEach(async () => {
    namespace = await makeNamespace(client, 'sites');
    web = await makeNamespace(client, 'web');
    running = await runOperators([SiteOperator]);
  });

  afterEach(async () => {
    await running?.stop();
  });

  afterAll(() => {
    client.close();
  });

  it('publishes a site, follows its changes, mends what others change, and cleans up before it goes', async () => {
    await client.create(SITES, site('Hello'));
    await eventually('it is published', async () => (await published()) === 'Hello');
    await client.patch(SITES, { namespace, name: 'hello' }, { spec: { text: 'Good day' } }, { kind: 'merge' });
    await eventually('the change is published', async () => (await published()) === 'Good day');
    await eventually('the status says so', async () => {
      const { metadata, status } = await client.get<Site & { status?: { observedGeneration?: number } }>(SITES, {
        namespace,
        name: 'hello',
      });
      return status?.observedGeneration === metadata.generation;
    });
    const map = { namespace: web, name: `site-${namespace}-hello` };
    await client.patch(CONFIG_MAPS, map, { data: { text: 'Defaced' } }, { kind: 'merge' });
    await eventually('it is mended', async () => (await published()) === 'Good day');
    await client.delete(SITES, { namespace, name: 'hello' });
    await eventually('both are gone', async () => {
      const { items } = await client.list(SITES, { namespace });
      return items.length === 0 && (await published()) === undefined;
    });
  });

  it('writes nothing while nothing changes, although its timer runs', async () => {
    await client.create(SITES, site('Hello'));
    await eventually('it is published', async () => (await published()) === 'Hello');
    const runs = async (): Promise<number> =>
      (await running?.metric('controller_runtime_reconcile_total', { result: 'requeue_after' })) ?? 0;
    await eventually('it has settled', async () => (await runs()) >= 3);
    const versions = async (): Promise<string[]> => {
      const [map, object] = await Promise.all([
        client.get(CONFIG_MAPS, { namespace: web, name: `site-${namespace}-hello` }),
        client.get(SITES, { namespace, name: 'hello' }),
      ]);
      return [map, object].map(({ metadata }) => metadata.resourceVersion ?? '');
    };
    const before = await versions();
    const ran = await runs();
    await eventually('the timer ran again', async () => (await runs()) > ran);
    expect(await versions()).toEqual(before);
    const events = await client.list<KubeObject & { readonly note?: string }>(EVENTS, { namespace });
    expect(events.items.map(({ note }) => note)).toEqual(['The ConfigMap says "Hello"']);
  });

  it('needs these rights and no others', () => {
    expect(rbacRules([SiteOperator])).toEqual([
      { apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'patch', 'delete'] },
      { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
      { apiGroups: ['example.datapath.observer'], resources: ['sites'], verbs: ['get', 'list', 'watch', 'patch'] },
      { apiGroups: ['example.datapath.observer'], resources: ['sites/status'], verbs: ['patch'] },
    ]);
  });
});
