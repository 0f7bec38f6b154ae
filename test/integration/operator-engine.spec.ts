import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { ReflectorEvent, Store } from '../../src/modules/kube/resource.js';
import {
  InjectStore,
  OnEvent,
  Operator,
  type OperatorOptions,
  Reconcile,
  type ReconcileRequest,
} from '../../src/modules/operator/index.js';
import {
  CONFIG_MAPS,
  type ConfigMapView,
  deleteConfigMap,
  eventually,
  makeNamespace,
  projectConfigMap,
  putConfigMap,
} from '../support/kube-fixtures.js';
import { type RunningOperators, runOperators } from '../support/operator-fixtures.js';

let namespace = '';

@Operator({ name: 'recorder', resource: CONFIG_MAPS, project: projectConfigMap })
@Injectable()
class Recorder {
  readonly log: string[] = [];
  reconcileWith: (request: ReconcileRequest) => Promise<void> = async () => undefined;

  constructor(@InjectStore(CONFIG_MAPS) readonly store: Store<ConfigMapView>) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace] };
  }

  @OnEvent(CONFIG_MAPS)
  onEvent(event: ReflectorEvent<ConfigMapView>): void {
    this.log.push(event.type === 'Synced' ? 'event Synced' : `event ${event.type} ${event.object.name}`);
  }

  @Reconcile()
  async reconcile(request: ReconcileRequest): Promise<void> {
    this.log.push(`reconcile ${request.name} ${this.store.get(request.key)?.value ?? 'gone'}`);
    await this.reconcileWith(request);
  }
}

describe('OperatorEngine against a real API server', () => {
  let client: KubeClient;
  let running: RunningOperators | undefined;

  const start = async (): Promise<Recorder> => {
    running = await runOperators([Recorder]);
    return running.app.get(Recorder);
  };

  beforeAll(() => {
    client = connect();
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  afterAll(() => {
    client.close();
  });

  it('reconciles what exists at the start and what changes later, each after its event was seen', async () => {
    namespace = await makeNamespace(client, 'engine');
    await putConfigMap(client, namespace, 'before', '1');
    const recorder = await start();
    await eventually('the first object is reconciled', () => recorder.log.includes('reconcile before 1'));
    await putConfigMap(client, namespace, 'later', '1');
    await eventually('the second object is reconciled', () => recorder.log.includes('reconcile later 1'));
    await putConfigMap(client, namespace, 'later', '2');
    await eventually('the change is reconciled', () => recorder.log.includes('reconcile later 2'));
    await deleteConfigMap(client, namespace, 'later');
    await eventually('the deletion is reconciled', () => recorder.log.includes('reconcile later gone'));
    const log = recorder.log.filter(
      (line) => line.includes('before') || line.includes('later') || line.includes('Synced'),
    );
    expect(log.indexOf('event Added before')).toBeLessThan(log.indexOf('event Synced'));
    expect(log.indexOf('event Synced')).toBeLessThan(log.indexOf('reconcile before 1'));
    expect(log.indexOf('event Added later')).toBeLessThan(log.indexOf('reconcile later 1'));
    expect(log.indexOf('event Deleted later')).toBeLessThan(log.indexOf('reconcile later gone'));
  });
});
