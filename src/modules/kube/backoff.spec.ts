import { describe, expect, it } from '@jest/globals';
import { backoffMs } from './backoff.js';

const settings = { initialMs: 800, factor: 2, maxMs: 30_000, jitter: 0.5 };

describe('backoffMs', () => {
  it('doubles from 0.8 s up to 30 s', () => {
    const delays = [0, 1, 2, 3, 4, 5, 6, 7].map((failures) => backoffMs(settings, failures, 0));
    expect(delays).toEqual([800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  });

  it('adds at most the jitter and never exceeds the longest delay', () => {
    expect(backoffMs(settings, 0, 0.999)).toBeCloseTo(1_199.6);
    expect(backoffMs(settings, 10_000, 0.999)).toBe(30_000);
  });
});
