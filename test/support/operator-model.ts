/** A small operator, two replicas of it, and everything that users and misfortune may do to them: for tests that try random sequences. */
import { Inject, Injectable } from '@nestjs/common';
import fc from 'fast-check';
import { isConflict, isNotFound } from '../../src/modules/kube/kube-api-error.js';
import { KubeClient } from '../../src/modules/kube/kube-client.js';
import { LEASES } from '../../src/modules/kube/lease-lock.js';
import { formatKey, type KubeObject } from '../../src/modules/kube/resource.js';
import {
  type HandlerContext,
  OnCreate,
  OnDelete,
  OnUpdate,
  Operator,
  type OperatorOptions,
  Reconcile,
  type ReconcileRequest,
  watch,
  wholeObject,
} from '../../src/modules/operator/index.js';
import { CONFIG_MAPS, type ConfigMap, eventually, makeNamespace } from './kube-fixtures.js';
import { type RunningOperators, runOperators, type Widget, widget, WIDGETS } from './operator-fixtures.js';
import type { ProxiedKubeconfig } from './proxied-kubeconfig.js';

const COPY = 'copy-of-';

/** What the operators of one run share: where they work, and how often they are to fail. */
export class World {
  namespace = '';
  failures = 0;
  /** A fault of the operator itself: what others do to copies isn't mended. */
  negligent = false;

  /** Stands for a crash: before or after a write, as the caller places it. */
  failMaybe(): void {
    if (this.failures === 0) return;
    this.failures -= 1;
    throw new Error('a fault of the test');
  }
}

/** Keeps one ConfigMap for each widget, with the widget's size. */
@Operator({
  name: 'mirror',
  resource: WIDGETS,
  watches: [
    watch({
      resource: CONFIG_MAPS,
      project: wholeObject,
      toKeys: ({ namespace, name }) =>
        name.startsWith(COPY) ? [formatKey({ namespace, name: name.slice(COPY.length) })] : [],
    }),
  ],
})
@Injectable()
export class Mirror {
  constructor(
    @Inject(KubeClient) private readonly client: KubeClient,
    @Inject(World) private readonly world: World,
  ) {}

  operatorOptions(): Partial<OperatorOptions> {
    return {
      namespaces: [this.world.namespace],
      queue: { backoff: { initialMs: 10, factor: 2, maxMs: 200, jitter: 0.2 } },
      ownWriteWaitMs: 1_000,
    };
  }

  @OnCreate()
  @OnUpdate()
  async copy(object: Widget, { signal, setStatus }: HandlerContext): Promise<void> {
    this.world.failMaybe();
    await this.#apply(object, signal);
    this.world.failMaybe();
    setStatus({ copied: object.spec?.size ?? null });
  }

  @OnDelete()
  async remove(object: Widget, { signal }: HandlerContext): Promise<void> {
    this.world.failMaybe();
    try {
      await this.client.delete(CONFIG_MAPS, copyKey(object), {}, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.world.failMaybe();
  }

  /** Mends copies that others changed or removed. */
  @Reconcile()
  async mend({ key, signal }: ReconcileRequest): Promise<void> {
    if (this.world.negligent) return;
    const object = await this.#read(key, signal);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
    await this.#apply(object, signal);
  }

  async #read(key: string, signal: AbortSignal): Promise<Widget | undefined> {
    const [namespace = '', name = ''] = key.split('/');
    try {
      return await this.client.get<Widget>(WIDGETS, { namespace, name }, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #apply(object: Widget, signal: AbortSignal): Promise<void> {
    const key = copyKey(object);
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: key, data: { size: String(object.spec?.size) } };
    await this.client.patch(CONFIG_MAPS, key, body, { kind: 'apply', fieldManager: 'mirror', force: true, signal });
  }
}

function copyKey({ metadata }: KubeObject): { readonly namespace: string; readonly name: string } {
  return { namespace: metadata.namespace ?? '', name: `${COPY}${metadata.name}` };
}

export type Command =
  | { readonly do: 'put'; readonly name: string; readonly size: number }
  | { readonly do: 'delete' | 'deface' | 'loseCopy'; readonly name: string }
  | { readonly do: 'fail'; readonly times: number }
  | { readonly do: 'restart' | 'crash'; readonly replica: number }
  | { readonly do: 'usurp' | 'cut' | 'heal' | 'settle' };

const name = fc.constantFrom('a', 'b', 'c');
const replica = fc.integer({ min: 0, max: 1 });
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), name, size: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('delete' as const, 'deface' as const, 'loseCopy' as const), name }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fail' as const), times: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'crash' as const), replica }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('usurp' as const, 'cut' as const, 'heal' as const, 'settle' as const) }),
  },
);

export const commands = fc.array(command, { minLength: 3, maxLength: 25 });

/** Two replicas of the operator in one namespace, the second behind a proxy that can fail. */
export class Stage {
  readonly world = new World();
  /** How long the operator may take to come to rest, milliseconds. */
  settleMs = 20_000;
  readonly #client: KubeClient;
  readonly #proxied: ProxiedKubeconfig;
  readonly #replicas: (RunningOperators | undefined)[] = [undefined, undefined];
  #count = 0;

  constructor(client: KubeClient, proxied: ProxiedKubeconfig) {
    this.#client = client;
    this.#proxied = proxied;
  }

  async open(): Promise<void> {
    this.world.namespace = await makeNamespace(this.#client, 'model');
    await this.#start(0);
    await this.#start(1);
  }

  async run(step: Command): Promise<void> {
    const { namespace } = this.world;
    switch (step.do) {
      case 'put':
        return this.#put(step.name, step.size);
      case 'delete':
        return this.#delete(step.name);
      case 'deface': {
        const key = { namespace, name: `${COPY}${step.name}` };
        return ignoreNotFound(this.#client.patch(CONFIG_MAPS, key, { data: { size: 'defaced' } }, { kind: 'merge' }));
      }
      case 'loseCopy':
        return ignoreNotFound(this.#client.delete(CONFIG_MAPS, { namespace, name: `${COPY}${step.name}` }));
      case 'fail':
        this.world.failures += step.times;
        return;
      case 'restart':
        await this.#replicas[step.replica]?.stop();
        return this.#start(step.replica);
      case 'crash':
        // Everything at once: runs are aborted, and whatever they wrote last stays half-done.
        await this.#replicas[step.replica]?.engine.stop({ graceMs: 0 });
        await this.#replicas[step.replica]?.stop();
        return this.#start(step.replica);
      case 'usurp':
        // Somebody takes the lease for a second: whoever led must stop, and somebody leads again later.
        return ignoreNotFound(
          this.#client.patch(
            LEASES,
            { namespace, name: 'mirror' },
            {
              spec: {
                holderIdentity: 'usurper',
                leaseDurationSeconds: 1,
                renewTime: new Date().toISOString().replace('Z', '000Z'),
              },
            },
            { kind: 'merge' },
          ),
        );
      case 'cut':
        return this.#proxied.proxy.refuse();
      case 'heal':
        return this.#proxied.proxy.heal();
      case 'settle':
        return this.settle();
      default: {
        const exhaustiveCheck: never = step;
        return exhaustiveCheck;
      }
    }
  }

  /** Until the state is what the objects ask for. */
  async settle(): Promise<void> {
    let wrong: unknown;
    await eventually(
      'the state is what the objects ask for',
      async () => {
        wrong = await this.#difference();
        return wrong === undefined;
      },
      this.settleMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(wrong)}`);
    });
  }

  /** Runs every key once more. */
  async reconcileAgain(): Promise<void> {
    let leader: RunningOperators | undefined;
    const { items } = await this.#client.list(WIDGETS, { namespace: this.world.namespace });
    await eventually(
      'a replica takes all keys',
      () => {
        leader = this.#replicas.find((one) => one?.engine.leader === true);
        return (
          leader !== undefined &&
          items.every(({ metadata }) => leader?.engine.enqueue('mirror', formatKey(keyOf(metadata))) === true)
        );
      },
      20_000,
    );
    const pool = leader?.engine.runners.get('mirror')?.pool;
    await eventually('every key has run', () => pool?.queue.depth === 0 && pool.active === 0);
  }

  /** The version of every object that is about the widgets. */
  async versions(): Promise<Record<string, string | undefined>> {
    const [widgets, copies] = await this.#lists();
    return Object.fromEntries(
      [...widgets, ...copies].map(({ kind, metadata }) => [`${kind}/${metadata.name}`, metadata.resourceVersion]),
    );
  }

  async close(): Promise<void> {
    this.world.failures = 0;
    await this.#proxied.proxy.heal();
    await Promise.all(this.#replicas.map(async (each) => each?.stop()));
    const [widgets] = await this.#lists();
    // A finalizer that nobody is left to remove would keep them.
    for (const { metadata } of widgets) {
      await ignoreNotFound(
        this.#client.patch(WIDGETS, keyOf(metadata), { metadata: { finalizers: null } }, { kind: 'merge' }),
      );
      await ignoreNotFound(this.#client.delete(WIDGETS, keyOf(metadata)));
    }
  }

  async #put(widgetName: string, size: number): Promise<void> {
    const { namespace } = this.world;
    try {
      await this.#client.patch(WIDGETS, { namespace, name: widgetName }, { spec: { size } }, { kind: 'merge' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.#client.create(WIDGETS, widget(namespace, widgetName, { size }));
    }
  }

  /**
   * Deletes the version that is there. An API server that has taken in a deletion without one removes the object even if a finalizer is
   * added meanwhile (seen with 1.37): no operator can do anything about that.
   */
  async #delete(widgetName: string): Promise<void> {
    const key = { namespace: this.world.namespace, name: widgetName };
    for (;;) {
      try {
        const { metadata } = await this.#client.get<Widget>(WIDGETS, key);
        return await this.#client.delete(WIDGETS, key, { resourceVersion: metadata.resourceVersion });
      } catch (error) {
        if (isNotFound(error)) return;
        if (!isConflict(error)) throw error;
      }
    }
  }

  async #start(index: number): Promise<void> {
    this.#count += 1;
    this.#replicas[index] = await runOperators([Mirror, { provide: World, useValue: this.world }], {
      // The one behind the proxy may find it cut.
      ready: index === 0,
      ...(index === 1 ? { kubeconfig: this.#proxied.kubeconfig } : {}),
      leaderElection: { namespace: this.world.namespace, name: 'mirror', identity: `replica-${this.#count}` },
      lease: { leaseDurationMs: 1_000, renewDeadlineMs: 700, retryPeriodMs: 100 },
      reflector: { backoff: { initialMs: 20, factor: 2, maxMs: 300, jitter: 0.5 } },
      abortGraceMs: 200,
    });
  }

  /** How the state differs from the pure function of the widgets; undefined when it doesn't. */
  async #difference(): Promise<unknown> {
    const [widgets, copies] = await this.#lists();
    const wanted: Record<string, unknown> = {};
    const present: Record<string, unknown> = {};
    for (const { metadata, spec, status } of widgets) {
      wanted[`Widget ${metadata.name}`] = { deleting: false, generation: metadata.generation, copied: spec?.size };
      present[`Widget ${metadata.name}`] = {
        deleting: metadata.deletionTimestamp !== undefined,
        generation: status?.observedGeneration,
        copied: status?.['copied'],
      };
      wanted[`ConfigMap ${COPY}${metadata.name}`] = String(spec?.size);
    }
    for (const { metadata, data } of copies) present[`ConfigMap ${metadata.name}`] = data?.['size'];
    return JSON.stringify(sorted(wanted)) === JSON.stringify(sorted(present)) ? undefined : { wanted, present };
  }

  async #lists(): Promise<[Widget[], ConfigMap[]]> {
    const { namespace } = this.world;
    const [widgets, copies] = await Promise.all([
      this.#client.list<Widget>(WIDGETS, { namespace }),
      this.#client.list<ConfigMap>(CONFIG_MAPS, { namespace }),
    ]);
    return [widgets.items, copies.items.filter(({ metadata }) => metadata.name.startsWith(COPY))];
  }
}

function keyOf({ namespace = '', name: own }: KubeObject['metadata']): {
  readonly namespace: string;
  readonly name: string;
} {
  return { namespace, name: own };
}

function sorted(entries: Record<string, unknown>): [string, unknown][] {
  return Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
}

async function ignoreNotFound(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
