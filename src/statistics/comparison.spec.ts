import { describe, expect, it } from '@jest/globals';
import { fromEpochMs } from '../datapath/instant.js';
import type { ResultState } from '../datapath/result-state.js';
import { compareStatistic, seededRandom } from './comparison.js';
import type { Compared, Difference } from './comparison.js';
import { markMatching } from './result-filter.js';
import { ResultTable } from './result-table.js';
import { archiveOf, emptyArchive } from './run-archive.js';
import { runFigures } from './run-figures.js';
import type { MetricFigures } from './run-figures.js';

const NOW_MS = 1_770_000_000_000;

function states(values: readonly number[]): ResultState[] {
  return values.map((value, i) => ({
    namespace: 'perf',
    name: `p${String(i)}`,
    uid: `p${String(i)}`,
    createdAt: fromEpochMs(NOW_MS),
    creationSource: 'WatchReceipt',
    runName: 'run',
    labels: {},
    outcome: 'Ready',
    datapathDelayMs: value,
    milestones: [],
    uncertaintyMs: 0,
    restarts: 0,
  }));
}

function living(values: readonly number[]): MetricFigures {
  const table = new ResultTable();
  for (const state of states(values)) table.put(state);
  return runFigures(table, markMatching(table, {}), emptyArchive(), NOW_MS).metrics.datapathDelay;
}

function archived(values: readonly number[]): MetricFigures {
  return runFigures(new ResultTable(), new Uint8Array(0), archiveOf(states(values)), NOW_MS).metrics.datapathDelay;
}

/** Values of an exponential distribution with this mean, the same for the same seed. */
function sample(n: number, mean: number, seed: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: n }, () => Math.round(-mean * Math.log(1 - random())));
}

function compare(a: MetricFigures, b: MetricFigures, statistic: Compared, tolerance = 0.05): Difference {
  return compareStatistic('datapathDelay', statistic, a, b, tolerance, seededRandom(1));
}

describe('a comparison', () => {
  it('of a run with itself finds no difference, and none that is worse', () => {
    const run = living(sample(2000, 500, 7));
    for (const statistic of ['p50', 'p90', 'p99', 'mean', 'min', 'max'] as const) {
      const difference = compare(run, run, statistic);
      expect([statistic, difference.differenceMs]).toEqual([statistic, 0]);
      expect(['within', 'unsure']).toContain(difference.judgement);
    }
  });

  it('finds a run that is twice as slow worse, and the other way better', () => {
    const fast = living(sample(2000, 500, 7));
    const slow = living(sample(2000, 1000, 8));
    for (const statistic of ['p50', 'p90', 'p99', 'mean'] as const) {
      expect([statistic, compare(fast, slow, statistic).judgement]).toEqual([statistic, 'worse']);
      expect([statistic, compare(slow, fast, statistic).judgement]).toEqual([statistic, 'better']);
    }
  });

  it('is unsure where few Pods leave it open', () => {
    expect(compare(living(sample(8, 500, 1)), living(sample(8, 600, 2)), 'p50').judgement).toBe('unsure');
  });

  it('holds the true difference in about 95 of 100 intervals', () => {
    for (const statistic of ['p50', 'p90', 'mean'] as const) {
      let covered = 0;
      for (let i = 0; i < 100; i++) {
        const { interval } = compare(
          living(sample(300, 1000, 1000 + i)),
          living(sample(300, 1000, 5000 + i)),
          statistic,
        );
        if (interval !== null && interval.lowMs <= 0 && interval.highMs >= 0) covered++;
      }
      expect([statistic, covered >= 88]).toEqual([statistic, true]);
    }
  });

  it('of archived runs agrees with that of living ones within the error of the sketch', () => {
    const a = sample(2000, 500, 7);
    const b = sample(2000, 700, 9);
    const exact = compare(living(a), living(b), 'p90');
    const estimate = compare(archived(a), archived(b), 'p90');
    expect(estimate.estimated).toBe(true);
    expect(exact.estimated).toBe(false);
    const error = 0.01 * ((exact.baselineMs ?? 0) + (exact.valueMs ?? 0));
    expect(Math.abs((estimate.differenceMs ?? 0) - (exact.differenceMs ?? 0))).toBeLessThanOrEqual(error);
    expect(estimate.judgement).toBe(exact.judgement);
  });

  it('knows nothing of what wasn’t measured', () => {
    expect(compare(living([]), living([1, 2, 3]), 'p50')).toMatchObject({ judgement: 'unknown', differenceMs: null });
  });

  it('is the same for the same runs', () => {
    const a = living(sample(500, 500, 7));
    const b = living(sample(500, 520, 9));
    expect(compare(a, b, 'p99')).toEqual(compare(a, b, 'p99'));
  });
});
