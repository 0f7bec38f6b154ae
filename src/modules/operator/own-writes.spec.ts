import { describe, expect, it } from '@jest/globals';
import { OwnWrites } from './own-writes.js';

describe('OwnWrites', () => {
  const make = () => {
    const bench = { now: 0, writes: undefined as unknown as OwnWrites };
    bench.writes = new OwnWrites(() => bench.now, 5_000);
    return bench;
  };

  it('holds a key until the cache shows its own write', () => {
    const { writes } = make();
    writes.record('a', '100', '90');
    expect(writes.hold('a', '90')).toEqual({ waitMs: 5_000, expired: false });
    expect(writes.hold('b', undefined)).toEqual({ waitMs: 0, expired: false });
    expect(writes.seen('a', '95')).toBeUndefined();
    expect(writes.seen('a', '100')).toEqual({ own: true, release: true });
    expect(writes.hold('a', '100')).toEqual({ waitMs: 0, expired: false });
  });

  it('is content with any later version', () => {
    const { writes } = make();
    writes.record('a', '99', '90');
    expect(writes.seen('a', '100')).toEqual({ own: false, release: false });
    expect(writes.size).toBe(0);
  });

  it('remembers nothing when the cache is already there', () => {
    const { writes } = make();
    writes.record('a', '100', '100');
    writes.record('b', '9', '10');
    expect(writes.size).toBe(0);
  });

  it('lets a key run after 5 s when its write never shows, since it was made and removed within a gap', () => {
    const bench = make();
    bench.writes.record('a', '100', undefined);
    expect(bench.writes.hold('a', undefined).waitMs).toBe(5_000);
    bench.now = 4_999;
    expect(bench.writes.hold('a', undefined)).toEqual({ waitMs: 1, expired: false });
    bench.now = 5_000;
    expect(bench.writes.hold('a', undefined)).toEqual({ waitMs: 0, expired: true });
    expect(bench.writes.size).toBe(0);
  });

  it('keeps nothing of 200,000 writes that were never seen', () => {
    const bench = make();
    for (let index = 0; index < 200_000; index += 1) {
      bench.now += 1;
      bench.writes.record(`key-${index}`, String(index + 1), undefined);
      if (bench.writes.size > 5_001) throw new Error(`${bench.writes.size} writes are kept`);
    }
    expect(bench.writes.size).toBeLessThanOrEqual(5_001);
  });
});
