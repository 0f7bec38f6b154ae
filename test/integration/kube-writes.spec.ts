import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock, systemRandom } from '../../src/modules/kube/clock.js';
import { connect } from '../../src/modules/kube/connect.js';
import { EventRecorder, EVENTS } from '../../src/modules/kube/event-recorder.js';
import { addFinalizer, removeFinalizer } from '../../src/modules/kube/finalizers.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { LEASES } from '../../src/modules/kube/lease-lock.js';
import { LeaderElector } from '../../src/modules/kube/lease.js';
import { LogDigest } from '../../src/modules/kube/log-digest.js';
import { silentLogger } from '../../src/modules/kube/logger.js';
import type { KubeObject } from '../../src/modules/kube/resource.js';
import { FakeClock } from '../support/fake-clock.js';
import { CONFIG_MAPS, type ConfigMap, configMap, eventually, makeNamespace } from '../support/kube-fixtures.js';

describe('writes against a real API server', () => {
  let client: KubeClient;
  let namespace: string;

  beforeAll(async () => {
    client = connect({ fieldManager: 'kube-writes-spec' });
    namespace = await makeNamespace(client, 'writes');
  });

  afterAll(() => {
    client.close();
  });

  describe('finalizers', () => {
    it('of ten controllers that act at once are all kept, and all removed again', async () => {
      const names = Array.from({ length: 10 }, (_, index) => `example.org/controller-${index}`);
      const object = await client.create(CONFIG_MAPS, configMap(namespace, 'contested', '1'));
      // Everyone starts from the same, soon outdated, state; each may lose a few races.
      const add = async (name: string): Promise<void> => {
        for (let attempt = 0; attempt < 4; attempt++) {
          const done = await addFinalizer(client, CONFIG_MAPS, object, name).catch(() => undefined);
          if (done !== undefined) return;
        }
      };
      await Promise.all(names.map(add));
      const full = await client.get<ConfigMap>(CONFIG_MAPS, { namespace, name: 'contested' });
      expect([...(full.metadata.finalizers ?? [])].sort()).toEqual(names);

      const remove = async (name: string): Promise<void> => {
        for (let attempt = 0; attempt < 4; attempt++) {
          try {
            await removeFinalizer(client, CONFIG_MAPS, full, name);
            return;
          } catch {
            // Lost five races in a row; the others are fewer now.
          }
        }
      };
      await Promise.all(names.map(remove));
      const empty = await client.get<ConfigMap>(CONFIG_MAPS, { namespace, name: 'contested' });
      expect(empty.metadata.finalizers ?? []).toEqual([]);
    });

    it('are not added to an object that is being deleted, and let it go when removed', async () => {
      const object = await client.create(CONFIG_MAPS, configMap(namespace, 'leaving', '1'));
      const held = await addFinalizer(client, CONFIG_MAPS, object, 'example.org/hold');
      expect(held?.metadata.finalizers).toEqual(['example.org/hold']);
      await client.delete(CONFIG_MAPS, { namespace, name: 'leaving' });
      expect(await addFinalizer(client, CONFIG_MAPS, object, 'example.org/late')).toBeUndefined();
      if (held === undefined) throw new Error('the finalizer was not added');
      await removeFinalizer(client, CONFIG_MAPS, held, 'example.org/hold');
      expect(await removeFinalizer(client, CONFIG_MAPS, held, 'example.org/hold')).toBeUndefined();
    });

    it('never touch a successor of the same name', async () => {
      const first = await client.create(CONFIG_MAPS, configMap(namespace, 'renamed', '1'));
      await client.delete(CONFIG_MAPS, { namespace, name: 'renamed' });
      await client.create(CONFIG_MAPS, configMap(namespace, 'renamed', '2'));
      expect(await addFinalizer(client, CONFIG_MAPS, first, 'example.org/hold')).toBeUndefined();
      const second = await client.get<ConfigMap>(CONFIG_MAPS, { namespace, name: 'renamed' });
      expect(second.metadata.finalizers).toBeUndefined();
    });
  });

  describe('Events', () => {
    it('are written once in ten minutes for the same object, reason and message', async () => {
      const clock = new FakeClock(Date.now());
      const recorder = new EventRecorder({
        client,
        controller: 'example.org/spec',
        instance: 'spec-0',
        clock,
        random: systemRandom,
        digest: new LogDigest(silentLogger, clock),
      });
      const object = await client.create(CONFIG_MAPS, configMap(namespace, 'told', '1'));
      const subject = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'told', uid: object.metadata.uid ?? '' };
      const note = { type: 'Warning', reason: 'Late', action: 'Measuring', message: 'took too long' } as const;
      for (let time = 0; time < 5; time++) recorder.record(subject, note);
      recorder.record(subject, { ...note, message: 'took even longer' });
      await recorder.flush(10_000);
      expect(recorder.counts).toEqual({ written: 2, suppressed: 4, dropped: 0 });
      clock.freeze(600_001);
      recorder.record(subject, note);
      await recorder.flush(10_000);
      const { items } = await client.list<KubeObject & { note?: string; regarding?: { uid?: string } }>(EVENTS, {
        namespace,
      });
      const own = items.filter(({ regarding }) => regarding?.uid === subject.uid);
      expect(own.map(({ note: text }) => text).sort()).toEqual(['took even longer', 'took too long', 'took too long']);
    });
  });

  describe('a Lease', () => {
    const electors: LeaderElector[] = [];

    const elect = (identity: string): LeaderElector => {
      const elector = new LeaderElector({
        client,
        lease: { namespace, name: 'leader' },
        identity,
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
        settings: { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 300 },
      });
      electors.push(elector);
      elector.start();
      return elector;
    };

    afterEach(async () => {
      for (const elector of electors.splice(0)) await elector.stop();
    });

    it('has one leader of three, and another soon after that one gives it back', async () => {
      const group = ['a', 'b', 'c'].map(elect);
      const leading = (): LeaderElector[] => group.filter((elector) => elector.isLeader());
      await eventually('somebody leads', () => leading().length > 0);
      const [first] = leading();
      if (first === undefined) throw new Error('nobody leads');
      expect(leading()).toHaveLength(1);
      await first.stop();
      expect(first.isLeader()).toBe(false);
      await eventually('another leads', () => leading().length === 1 && leading()[0] !== first, 5_000);
      const lease = await client.get<KubeObject & { spec?: Record<string, unknown> }>(LEASES, {
        namespace,
        name: 'leader',
      });
      expect(lease.spec).toMatchObject({
        holderIdentity: leading()[0]?.identity,
        leaseTransitions: 1,
        leaseDurationSeconds: 3,
      });
    });

    it('is taken over only after it expired when its leader is gone without a word', async () => {
      await client.delete(LEASES, { namespace, name: 'leader' });
      const holder = {
        holderIdentity: 'dead',
        leaseDurationSeconds: 3,
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      };
      const lease = { metadata: { namespace, name: 'leader' }, spec: holder };
      await client.create(LEASES, lease);
      const startedAt = performance.now();
      const heir = elect('heir');
      await eventually('the heir leads', () => heir.isLeader(), 10_000);
      expect(performance.now() - startedAt).toBeGreaterThan(2_900);
    });
  });
});
