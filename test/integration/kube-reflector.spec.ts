import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { Reflector } from '../../src/modules/kube/reflector.js';
import type { ReflectorSettings } from '../../src/modules/kube/reflector-settings.js';
import {
  CONFIG_MAPS,
  type ConfigMapView,
  configMap,
  deleteConfigMap,
  describeList,
  describeStore,
  EventLedger,
  eventually,
  makeNamespace,
  projectConfigMap,
  putConfigMap,
} from '../support/kube-fixtures.js';

describe('Reflector against a real API server', () => {
  let client: KubeClient;
  let namespace: string;
  const running: Reflector<ConfigMapView>[] = [];

  const follow = async (settings: Partial<ReflectorSettings> = {}, labelSelector?: string) => {
    const reflector = new Reflector({
      client,
      type: CONFIG_MAPS,
      project: projectConfigMap,
      namespace,
      labelSelector,
      settings,
    });
    running.push(reflector);
    const ledger = new EventLedger();
    reflector.listen(ledger.take);
    reflector.start();
    await eventually('the reflector is synced', () => reflector.synced);
    return { reflector, ledger };
  };

  beforeAll(async () => {
    client = connect();
    namespace = await makeNamespace(client, 'reflector');
  });

  afterEach(async () => {
    for (const reflector of running.splice(0)) await reflector.stop();
  });

  afterAll(() => {
    client.close();
  });

  it.each([
    ['streams its first list', true],
    ['lists in pages', false],
  ])('%s, then follows creations, changes and deletions', async (_how, streamInitialList) => {
    for (let index = 0; index < 25; index++) await putConfigMap(client, namespace, `before-${index}`, '1');
    const { reflector, ledger } = await follow({ streamInitialList, pageSize: 10 });
    expect(describeStore(reflector)).toEqual(await describeList(client, namespace));
    expect(ledger.events.at(-1)?.type).toBe('Synced');

    await putConfigMap(client, namespace, 'before-3', '2');
    await deleteConfigMap(client, namespace, 'before-4');
    await client.create(CONFIG_MAPS, configMap(namespace, `after-${streamInitialList}`, '1'));
    await eventually(
      'the changes arrive',
      () => reflector.get(`${namespace}/after-${streamInitialList}`) !== undefined,
    );

    const live = ledger.events.slice(ledger.events.findIndex((event) => event.type === 'Synced') + 1);
    expect(live.map((event) => event.type)).toEqual(['Modified', 'Deleted', 'Added']);
    expect(describeStore(reflector)).toEqual(await describeList(client, namespace));
    expect(ledger.describe()).toEqual(describeStore(reflector));
    expect(ledger.contradictions).toEqual([]);
    expect(reflector.status()).toMatchObject({ state: 'watching', relists: 0, missedEvents: 0, stuck: false });
  });
});
