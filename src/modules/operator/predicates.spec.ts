import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { KubeObject, ReflectorEvent } from '../kube/resource.js';
import { type Whole, wholeObject } from './operator-options.js';
import {
  allOf,
  annotationsChanged,
  anyOf,
  changed,
  fieldChanged,
  finalizersChanged,
  generationChanged,
  isSame,
  labelsChanged,
  valueAt,
  when,
} from './predicates.js';

type ObjectEvent = Exclude<ReflectorEvent<Whole>, { type: 'Synced' }>;

const object = (metadata: Partial<KubeObject['metadata']>, rest: object = {}): Whole =>
  wholeObject({ metadata: { name: 'a', uid: 'u', resourceVersion: '1', ...metadata }, ...rest });
const modified = (previous: Whole, current: Whole): ObjectEvent => ({
  type: 'Modified',
  previous,
  object: current,
  live: true,
  receivedAt: 0n,
});
const added = (current: Whole): ObjectEvent => ({ type: 'Added', object: current, live: true, receivedAt: 0n });
const deleted = (current: Whole): ObjectEvent => ({ type: 'Deleted', object: current, stale: false, receivedAt: 0n });

describe('Predicates', () => {
  const plain = object({ generation: 1 });

  it('always pass additions and deletions', () => {
    for (const predicate of [
      generationChanged,
      labelsChanged,
      annotationsChanged,
      finalizersChanged,
      fieldChanged('spec'),
    ]) {
      expect(predicate(added(plain))).toBe(true);
      expect(predicate(deleted(plain))).toBe(true);
      expect(predicate(modified(plain, object({ generation: 1, resourceVersion: '2' })))).toBe(false);
    }
  });

  it('tell generation, labels, annotations and finalizers apart', () => {
    const table = [
      [generationChanged, object({ generation: 2 })],
      [generationChanged, object({ generation: 1, deletionTimestamp: 'now' })],
      [labelsChanged, object({ generation: 1, labels: { a: 'b' } })],
      [annotationsChanged, object({ generation: 1, annotations: { a: 'b' } })],
      [finalizersChanged, object({ generation: 1, finalizers: ['a/b'] })],
    ] as const;
    for (const [wanted, next] of table) {
      for (const predicate of [generationChanged, labelsChanged, annotationsChanged, finalizersChanged]) {
        expect(predicate(modified(plain, next))).toBe(predicate === wanted);
      }
    }
  });

  it('see the value of a field, whatever the order of its members', () => {
    const before = object({}, { spec: { a: { x: 1, y: 2 } } });
    expect(fieldChanged('spec.a')(modified(before, object({}, { spec: { a: { y: 2, x: 1 }, b: 1 } })))).toBe(false);
    expect(fieldChanged('spec.a.x')(modified(before, object({}, { spec: { a: { x: 2 } } })))).toBe(true);
    expect(fieldChanged('spec.a.z')(modified(before, object({}, { spec: {} })))).toBe(false);
  });

  it('pass an object that an accepting test holds for before or after', () => {
    const big = when<Whole>(({ object: { metadata } }) => metadata.labels?.['size'] === 'big');
    const one = object({ labels: { size: 'big' } });
    expect(big(added(plain))).toBe(false);
    expect(big(added(one))).toBe(true);
    expect(big(modified(one, plain))).toBe(true);
    expect(big(modified(plain, one))).toBe(true);
    expect(big(deleted(plain))).toBe(false);
  });

  it('combine', () => {
    const yes = changed<Whole>(({ resourceVersion }) => resourceVersion);
    const no = changed<Whole>(() => 1);
    const event = modified(plain, object({ resourceVersion: '2' }));
    expect([anyOf(yes, no)(event), anyOf(no, no)(event), allOf(yes, no)(event), allOf(yes, yes)(event)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
});

describe('valueAt', () => {
  it('follows names, numbers of lists and names in brackets', () => {
    const pod = {
      metadata: { name: 'a', annotations: { 'example.com/size': '1' } },
      spec: { containers: [{ image: 'x' }] },
    };
    expect(valueAt(pod, 'metadata.annotations[example.com/size]')).toBe('1');
    expect(valueAt(pod, 'spec.containers.0.image')).toBe('x');
    expect(valueAt(pod, 'spec.containers[0].image')).toBe('x');
    expect(valueAt(pod, 'spec.nothing.at.all')).toBeUndefined();
  });
});

describe('isSame', () => {
  it('agrees with the equality of JSON', () => {
    const canonical = (value: unknown): string =>
      JSON.stringify(value, (_name, member: unknown) =>
        typeof member === 'object' && member !== null && !Array.isArray(member)
          ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
          : member,
      );
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (a, b) => {
        expect(isSame(a, JSON.parse(JSON.stringify(a)))).toBe(true);
        expect(isSame(a, b)).toBe(canonical(a) === canonical(b));
      }),
    );
  });
});
