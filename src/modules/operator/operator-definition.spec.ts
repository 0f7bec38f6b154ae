import { describe, expect, it } from '@jest/globals';
import type { Projected, ResourceType } from '../kube/resource.js';
import { OnCreate, OnDelete, OnEvent, Operator, Reconcile } from './operator.decorators.js';
import { readDefinition } from './operator-definition.js';
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
      'no time',
      () => declare({ name: 'a', resource: WIDGETS, reconcileTimeoutMs: 0 }),
      'reconcileTimeoutMs must be more than 0 ms',
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
