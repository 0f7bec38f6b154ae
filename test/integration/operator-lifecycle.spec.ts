import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { connect } from '../../src/modules/kube/connect.js';
import { NotLeaderError } from '../../src/modules/kube/kube-api-error.js';
import { KubeClient } from '../../src/modules/kube/kube-client.js';
import { LEASES } from '../../src/modules/kube/lease-lock.js';
import type { ReflectorEvent, ResourceType } from '../../src/modules/kube/resource.js';
import {
  OnCreate,
  OnDelete,
  OnEvent,
  Operator,
  OperatorEngine,
  type OperatorOptions,
  reads,
  Reconcile,
  type ReconcileRequest,
} from '../../src/modules/operator/index.js';
import {
  CONFIG_MAPS,
  type ConfigMap,
  type ConfigMapView,
  eventually,
  makeNamespace,
  projectConfigMap,
  putConfigMap,
} from '../support/kube-fixtures.js';
import {
  type RunningOperators,
  runOperators,
  serveWidgets,
  type Widget,
  widget,
  WIDGETS,
} from '../support/operator-fixtures.js';
import { userWithRules } from '../support/operator-users.js';

let namespace = '';

/** What the tests tell the operators to do, and what those did. */
class Script {
  readonly log: string[] = [];
  run: (request: ReconcileRequest) => Promise<void> = () => Promise.resolve();
  onEvent: (event: ReflectorEvent<ConfigMapView>) => void = () => undefined;
}

@Operator({ name: 'worker', resource: CONFIG_MAPS, project: projectConfigMap })
@Injectable()
class Worker {
  constructor(@Inject(Script) private readonly script: Script) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace] };
  }

  @OnEvent(CONFIG_MAPS)
  onEvent(event: ReflectorEvent<ConfigMapView>): void {
    this.script.onEvent(event);
  }

  @Reconcile()
  async reconcile(request: ReconcileRequest): Promise<void> {
    this.script.log.push(`start ${request.name}`);
    await this.script.run(request);
    this.script.log.push(`end ${request.name}`);
  }
}

/** A resource that no API server serves: its cache never fills. */
const UNSERVED: ResourceType = {
  group: 'operator.test',
  version: 'v1',
  plural: 'phantoms',
  kind: 'Phantom',
  namespaced: true,
};

@Operator({
  name: 'reader',
  resource: CONFIG_MAPS,
  project: projectConfigMap,
  watches: [reads({ resource: UNSERVED, project: projectConfigMap })],
})
@Injectable()
class Reader {
  constructor(@Inject(Script) private readonly script: Script) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace] };
  }

  @Reconcile()
  reconcile(request: ReconcileRequest): void {
    this.script.log.push(`start ${request.name}`);
  }
}

@Operator({ name: 'gardener', resource: WIDGETS, access: [{ resource: CONFIG_MAPS, verbs: ['create', 'delete'] }] })
@Injectable()
class Gardener {
  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace] };
  }

  @OnCreate()
  created(): void {
    // The rights are what matters here.
  }

  @OnDelete()
  deleted(): void {
    // The rights are what matters here.
  }
}

describe('The life of an engine against a real API server', () => {
  let client: KubeClient;
  let running: RunningOperators | undefined;
  let script: Script;

  const gate = (): { readonly promise: Promise<void>; open(): void } => {
    let open = (): void => undefined;
    const promise = new Promise<void>((resolve) => {
      open = resolve;
    });
    return { promise, open };
  };
  const started = (name: string): Promise<void> =>
    eventually(`${name} is started`, () => script.log.includes(`start ${name}`));

  beforeAll(async () => {
    client = connect();
    await serveWidgets(client);
  });

  beforeEach(async () => {
    namespace = await makeNamespace(client, 'life');
    script = new Script();
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  afterAll(() => {
    client.close();
  });

  it('runs nothing before every cache is filled, and fails with their names when that takes too long', async () => {
    await putConfigMap(client, namespace, 'a', '1');
    const failures: Error[] = [];
    running = await runOperators([Reader, { provide: Script, useValue: script }], {
      ready: false,
      syncTimeoutMs: 1_500,
      onFatal: (error) => failures.push(error),
    });
    const { engine } = running;
    await expect(engine.ready()).rejects.toThrow(/caches of phantoms.operator.test were not filled within 1500 ms/);
    expect(failures).toHaveLength(1);
    expect(engine.synced).toBe(false);
    expect(engine.health()).toMatchObject({ live: false, synced: false });
    expect(script.log).toEqual([]);
  });

  it('lets runs that are under way end, starts no more, and then closes the watches', async () => {
    const hold = gate();
    script.run = async () => hold.promise;
    await putConfigMap(client, namespace, 'a', '1');
    running = await runOperators([Worker, { provide: Script, useValue: script }]);
    await started('a');
    const stopping = running.engine.stop({ graceMs: 20_000 });
    await putConfigMap(client, namespace, 'b', '1');
    hold.open();
    await stopping;
    expect(script.log.filter((line) => line.endsWith(' a') || line.endsWith(' b'))).toEqual(['start a', 'end a']);
  });

  it('tells a run to end when its grace is over', async () => {
    const reasons: string[] = [];
    script.run = ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          reasons.push((signal.reason as Error).message);
          resolve();
        });
      });
    await putConfigMap(client, namespace, 'a', '1');
    running = await runOperators([Worker, { provide: Script, useValue: script }]);
    await started('a');
    await running.engine.stop({ graceMs: 50 });
    expect(reasons).toContain('the process stops');
  });

  it('keeps a handler of events that throws from harming the watch or the queue, and counts it', async () => {
    script.onEvent = () => {
      throw new Error('a broken handler');
    };
    running = await runOperators([Worker, { provide: Script, useValue: script }]);
    await putConfigMap(client, namespace, 'a', '1');
    await started('a');
    expect(await running.metric('operator_event_handler_errors_total')).toBeGreaterThan(1);
  });

  it('queues a key from outside, now or later, and says when this replica does not run', async () => {
    running = await runOperators([Worker, { provide: Script, useValue: script }]);
    const { engine } = running;
    expect(engine.enqueue('worker', `${namespace}/from-outside`)).toBe(true);
    await started('from-outside');
    expect(engine.enqueue('worker', `${namespace}/later`, 30)).toBe(true);
    await started('later');
    expect(() => engine.enqueue('nobody', 'a')).toThrow(/no operator is named "nobody"/);
    await running.engine.stop();
    expect(engine.enqueue('worker', `${namespace}/too-late`)).toBe(false);
  });

  it('says in one message which rights are missing, for which operator', async () => {
    const user = await userWithRules(client, namespace, [
      { apiGroups: ['operator.test'], resources: ['widgets'], verbs: ['get', 'list', 'watch'] },
    ]);
    running = await runOperators([Gardener], { ready: false, kubeconfig: user.kubeconfig });
    await expect(running.engine.ready()).rejects.toThrow(
      `rights are missing: "gardener" may not: patch widgets.operator.test in namespace ${namespace}, ` +
        `patch widgets.operator.test/status in namespace ${namespace}, ` +
        `create events.events.k8s.io in namespace ${namespace}, create configmaps in namespace ${namespace}, ` +
        `delete configmaps in namespace ${namespace}.`,
    );
    await running.stop();
    running = undefined;
    await user.grant([
      { apiGroups: ['operator.test'], resources: ['widgets'], verbs: ['get', 'list', 'watch', 'patch'] },
      { apiGroups: ['operator.test'], resources: ['widgets/status'], verbs: ['patch'] },
      { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'delete'] },
    ]);
    running = await runOperators([Gardener], { kubeconfig: user.kubeconfig });
    await client.create(WIDGETS, widget(namespace, 'a'));
    await eventually('the operator works with these rights', async () => {
      const { status } = await client.get<Widget>(WIDGETS, { namespace, name: 'a' });
      return status?.observedGeneration === 1;
    });
  });

  it('refuses the write of a run during which the event loop stalled past the renew deadline', async () => {
    const errors: unknown[] = [];
    script.run = async ({ key, name }) => {
      if (name !== 'a' || errors.length > 0) return;
      await eventually('the application is in hand', () => running !== undefined);
      const own = running?.app.get(KubeClient) ?? client;
      // Somebody else takes the lease, so that it can't be won back at once.
      const usurper = { spec: { holderIdentity: 'two', leaseDurationSeconds: 30 } };
      await client.patch(LEASES, { namespace, name: 'worker' }, usurper, { kind: 'merge' });
      const until = performance.now() + 1_200;
      // No timer runs meanwhile: nothing but the clock can tell that the lease is lost.
      while (performance.now() < until);
      try {
        await own.patch(CONFIG_MAPS, { namespace, name }, { data: { value: 'too late' } }, { kind: 'merge' });
        errors.push(`${key} was written`);
      } catch (error) {
        errors.push(error);
        throw error;
      }
    };
    await putConfigMap(client, namespace, 'a', '1');
    running = await runOperators([Worker, { provide: Script, useValue: script }], {
      leaderElection: { namespace, name: 'worker', identity: 'one' },
      lease: { leaseDurationMs: 2_000, renewDeadlineMs: 1_000, retryPeriodMs: 200 },
    });
    await eventually('it tried to write', () => errors.length > 0);
    expect(errors).toEqual([expect.any(NotLeaderError)]);
    const fenced = running;
    await eventually('it is counted', async () => (await fenced.metric('operator_fenced_reconciles_total')) === 1);
    expect(await running.metric('controller_runtime_reconcile_errors_total')).toBe(0);
    const map = await client.get<ConfigMap>(CONFIG_MAPS, { namespace, name: 'a' });
    expect(map.data).toEqual({ value: '1' });
  });

  it('finds the engine’s operators by their decorator, whoever provides them', async () => {
    running = await runOperators([Worker, Gardener, { provide: Script, useValue: script }]);
    expect([...running.app.get(OperatorEngine).runners.keys()].sort()).toEqual(['gardener', 'worker']);
  });
});
