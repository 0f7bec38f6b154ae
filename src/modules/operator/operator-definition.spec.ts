import { describe, expect, it } from '@jest/globals';
import type { Projected, ResourceType } from '../kube/resource.js';
import { Index, OnCreate, OnDelete, OnEvent, OnField, OnTimer, Operator, Reconcile } from './operator.decorators.js';
import { checkTogether, readDefinition } from './operator-definition.js';
import { identityOf, type OperatorOptions } from './operator-options.js';

const WIDGETS: ResourceType = {
  group: 'example.com',
  version: 'v1',
  plural: 'widgets',
  kind: 'Widget',
  namespaced: true,
};
const PODS: ResourceType = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true };

const nothing = (): void => undefined;

/** A class with these settings and one decorated method. */
function declare(
  options: OperatorOptions,
  decorate: (target: object, property: string, descriptor: TypedPropertyDescriptor<() => void>) => void = Reconcile(),
): object {
  class Declared {
    run(): void {
      nothing();
    }
  }
  decorate(Declared.prototype, 'run', Object.getOwnPropertyDescriptor(Declared.prototype, 'run') ?? {});
  Operator(options)(Declared);
  return new Declared();
}

describe('readDefinition', () => {
  it('leaves providers alone that are no operators', () => {
    expect(readDefinition({})).toBeUndefined();
    // Such as a module's namespace.
    expect(readDefinition(Object.create(null) as object)).toBeUndefined();
  });

  it('keeps progress in memory where the status belongs to Kubernetes, unless told otherwise', () => {
    const progress = (group: string, given?: 'status'): string | undefined =>
      readDefinition(declare({ name: 'a', resource: { ...WIDGETS, group }, progress: given }))?.options.progress;
    expect(['example.com', '', 'apps', 'storage.k8s.io'].map((group) => progress(group))).toEqual([
      'status',
      'memory',
      'memory',
      'memory',
    ]);
    expect(progress('gateway.networking.k8s.io', 'status')).toBe('status');
  });

  it('keeps several decorators of one method apart', () => {
    @Operator({ name: 'a', resource: WIDGETS })
    class Several {
      @OnField('spec.color')
      @OnField('spec.size')
      changed(): void {
        nothing();
      }

      @Index('byColor')
      @Index('bySize')
      value(): string {
        return '';
      }
    }
    expect(readDefinition(new Several())?.handlers).toHaveLength(4);
  });

  it('refuses what could only be forgotten: a decorator twice on a method, a static method, a class that is no operator', () => {
    const descriptor = { value: nothing };
    class Twice {}
    OnTimer({ intervalMs: 1_000 })(Twice.prototype, 'run', descriptor);
    expect(() => {
      OnTimer({ intervalMs: 2_000 })(Twice.prototype, 'run', descriptor);
    }).toThrow('Twice.run has the same decorator twice (timer:run)');
    expect(() => {
      OnCreate()(Twice, 'make', descriptor);
    }).toThrow('Twice.make is static');
    expect(() => readDefinition(new Twice())).toThrow('Twice is not declared with @Operator()');
  });

  it('fills in the defaults, and lets the instance decide over the decorator', () => {
    @Operator({ name: 'a', resource: WIDGETS, maxConcurrentReconciles: 2, labelSelector: 'a=b' })
    class Configured {
      operatorOptions(): Partial<OperatorOptions> {
        return { maxConcurrentReconciles: 9, namespaces: ['x'] };
      }

      @Reconcile()
      run(): void {
        nothing();
      }
    }
    expect(readDefinition(new Configured())?.options).toMatchObject({
      maxConcurrentReconciles: 9,
      namespaces: ['x'],
      labelSelector: 'a=b',
      reconcileTimeoutMs: 60_000,
      ownWriteWaitMs: 5_000,
      finalizer: 'example.com/a',
      progress: 'status',
    });
  });

  it('finds the methods of the classes that a class extends, the nearest first', () => {
    class Parent {
      @OnEvent(WIDGETS)
      look(_event: unknown): void {
        nothing();
      }

      @Reconcile()
      run(): void {
        nothing();
      }
    }
    @Operator({ name: 'a', resource: WIDGETS })
    class Child extends Parent {
      @Reconcile()
      override run(): void {
        nothing();
      }
    }
    expect(
      readDefinition(new Child())
        ?.handlers.map(({ kind }) => kind)
        .sort(),
    ).toEqual(['event', 'reconcile']);
  });

  it.each<[string, () => object, string]>([
    ['a bad name', () => declare({ name: 'My Operator', resource: WIDGETS }), 'lower-case letters'],
    [
      'no workers',
      () => declare({ name: 'a', resource: WIDGETS, maxConcurrentReconciles: 0 }),
      'whole number from 1, not 0',
    ],
    [
      'no workers at times',
      () => declare({ name: 'a', resource: WIDGETS, leastConcurrentReconciles: 0 }),
      'leastConcurrentReconciles must be a whole number from 1, not 0',
    ],
    [
      'no time',
      () => declare({ name: 'a', resource: WIDGETS, reconcileTimeoutMs: 0 }),
      'reconcileTimeoutMs must be more than 0 ms',
    ],
    [
      'a timer without a pause',
      () => declare({ name: 'a', resource: WIDGETS }, OnTimer({ intervalMs: 0 })),
      'intervalMs of run must be more than 0 ms, not 0',
    ],
    [
      'a delay that is no number',
      () => declare({ name: 'a', resource: WIDGETS }, OnCreate({ retryDelayMs: Number.NaN })),
      'retryDelayMs of run must be 0 or more ms, not NaN',
    ],
    [
      'no tries',
      () => declare({ name: 'a', resource: WIDGETS }, OnCreate({ retries: 0 })),
      'retries of run must be a whole number from 1, not 0',
    ],
    [
      'a backoff that shrinks',
      () =>
        declare({
          name: 'a',
          resource: WIDGETS,
          queue: { backoff: { initialMs: 500, factor: 0.5, maxMs: 1_000, jitter: 0 } },
        }),
      'queue.backoff needs initialMs > 0, factor ≥ 1',
    ],
    [
      'a lane that starves',
      () => declare({ name: 'a', resource: WIDGETS, queue: { backgroundEvery: 1 } }),
      'queue.backgroundEvery must be a whole number from 2, not 1',
    ],
    ['no handler', () => declare({ name: 'a', resource: WIDGETS }, nothing), 'no method is decorated'],
    [
      'events of a resource that is not watched',
      () => declare({ name: 'a', resource: WIDGETS }, OnEvent(PODS)),
      "run wants pods, which it doesn't watch; add it to `watches`",
    ],
    [
      'causes on projected objects',
      () => declare({ name: 'a', resource: WIDGETS, project: (raw): Projected => identityOf(raw) }, OnCreate()),
      'needs whole objects',
    ],
    ['a finalizer without a domain', () => declare({ name: 'a', resource: PODS }, OnDelete()), 'set `finalizer`'],
  ])('refuses %s with a message that says what to do', (_what, make, message) => {
    expect(() => readDefinition(make())).toThrow(message);
  });
});

describe('checkTogether', () => {
  const definitions = (...operators: readonly object[]) =>
    operators.map((operator) => readDefinition(operator)).filter((definition) => definition !== undefined);

  it('refuses two operators of one name', () => {
    const same = { name: 'a', resource: WIDGETS };
    expect(() => {
      checkTogether(definitions(declare(same), declare(same)));
    }).toThrow('both have the name a');
  });

  it('refuses two that keep what they handled in one field, since the second would never see a creation', () => {
    const both = (second: Partial<OperatorOptions>) => (): void => {
      checkTogether(
        definitions(
          declare({ name: 'a', resource: WIDGETS }, OnCreate()),
          declare({ name: 'b', resource: WIDGETS, ...second }, OnCreate()),
        ),
      );
    };
    expect(both({})).toThrow('"a" and "b" both have status.observedGeneration of widgets.example.com');
    expect(both({ progress: 'memory' })).not.toThrow();
    expect(both({ resource: PODS })).not.toThrow();
  });

  it('refuses an index with two sources', () => {
    class First {
      @Index('byColor')
      value(): string {
        return '';
      }

      @Reconcile()
      run(): void {
        nothing();
      }
    }
    class Second extends First {}
    Operator({ name: 'a', resource: WIDGETS })(First);
    Operator({ name: 'b', resource: PODS })(Second);
    expect(() => {
      checkTogether(definitions(new First(), new Second()));
    }).toThrow('"a" and "b" both have an index byColor');
  });
});
