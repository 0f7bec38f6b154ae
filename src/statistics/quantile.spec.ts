import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { elementOfTwo, nearestRank, quantile } from './quantile.js';

describe('nearest rank', () => {
  it('is the smallest value that at least q of the sample does not exceed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 0, max: 1000 }),
        (values, thousandths) => {
          const sorted = values.toSorted((a, b) => a - b);
          const found = quantile(sorted, thousandths / 1000) as number;
          // In whole numbers, so that the reference has no rounding of its own.
          const enough = (v: number): boolean =>
            sorted.filter((each) => each <= v).length * 1000 >= thousandths * sorted.length;
          expect(sorted).toContain(found);
          expect(enough(found)).toBe(true);
          const below = sorted.filter((each) => each < found).at(-1);
          if (below !== undefined && thousandths > 0) expect(enough(below)).toBe(false);
        },
      ),
    );
  });

  it('is not one too high where n·q is a whole number that floats overshoot', () => {
    expect(100 * 0.07).toBeGreaterThan(7);
    expect(nearestRank(100, 0.07)).toBe(6);
    for (let n = 1; n <= 3000; n++) expect(nearestRank(n, 0.99)).toBe(Math.ceil((n * 99) / 100) - 1);
  });

  it('is not one too low where n·q is a millionth above a whole number', () => {
    // 100,003 · 0.766667 = 76,669.000001
    expect(nearestRank(100_003, 0.766667)).toBe(76_669);
  });

  it('is a[ceil(n·q)−1] of the scalability tests', () => {
    const sorted = Array.from({ length: 10 }, (_, i) => (i + 1) * 10);
    expect([0.5, 0.9, 0.99].map((q) => quantile(sorted, q))).toEqual([50, 90, 100]);
  });
});

describe('the other methods', () => {
  it('interpolates as NumPy does', () => {
    // numpy.quantile([10, 20, 30, 45], [0, .25, .5, .9, 1])
    expect([0, 0.25, 0.5, 0.9, 1].map((q) => quantile([10, 20, 30, 45], q, 'linear'))).toEqual([
      10, 17.5, 25, 40.5, 45,
    ]);
  });

  it('legacy is the floor index', () => {
    expect([0.5, 0.9, 0.99].map((q) => quantile([1, 2, 3, 4], q, 'legacy'))).toEqual([2, 3, 3]);
  });
});

describe('a sample with elements beyond it', () => {
  it('is null where the quantile falls on one of them', () => {
    expect(quantile([1, 2, 3], 0.5, 'nearest-rank', 1)).toBe(2);
    expect(quantile([1, 2, 3], 0.99, 'nearest-rank', 1)).toBeNull();
    expect(quantile([1, 2, 3], 0.9, 'linear', 1)).toBeNull();
    expect(quantile([], 0.5, 'nearest-rank', 2)).toBeNull();
    // (101 − 1) · 0.07 is the whole number 7, the rank of the last value, although floats overshoot it.
    expect(quantile([1, 2, 3, 4, 5, 6, 7, 8], 0.07, 'linear', 93)).toBe(8);
  });

  it('has no quantile when it is empty', () => {
    for (const method of ['nearest-rank', 'linear', 'legacy'] as const) expect(quantile([], 0.5, method)).toBeNull();
  });
});

it('finds the element of a rank in two lists without merging them', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -9, max: 9 })), fc.array(fc.integer({ min: -9, max: 9 })), (left, right) => {
      const a = left.toSorted((x, y) => x - y);
      const b = right.toSorted((x, y) => x - y);
      const all = [...a, ...b].toSorted((x, y) => x - y);
      expect(all.map((_, rank) => elementOfTwo(a, b, rank))).toEqual(all);
    }),
  );
});
