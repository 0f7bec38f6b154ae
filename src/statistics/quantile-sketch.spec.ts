import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { quantile } from './quantile.js';
import { QuantileSketch, SKETCH_RELATIVE_ERROR, SketchSyntaxError } from './quantile-sketch.js';

const milliseconds = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 3_600_000 }),
  fc.integer({ min: -90_000, max: 2 ** 48 }),
);
const sample = fc.array(milliseconds, { minLength: 1, maxLength: 400 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

function withinError(estimate: number | null, exact: number | null): boolean {
  if (estimate === null || exact === null) return estimate === exact;
  return Math.abs(estimate - exact) <= SKETCH_RELATIVE_ERROR * Math.abs(exact);
}

describe('QuantileSketch', () => {
  it('answers every whole millisecond up to an hour within its error', () => {
    let worst = 0;
    for (let value = 1; value <= 3_600_000; value += value < 20_000 ? 1 : 37) {
      const estimate = QuantileSketch.of([value]).quantile(0.5) as number;
      worst = Math.max(worst, Math.abs(estimate - value) / value);
    }
    expect(worst).toBeLessThanOrEqual(SKETCH_RELATIVE_ERROR);
  });

  it('is exact below 128 ms', () => {
    for (let value = -127; value < 128; value++) expect(QuantileSketch.of([value]).quantile(0.5)).toBe(value);
  });

  it('gives each quantile of any sample within its error', () => {
    fc.assert(
      fc.property(sample, share, (values, q) => {
        const exact = quantile(Float64Array.from(values).sort(), q);
        expect(withinError(QuantileSketch.of(values).quantile(q), exact)).toBe(true);
      }),
    );
  });

  it('counts what lies beyond it as infinite, as the exact quantile does', () => {
    fc.assert(
      fc.property(sample, share, fc.integer({ min: 0, max: 400 }), (values, q, beyond) => {
        const exact = quantile(Float64Array.from(values).sort(), q, 'nearest-rank', beyond);
        expect(withinError(QuantileSketch.of(values).quantile(q, beyond), exact)).toBe(true);
      }),
    );
  });

  it('is the same however parts are merged', () => {
    fc.assert(
      fc.property(sample, sample, sample, (a, b, c) => {
        const left = QuantileSketch.of(a);
        left.merge(QuantileSketch.of(b));
        left.merge(QuantileSketch.of(c));
        const right = QuantileSketch.of(c);
        right.merge(QuantileSketch.of([...b, ...a]));
        expect(left.toString()).toBe(right.toString());
        expect(left.count).toBe(a.length + b.length + c.length);
      }),
    );
  });

  it('is the same after it was written and read', () => {
    fc.assert(
      fc.property(sample, (values) => {
        const text = QuantileSketch.of(values).toString();
        const read = QuantileSketch.parse(text);
        expect(read.toString()).toBe(text);
        expect(read.count).toBe(values.length);
      }),
    );
  });

  it('stays small: a million Pods between a millisecond and an hour take less than 12 KB', () => {
    const sketch = new QuantileSketch();
    for (let value = 1; value <= 3_600_000; value += 3) sketch.add(value, 1000);
    expect(sketch.toString().length).toBeLessThan(12_000);
  });

  it.each(['x', '1', '1.', '.1', '1.0', '1.1,0.1', '1.1,-1.1', '1.1,', 'zzzzz.1', '1.1 '])('refuses %j', (text) => {
    expect(() => QuantileSketch.parse(text)).toThrow(SketchSyntaxError);
  });

  it('says nothing of an empty sample', () => {
    expect(new QuantileSketch().quantile(0.5)).toBeNull();
    expect(QuantileSketch.parse('').count).toBe(0);
  });
});
