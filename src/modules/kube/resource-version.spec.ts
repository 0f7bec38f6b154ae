import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareVersions } from './resource-version.js';

describe('compareVersions', () => {
  it('orders as the numbers do, also beyond what a double holds', () => {
    const version = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(version, version, (a, b) => {
        const sign = Math.sign(compareVersions(String(a), String(b)));
        expect(sign).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });
});
