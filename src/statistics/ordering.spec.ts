import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BUCKETS_MS, histogram } from './histogram.js';
import { Interner } from './interner.js';
import { orderByKey } from './radix-order.js';
import { SortedSlots } from './sorted-slots.js';
import { TopK } from './top-k.js';

const hostile = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 4.1e12, -4.1e12, Number.MIN_VALUE, Number.MAX_VALUE),
);

describe('orderByKey', () => {
  it('sorts any floats, and keeps equal ones in their order', () => {
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 400 }), (keys) => {
        const slots = Uint32Array.from(keys, (_, i) => i);
        orderByKey(slots, (slot) => keys[slot] as number);
        const expected = keys.map((_, i) => i).toSorted((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
        expect([...slots]).toEqual(expected);
      }),
    );
  });
});

describe('SortedSlots', () => {
  it('is in order after any changes, read at any moment', () => {
    const change = fc.record({
      slot: fc.nat(30),
      key: fc.option(fc.integer({ min: -3, max: 3 }), { nil: NaN }),
      read: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const keys = Array.from({ length: 31 }, () => NaN);
        const sorted = new SortedSlots((slot) => keys[slot] as number);
        const check = (): void => {
          const { slots, keys: numbers, length } = sorted.sorted();
          const expected = keys
            .map((_, i) => i)
            .filter((i) => !Number.isNaN(keys[i]))
            .toSorted((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
          expect([...slots.subarray(0, length)]).toEqual(expected);
          expect([...numbers.subarray(0, length)]).toEqual(expected.map((i) => keys[i]));
        };
        for (const { slot, key, read } of changes) {
          keys[slot] = key;
          sorted.touch(slot);
          if (read) check();
        }
        check();
      }),
    );
  });

  it('takes in a burst larger than its notes', () => {
    const n = 20_000;
    const sorted = new SortedSlots((slot) => (slot * 7919) % 10_007);
    for (let slot = 0; slot < n; slot++) sorted.touch(slot);
    const { keys, length } = sorted.sorted();
    expect(length).toBe(n);
    for (let i = 1; i < n; i++) expect((keys[i] as number) >= (keys[i - 1] as number)).toBe(true);
  });
});

it('TopK keeps the first in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), fc.nat(10), (items, k) => {
      const top = new TopK<number>(k, (a, b) => a - b);
      for (const item of items) top.add(item);
      expect(top.sorted()).toEqual(items.toSorted((a, b) => a - b).slice(0, k));
    }),
  );
});

it('an interner holds a text as long as somebody does, and reuses its number after that', () => {
  const interner = new Interner();
  const a = interner.acquire('a');
  expect(interner.acquire('a')).toBe(a);
  interner.release(a);
  expect(interner.text(a)).toBe('a');
  interner.release(a);
  expect(interner.text(a)).toBeUndefined();
  expect(interner.find('a')).toBeUndefined();
  expect(interner.acquire('b')).toBe(a);
  expect(interner.acquire(undefined)).toBe(0);
  expect(interner.size).toBe(1);
});

describe('histogram', () => {
  it('counts every value once, in the bucket whose bound it does not exceed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: -100, max: 4_000_000 }), fc.constantFrom(...BUCKETS_MS))),
        (values) => {
          const sorted = values.toSorted((a, b) => a - b);
          const buckets = histogram(sorted, sorted.length);
          expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
          let below = -Infinity;
          for (const { le, count } of buckets) {
            const bound = le ?? Infinity;
            expect(count).toBe(values.filter((value) => value > below && value <= bound).length);
            below = bound;
          }
        },
      ),
    );
  });
});
