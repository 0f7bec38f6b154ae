import { describe, expect, it } from '@jest/globals';
import { RetentionWatch } from './retention-watch.js';
import type { StoredOne } from './retention-watch.js';

const OPTIONS = {
  maxResults: 3,
  slackMs: 10_000,
  knownAfterMs: 2_000,
  sweeps: (uid: string) => uid.startsWith('swept'),
};

/** The results of Pods 0 to n - 1, in the order in which they were created. */
function results(...numbers: readonly number[]): StoredOne[] {
  return numbers.map((n) => ({ podUid: `pod-${n}`, createdMs: n, complete: true, ending: false }));
}

/** Looks a second apart; at each so many Pods were made. */
function watched(looks: readonly (readonly [pods: number, stored: readonly StoredOne[]])[]): RetentionWatch {
  const watch = new RetentionWatch(OPTIONS);
  for (const [second, [pods, stored]] of looks.entries()) watch.look({ at: second * 1000, pods, stored });
  return watch;
}

describe('a watch over retention', () => {
  it('finds nothing where the oldest go, and no more are there beyond the bound than came lately', () => {
    const watch = watched([
      [5, results(0, 1, 2, 3, 4)],
      [5, results(2, 3, 4)],
      [7, results(2, 3, 4, 5, 6)],
      [7, results(4, 5, 6)],
    ]);
    expect(watch.findings).toEqual([]);
    expect([watch.metAt, watch.left, watch.mostBeyond]).toEqual([1_000, 4, 2]);
  });

  it('finds more results than the bound and those that came lately, once the bound was met', () => {
    const many = results(0, 1, 2, 3, 4, 5);
    const quiet = Array.from({ length: 12 }, () => [9, many] as const);
    expect(watched([[9, results(0, 1)], ...quiet]).findings[0]).toBe('6 results were stored, 3 at most');
    expect(watched(quiet).metAt).toBeUndefined();
  });

  it('finds a complete result that an earlier one was let go before', () => {
    const there = results(0, 1, 2);
    const finding = ['1 complete results are older than one that retention let go'];
    expect(
      watched([
        [3, there],
        [3, there],
        [3, there],
        [3, there],
        [3, results(0, 2)],
      ]).findings,
    ).toEqual(finding);
    const [old, ...younger] = there as [StoredOne, ...StoredOne[]];
    for (const other of [
      { ...old, complete: false },
      { ...old, ending: true },
    ]) {
      const stays = [other, ...younger];
      expect(
        watched([
          [3, stays],
          [3, stays],
          [3, stays],
          [3, stays],
          [3, [other, ...results(2)]],
        ]).findings,
      ).toEqual([]);
    }
  });

  it('counts no result that users deleted', () => {
    const swept = { podUid: 'swept', createdMs: 9, complete: true, ending: false };
    const there = [...results(0), swept];
    const watch = watched([
      [2, there],
      [2, there],
      [2, there],
      [2, there],
      [2, results(0)],
    ]);
    expect([watch.left, watch.findings]).toEqual([0, []]);
  });
});
