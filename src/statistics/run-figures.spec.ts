import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ResultState } from '../datapath/result-state.js';
import { metricOf } from '../datapath/result-state.js';
import { METRICS, OUTCOMES } from '../datapath/vocabulary.js';
import { resultWithUid } from '../../test/support/arbitrary-result.js';
import { quantile } from './quantile.js';
import { SKETCH_RELATIVE_ERROR } from './quantile-sketch.js';
import { archivedCount, archiveOf, byName, emptyArchive, mergeArchives } from './run-archive.js';
import type { RunArchive } from './run-archive.js';
import { runFigures } from './run-figures.js';
import type { RunFigures } from './run-figures.js';
import { markMatching } from './result-filter.js';
import { ResultTable } from './result-table.js';

const NOW_MS = 1_770_000_200_000;

const results = fc.uniqueArray(resultWithUid(fc.uuid()), { selector: (state) => state.uid, maxLength: 60 });

function figures(living: readonly ResultState[], archive: RunArchive = emptyArchive()): RunFigures {
  const table = new ResultTable();
  for (const state of living) table.put(state);
  return runFigures(table, markMatching(table, {}), archive, NOW_MS);
}

/** What doesn't depend on whether a result lives or is archived. */
function exactPart(run: RunFigures): unknown {
  return {
    pods: run.pods,
    outcomes: run.outcomes,
    failureClasses: run.failureClasses,
    failed: run.failed,
    skew: run.skew,
    firstCreatedMs: run.firstCreatedMs,
    metrics: METRICS.map((metric) => {
      const { measured, failed, lost, unmeasured, aborted, uncertain, sumMs, minMs, maxMs, worst } =
        run.metrics[metric];
      return { measured, failed, lost, unmeasured, aborted, uncertain, sumMs, minMs, maxMs, worst };
    }),
  };
}

/** Results that are over: only such are archived. */
const over = (states: readonly ResultState[]): ResultState[] =>
  states.map((state) =>
    state.outcome === 'Pending' || state.outcome === 'Started' ? { ...state, outcome: 'Aborted' } : state,
  );

describe('the figures of a run', () => {
  it('are those of its results, by definition', () => {
    fc.assert(
      fc.property(results, (states) => {
        const run = figures(states);
        expect(run.pods).toBe(states.length);
        for (const outcome of OUTCOMES) {
          expect(run.outcomes[outcome]).toBe(states.filter((state) => state.outcome === outcome).length);
        }
        for (const metric of METRICS) {
          const values = states.flatMap((state) => metricOf(state, metric) ?? []);
          const sorted = Float64Array.from(values).sort();
          expect(run.metrics[metric].measured).toBe(values.length);
          for (const q of [0.5, 0.9, 0.99]) expect(run.metrics[metric].quantile(q)).toBe(quantile(sorted, q));
        }
        expect(run.failed.map(({ uid }) => uid)).toEqual(
          states
            .filter(({ outcome }) => outcome === 'Failed')
            .toSorted(byName)
            .slice(0, 20)
            .map(({ uid }) => uid),
        );
      }),
    );
  });

  it('stay as they are when results are archived, but for quantiles, which stay within the sketch’s error', () => {
    fc.assert(
      fc.property(results, fc.nat(), (states, cut) => {
        const all = over(states);
        const kept = all.slice(cut % (all.length + 1));
        const before = figures(all);
        const after = figures(kept, archiveOf(all.slice(0, cut % (all.length + 1))));
        expect(exactPart(after)).toEqual(exactPart(before));
        for (const metric of METRICS) {
          for (const q of [0.01, 0.5, 0.9, 0.99, 1]) {
            const exact = before.metrics[metric].quantile(q);
            const estimate = after.metrics[metric].quantile(q);
            if (exact === null || estimate === null) expect(estimate).toBe(exact);
            else expect(Math.abs(estimate - exact)).toBeLessThanOrEqual(SKETCH_RELATIVE_ERROR * Math.abs(exact));
          }
        }
      }),
    );
  });

  it('are the same in whatever order results are archived', () => {
    fc.assert(
      fc.property(results, fc.nat(), (states, cut) => {
        const all = over(states);
        const n = cut % (all.length + 1);
        const forth = mergeArchives(archiveOf(all.slice(0, n)), archiveOf(all.slice(n)));
        const back = mergeArchives(archiveOf(all.slice(n)), archiveOf(all.slice(0, n)));
        expect(archivedCount(forth)).toBe(all.length);
        expect(exactPart(figures([], back))).toEqual(exactPart(figures([], forth)));
        expect(exactPart(figures([], forth))).toEqual(exactPart(figures([], archiveOf(all))));
        for (const metric of METRICS) {
          expect(back.metrics[metric].sketch.toString()).toBe(forth.metrics[metric].sketch.toString());
        }
      }),
    );
  });
});
