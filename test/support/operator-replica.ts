/**
 * One replica of a test operator, as a process of its own: `operator-replica.ts NAMESPACE IDENTITY`. It says on file descriptor 3, as lines of JSON, when it is
 * ready, when it leads, and which events it sees.
 *
 * The operator notes in the status of each widget who wrote it for which size, and writes the widget `pulse` again and again.
 */
import 'reflect-metadata';
import { writeSync } from 'node:fs';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Registry } from 'prom-client';
import { systemClock, sleep } from '../../src/modules/kube/clock.js';
import { KubeClient } from '../../src/modules/kube/kube-client.js';
import { KubeModule } from '../../src/modules/kube/kube.module.js';
import type { KubeObject, Projected, ReflectorEvent, Store } from '../../src/modules/kube/resource.js';
import {
  identityOf,
  InjectStore,
  OnEvent,
  Operator,
  OperatorEngine,
  OperatorModule,
  type OperatorOptions,
  Reconcile,
  type ReconcileRequest,
  type ReconcileResult,
} from '../../src/modules/operator/index.js';
import { type Widget, WIDGETS } from './widgets.js';

const [namespace = '', identity = ''] = process.argv.slice(2);

interface WidgetView extends Projected {
  readonly size: number;
  readonly handled: number;
}

function projectWidget(raw: KubeObject): WidgetView {
  const { spec, status } = raw as Widget;
  return { ...identityOf(raw), size: spec?.size ?? 0, handled: Number(status?.['handled'] ?? -1) };
}

function say(line: object): void {
  writeSync(3, `${JSON.stringify(line)}\n`);
}

@Operator({ name: 'scribe', resource: WIDGETS, project: projectWidget })
@Injectable()
class Scribe {
  constructor(
    @Inject(KubeClient) private readonly client: KubeClient,
    @Inject(OperatorEngine) private readonly engine: OperatorEngine,
    @InjectStore(WIDGETS) private readonly widgets: Store<WidgetView>,
  ) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace], queue: { backoff: { initialMs: 50, factor: 2, maxMs: 1_000, jitter: 0.2 } } };
  }

  @OnEvent(WIDGETS)
  onWidget(event: ReflectorEvent<WidgetView>): void {
    if (event.type !== 'Synced' && event.object.name !== 'pulse')
      say({ event: `${event.object.name} ${event.object.size}` });
  }

  @Reconcile()
  async reconcile(request: ReconcileRequest): Promise<ReconcileResult | undefined> {
    const widget = this.widgets.get(request.key);
    if (widget === undefined) return undefined;
    const pulse = widget.name === 'pulse';
    if (!pulse && widget.handled === widget.size) return undefined;
    // Long enough that a process which is stopped at any moment is most likely stopped in here.
    await sleep(systemClock, 20, request.signal);
    const written = await this.client.patch<Widget>(
      WIDGETS,
      widget,
      { metadata: { uid: widget.uid }, status: { handled: widget.size, writer: identity, at: Date.now() } },
      { kind: 'merge', subresource: 'status' },
    );
    this.engine.recordWrite('scribe', request.key, written.metadata.resourceVersion ?? '');
    return pulse ? { requeueAfterMs: 20 } : undefined;
  }
}

class ReplicaModule {}
Module({
  imports: [
    KubeModule.forRoot(),
    OperatorModule.forRoot({
      registry: new Registry(),
      leaderElection: { namespace, name: 'scribe', identity },
      lease: { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 300 },
      reflector: { backoff: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0.5 } },
      shutdownGraceMs: 5_000,
    }),
  ],
  providers: [Scribe],
})(ReplicaModule);

const app = await NestFactory.createApplicationContext(ReplicaModule, { logger: ['error', 'warn'] });
process.once('SIGTERM', () => {
  app.close().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
const engine = app.get(OperatorEngine);
await engine.ready();
say({ ready: true });
let leading = false;
const timer = setInterval(() => {
  if (engine.leader === leading) return;
  leading = engine.leader;
  say({ leading });
}, 20);
timer.unref();
