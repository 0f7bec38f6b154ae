import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { Reflector } from '../../src/modules/kube/reflector.js';
import type { ReflectorSettings } from '../../src/modules/kube/reflector-settings.js';
import { Churn } from '../support/churn.js';
import { RequestCounter } from '../support/request-counter.js';
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

  it('sees objects enter and leave a label selector', async () => {
    const { reflector, ledger } = await follow({}, 'team=red');
    await client.create(CONFIG_MAPS, labelled('selected', 'blue'));
    await client.patch(
      CONFIG_MAPS,
      { namespace, name: 'selected' },
      { metadata: { labels: { team: 'red' } } },
      { kind: 'merge' },
    );
    await eventually('it enters', () => reflector.get(`${namespace}/selected`) !== undefined);
    await client.patch(
      CONFIG_MAPS,
      { namespace, name: 'selected' },
      { metadata: { labels: { team: 'blue' } } },
      { kind: 'merge' },
    );
    await eventually('it leaves', () => reflector.get(`${namespace}/selected`) === undefined);
    expect(ledger.events.map((event) => event.type)).toEqual(['Synced', 'Added', 'Deleted']);
  });

  it('marks what came live, with the time at which its bytes arrived', async () => {
    const { ledger } = await follow();
    const before = BigInt(Date.now()) * 1_000_000n;
    await client.create(CONFIG_MAPS, configMap(namespace, 'timed', '1'));
    await eventually('it arrives', () => ledger.objects.has(`${namespace}/timed`));
    const listed = ledger.events.filter((event) => event.type === 'Added' && !event.live);
    expect(listed.length).toBeGreaterThan(0);
    const event = ledger.events.at(-1);
    expect(event).toMatchObject({ type: 'Added', live: true, object: { name: 'timed' } });
    expect(event?.receivedAt).toBeGreaterThanOrEqual(before);
    expect(event?.receivedAt).toBeLessThanOrEqual(BigInt(Date.now()) * 1_000_000n);
  });

  it('goes on watching from its version when the server ends a watch at its time, repeating nothing', async () => {
    const { reflector, ledger } = await follow({ watchTimeoutMs: [1_000, 1_000], healthyAfterMs: 500 });
    for (let index = 0; index < 12; index++) {
      await putConfigMap(client, namespace, 'steady', String(index));
      await new Promise((resolve) => {
        setTimeout(resolve, 250);
      });
    }
    await eventually('watches end', () => (reflector.status().restarts['timeout'] ?? 0) >= 2);
    await eventually('the last value arrives', () => reflector.get(`${namespace}/steady`)?.value === '11');
    expect(ledger.contradictions).toEqual([]);
    expect(reflector.status().relists).toBe(0);
  });

  it('isolates a listener that throws, and an object that cannot be projected', async () => {
    const reflector = new Reflector({
      client,
      type: CONFIG_MAPS,
      namespace,
      project: (raw) => {
        if (raw.metadata.name === 'poison') throw new Error('cannot read this one');
        return projectConfigMap(raw);
      },
    });
    running.push(reflector);
    const heard: string[] = [];
    reflector.listen(() => {
      throw new Error('a listener with a fault');
    });
    reflector.listen((event) => heard.push(event.type === 'Synced' ? 'Synced' : event.object.name));
    reflector.start();
    await eventually('it is synced', () => reflector.synced);
    await client.create(CONFIG_MAPS, configMap(namespace, 'poison', '1'));
    await client.create(CONFIG_MAPS, configMap(namespace, 'wholesome', '1'));
    await eventually('the next object arrives', () => heard.includes('wholesome'));
    expect(heard).not.toContain('poison');
    const status = reflector.status();
    expect(status.projectionErrors).toBe(1);
    expect(status.listenerErrors).toBe(heard.length);
  });

  it('finds no fault in verifications while everything changes', async () => {
    const { reflector } = await follow({ verifyEveryMs: [200, 300], verifyCatchUpMs: 5_000 });
    const churn = new Churn(client, namespace, 20, 2);
    churn.start();
    await eventually(
      'ten verifications passed, and a hundred changes',
      () => reflector.status().verifications >= 10 && churn.changes > 100,
      60_000,
    );
    await churn.stop();
    expect(reflector.status()).toMatchObject({ missedEvents: 0, relists: 0 });
  });

  it('may be stopped at any moment, and then nothing is delivered and nothing is open', async () => {
    for (const delayMs of [0, 1, 3, 8, 20, 60]) {
      const metrics = new RequestCounter();
      const own = connect({ metrics });
      const settings = { streamInitialList: delayMs % 2 === 0, pageSize: 5 };
      const reflector = new Reflector({
        client: own,
        type: CONFIG_MAPS,
        project: projectConfigMap,
        namespace,
        settings,
      });
      let events = 0;
      reflector.listen(() => events++);
      reflector.start();
      await new Promise((resolve) => {
        setTimeout(resolve, delayMs);
      });
      await reflector.stop();
      const [heard, requests] = [events, metrics.requests.length];
      await putConfigMap(client, namespace, 'afterwards', String(delayMs));
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
      expect([events, metrics.requests.length]).toEqual([heard, requests]);
      expect(reflector.status()).toMatchObject({ state: 'stopped', stuck: false });
      own.close();
    }
  });

  const labelled = (name: string, team: string) => {
    const object = configMap(namespace, name, '1');
    return { ...object, metadata: { ...object.metadata, labels: { team } } };
  };
});
