import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Registry } from 'prom-client';
import { connect } from '../../src/modules/kube/connect.js';
import { KubeClient } from '../../src/modules/kube/kube-client.js';
import { KubeModule } from '../../src/modules/kube/kube.module.js';
import type { KubeObject, Projected, Store } from '../../src/modules/kube/resource.js';
import {
  changed,
  identityOf,
  Index,
  InjectIndex,
  InjectStore,
  OnEvent,
  Operator,
  OperatorEngine,
  OperatorModule,
  type OperatorOptions,
  owns,
  Reconcile,
  type ReconcileRequest,
  type ReconcileResult,
  type ResourceIndex,
  watch,
} from '../../src/modules/operator/index.js';
import {
  CONFIG_MAPS,
  type ConfigMapView,
  configMap,
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

let namespace = '';
let second = '';

interface WidgetView extends Projected {
  readonly size: number;
  readonly color: string;
  readonly written: number;
}

function projectWidget(raw: KubeObject): WidgetView {
  const { spec, status } = raw as Widget;
  return {
    ...identityOf(raw),
    size: spec?.size ?? 0,
    color: spec?.color ?? '',
    written: Number(status?.['written'] ?? 0),
  };
}

class Log {
  readonly lines: string[] = [];
  reconcile: (request: ReconcileRequest) => Promise<ReconcileResult | undefined> = () => Promise.resolve(undefined);

  count(line: string): number {
    return this.lines.filter((entry) => entry === line).length;
  }
}

/** Runs a widget's key when a ConfigMap names it, or is owned by it. */
@Operator({
  name: 'mapper',
  resource: WIDGETS,
  project: projectWidget,
  predicate: changed<Projected>((object) => (object as WidgetView).size),
  watches: [
    watch({
      resource: CONFIG_MAPS,
      project: projectConfigMap,
      labelSelector: 'maps=yes',
      toKeys: ({ value }) => (value === '' ? [] : [`${namespace}/${value}`]),
    }),
  ],
})
@Injectable()
class Mapper {
  constructor(
    @Inject(Log) private readonly log: Log,
    @InjectStore(WIDGETS) readonly widgets: Store<WidgetView>,
    @InjectStore(CONFIG_MAPS) readonly maps: Store<ConfigMapView>,
    @InjectIndex('widgetsByColor') readonly byColor: ResourceIndex,
  ) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace, second] };
  }

  @Index('widgetsByColor')
  color({ color }: WidgetView): string | undefined {
    return color === '' ? undefined : color;
  }

  @OnEvent(WIDGETS)
  onWidget(event: { readonly type: string }): void {
    if (event.type === 'Synced') this.log.lines.push('widgets are synced');
  }

  @Reconcile()
  async reconcile(request: ReconcileRequest): Promise<ReconcileResult | undefined> {
    this.log.lines.push(`run ${request.name}`);
    return this.log.reconcile(request);
  }
}

/** The same watches again: they are shared. */
@Operator({
  name: 'owner',
  resource: WIDGETS,
  project: projectWidget,
  watches: [owns(WIDGETS, { resource: { ...CONFIG_MAPS }, labelSelector: 'owned=yes' })],
})
@Injectable()
class Owner {
  constructor(@Inject(Log) private readonly log: Log) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace, second] };
  }

  @Reconcile()
  reconcile(request: ReconcileRequest): void {
    this.log.lines.push(`owner ${request.name}`);
  }
}

describe('Watches of operators against a real API server', () => {
  let client: KubeClient;
  let running: RunningOperators | undefined;
  let log: Log;

  const start = async (...operators: Parameters<typeof runOperators>[0]): Promise<RunningOperators> => {
    running = await runOperators([...operators, { provide: Log, useValue: log }]);
    return running;
  };
  const ran = (line: string, times = 1): Promise<void> =>
    eventually(`"${line}" happened ${times} times`, () => log.count(line) >= times);

  beforeAll(async () => {
    client = connect();
    await serveWidgets(client);
  });

  beforeEach(async () => {
    namespace = await makeNamespace(client, 'watches');
    second = await makeNamespace(client, 'watches');
    log = new Log();
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  afterAll(() => {
    client.close();
  });

  it('runs the keys that a mapped object names, before and after it changed', async () => {
    await start(Mapper);
    const map = configMap(namespace, 'map', 'a');
    await client.create(CONFIG_MAPS, { ...map, metadata: { ...map.metadata, labels: { maps: 'yes' } } });
    await ran('run a');
    await putConfigMap(client, namespace, 'map', 'b');
    await ran('run b');
    await ran('run a', 2);
    await client.delete(CONFIG_MAPS, { namespace, name: 'map' });
    await ran('run b', 2);
  });

  it('watches only what the selectors and namespaces say, asked of the API server', async () => {
    await putConfigMap(client, namespace, 'unlabelled', 'x');
    await client.create(WIDGETS, widget(second, 'b', { size: 1 }));
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    const { app, engine } = await start(Mapper);
    await ran('run a');
    await ran('run b');
    const mapper = app.get(Mapper);
    expect(mapper.widgets.size).toBe(2);
    expect(mapper.widgets.get(`${second}/b`)?.size).toBe(1);
    expect(mapper.maps.size).toBe(0);
    expect(log.count('run x')).toBe(0);
    expect(log.count('widgets are synced')).toBe(1);
    expect(
      engine
        .health()
        .watches.map(({ resource }) => resource)
        .sort(),
    ).toEqual(['configmaps', 'configmaps', 'widgets.operator.test', 'widgets.operator.test']);
  });

  it('does not run a key for a change that its predicate leaves out', async () => {
    await start(Mapper);
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1, color: 'red' }));
    await ran('run a');
    await client.patch(WIDGETS, { namespace, name: 'a' }, { spec: { color: 'blue' } }, { kind: 'merge' });
    await client.create(WIDGETS, widget(namespace, 'b', { size: 1 }));
    await ran('run b');
    expect(log.count('run a')).toBe(1);
    await client.patch(WIDGETS, { namespace, name: 'a' }, { spec: { size: 2 } }, { kind: 'merge' });
    await ran('run a', 2);
  });

  it('keeps an index in step with the cache', async () => {
    const { app } = await start(Mapper);
    const { byColor } = app.get(Mapper);
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1, color: 'red' }));
    await eventually('it is found', () => byColor.keys('red').has(`${namespace}/a`));
    await client.patch(WIDGETS, { namespace, name: 'a' }, { spec: { color: 'blue' } }, { kind: 'merge' });
    await eventually('it moved', () => byColor.keys('blue').has(`${namespace}/a`) && byColor.keys('red').size === 0);
    await client.delete(WIDGETS, { namespace, name: 'a' });
    await eventually('nothing is left', () => byColor.size === 0);
  });

  it('shares one watch among operators that want the same, and runs an owner when its own object changes', async () => {
    const { engine } = await start(Mapper, Owner);
    const parent = await client.create(WIDGETS, widget(namespace, 'parent', { size: 1 }));
    await ran('owner parent');
    await ran('run parent');
    expect(engine.health().watches.filter(({ resource }) => resource === 'widgets.operator.test')).toHaveLength(2);
    const reference = {
      apiVersion: 'operator.test/v1',
      kind: 'Widget',
      name: 'parent',
      uid: parent.metadata.uid ?? '',
    };
    const child = configMap(namespace, 'child', '1');
    await client.create(CONFIG_MAPS, {
      ...child,
      metadata: { ...child.metadata, labels: { owned: 'yes' }, ownerReferences: [reference] },
    });
    await ran('owner parent', 2);
    expect(log.count('run parent')).toBe(1);
  });

  it('does not run a key on a cache that is older than its own last write', async () => {
    const { app, engine } = await start(Mapper);
    const { widgets } = app.get(Mapper);
    const stale: string[] = [];
    let last = 0;
    log.reconcile = async ({ key, name }) => {
      const view = widgets.get(key);
      if (view === undefined) return undefined;
      if (view.written < last) stale.push(`saw ${view.written} after having written ${last}`);
      if (last >= 100) return undefined;
      last += 1;
      const answer = await client.patch<Widget>(
        WIDGETS,
        { namespace, name },
        { status: { written: last } },
        { kind: 'merge', subresource: 'status' },
      );
      engine.recordWrite('mapper', key, answer.metadata.resourceVersion ?? '');
      return { requeueAfterMs: 0 };
    };
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    await eventually('it was written a hundred times', () => last === 100);
    expect(stale).toEqual([]);
    expect(await running?.metric('operator_stale_cache_reconciles_total')).toBe(0);
  });

  it('tells a caller on this machine why a key ran and how that ended, and nobody else', async () => {
    class DebugModule {}
    Module({
      imports: [KubeModule.forRoot(), OperatorModule.forRoot({ registry: new Registry(), debugEndpoint: true })],
      providers: [Mapper, { provide: Log, useValue: log }],
    })(DebugModule);
    const app = await NestFactory.create<NestFastifyApplication>(DebugModule, new FastifyAdapter(), { logger: false });
    try {
      await app.listen(0, '127.0.0.1');
      await app.get(OperatorEngine).ready();
      let failures = 2;
      log.reconcile = () => {
        failures -= 1;
        return failures < 0 ? Promise.resolve(undefined) : Promise.reject(new Error('not yet'));
      };
      await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
      await ran('run a', 3);
      const url = `${await app.getUrl()}/debug/operator/keys/${namespace}/a`;
      const answer = (await (await fetch(url)).json()) as { operators: unknown };
      expect(answer.operators).toMatchObject([
        {
          operator: 'mapper',
          failures: 0,
          runs: [
            { attempt: 3, outcome: 'success', reason: 'retry', nextRunAfterMs: null },
            { attempt: 2, outcome: 'error', error: 'Error: not yet' },
            { attempt: 1, outcome: 'error', reason: 'widgets.operator.test added' },
          ],
        },
      ]);
      expect((await fetch(`${await app.getUrl()}/debug/operator/keys/nobody/knows`)).status).toBe(404);
      for (const headers of [
        { 'x-forwarded-for': '10.0.0.1' },
        { forwarded: 'for=10.0.0.1' },
        { host: 'evil.example' },
      ]) {
        const refused = await app.inject({
          url: `/debug/operator/keys/${namespace}/a`,
          headers,
          remoteAddress: '127.0.0.1',
        });
        expect(refused.statusCode).toBe(403);
      }
      const remote = await app.inject({
        url: `/debug/operator/keys/${namespace}/a`,
        headers: { host: 'localhost' },
        remoteAddress: '10.0.0.1',
      });
      expect(remote.statusCode).toBe(403);
    } finally {
      await app.close();
    }
  });
});
