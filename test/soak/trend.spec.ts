import { describe, expect, it } from '@jest/globals';
import { floors, slope } from './trend.js';
import type { Point } from './trend.js';

/** A heap that is collected every 70 s and fills by 50 in between, looked at every 2 s for 450 s. */
function heap(leakPerSecond: number): Point[] {
  return Array.from({ length: 226 }, (_, i) => ({
    at: i * 2_000,
    value: 36 + ((i * 2) % 70) * (50 / 70) + i * 2 * leakPerSecond,
  }));
}

describe('The slope of a heap by its floors', () => {
  it('is that of what is left after collections, not of what fills between them', () => {
    const points = heap(0);
    expect(Math.abs(slope(floors(points, 90_000)) * 450_000)).toBeLessThan(2);
    expect(Math.max(...floors(points, 90_000).map(({ value }) => value))).toBeLessThan(40);
    expect(Math.max(...floors(points, 10_000).map(({ value }) => value))).toBeGreaterThan(60);
  });

  it('shows a leak beneath the collections', () => {
    expect(slope(floors(heap(0.04), 90_000)) * 450_000).toBeGreaterThan(15);
  });

  it('is 0 where the time holds one window only', () => {
    expect(slope(floors(heap(1).slice(0, 60), 90_000))).toBe(0);
  });
});
