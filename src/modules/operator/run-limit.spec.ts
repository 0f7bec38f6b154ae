import { describe, expect, it } from '@jest/globals';
import { RunLimit } from './run-limit.js';

/** Lets `runs` runs end one after the other, a millisecond apart from `fromMs` on. @returns the limit afterwards */
function end(limit: RunLimit, runs: number, durationMs: number, fromMs = 0): number {
  for (let i = 0; i < runs; i++) limit.ended(durationMs, fromMs + i);
  return limit.at(fromMs + runs);
}

describe('RunLimit', () => {
  it('falls to the least while runs are slow, and grows to the most when they are quick again', () => {
    const limit = new RunLimit({ most: 32, least: 4 });
    expect(limit.at(0)).toBe(32);
    end(limit, 10, 4);
    expect(end(limit, 10, 200, 10)).toBe(22);
    expect(end(limit, 100, 200, 20)).toBe(4);
    expect(end(limit, 4, 5, 120)).toBe(4);
    expect(end(limit, 30, 5, 124)).toBeGreaterThan(6);
    expect(end(limit, 2_000, 5, 154)).toBe(32);
  });

  it('takes a server for slow by its own measure, not by ours', () => {
    const far = new RunLimit({ most: 32, least: 4 });
    expect(end(far, 100, 80)).toBe(32);
    expect(end(far, 100, 230, 100)).toBe(32);
    expect(end(far, 100, 250, 200)).toBe(4);
  });

  it('never minds what a run takes that is quick for people', () => {
    const limit = new RunLimit({ most: 32, least: 4 });
    end(limit, 10, 1);
    expect(end(limit, 100, 20, 10)).toBe(32);
  });

  it('forgets how quick the server once was', () => {
    const limit = new RunLimit({ most: 32, least: 4 });
    end(limit, 10, 4);
    expect(end(limit, 100, 100, 100)).toBe(4);
    end(limit, 1, 100, 61_000);
    end(limit, 1, 100, 122_000);
    expect(end(limit, 2_000, 100, 122_100)).toBe(32);
  });

  it('lets all run for a while once a key waited too long', () => {
    const limit = new RunLimit({ most: 32, least: 4 });
    end(limit, 10, 4);
    expect(end(limit, 100, 200, 10)).toBe(4);
    limit.started(29_999, 1_000);
    expect(limit.at(1_000)).toBe(4);
    limit.started(30_000, 1_000);
    expect(limit.at(1_000)).toBe(32);
    expect(limit.at(3_999)).toBe(32);
    expect(limit.at(4_000)).toBe(4);
  });

  it('never goes below a most that is smaller than the least', () => {
    const limit = new RunLimit({ most: 2, least: 4 });
    end(limit, 10, 4);
    expect(end(limit, 100, 200, 10)).toBe(2);
  });

  it('never falls where no least is given', () => {
    const limit = new RunLimit({ most: 32 });
    end(limit, 10, 4);
    expect(end(limit, 100, 200, 10)).toBe(32);
  });
});
