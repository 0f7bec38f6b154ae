import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { labelKeys, labels, resultWithUid } from '../../test/support/arbitrary-result.js';
import type { ResultState } from '../datapath/result-state.js';
import { metricOf } from '../datapath/result-state.js';
import { METRICS, OUTCOMES } from '../datapath/vocabulary.js';
import type { Metric } from '../datapath/vocabulary.js';
import { matchesSelector, parseSelector } from './label-selector.js';
import { quantile, QUANTILE_METHODS } from './quantile.js';
import { markMatching } from './result-filter.js';
import type { ResultFilter } from './result-filter.js';
import { ZONE_LABEL } from './result-grouping.js';
import type { GroupKey } from './result-grouping.js';
import { ResultTable } from './result-table.js';
import { computeStatistic } from './statistic.js';
import type { Statistic } from './statistic.js';

const uid = fc.integer({ min: 0, max: 25 }).map((n) => `uid-${String(n)}`);
/** Puts and removals in any order, often of the same Pod. */
const history = fc.array(fc.oneof({ weight: 5, arbitrary: resultWithUid(uid) }, { weight: 1, arbitrary: uid }), {
  maxLength: 60,
});
type History = (ResultState | string)[];

function play(changes: History): { table: ResultTable; states: Map<string, ResultState> } {
  const table = new ResultTable();
  const states = new Map<string, ResultState>();
  for (const change of changes) {
    if (typeof change === 'string') {
      expect(table.remove(change)).toBe(states.delete(change));
    } else {
      table.put(change);
      states.set(change.uid, change);
    }
  }
  return { table, states };
}

describe('the table', () => {
  it('gives back what was put, after any history', () => {
    fc.assert(
      fc.property(history, (changes) => {
        const { table, states } = play(changes);
        expect(table.size).toBe(states.size);
        for (const [key, state] of states) expect(table.get(key)).toEqual(state);
        expect([...table.uids()].toSorted()).toEqual([...states.keys()].toSorted());
      }),
    );
  });

  it('counts outcomes as they change', () => {
    fc.assert(
      fc.property(history, (changes) => {
        const { table, states } = play(changes);
        for (const outcome of OUTCOMES) {
          expect(table.outcomeCount(outcome)).toBe([...states.values()].filter((s) => s.outcome === outcome).length);
        }
      }),
    );
  });

  it('keeps nothing of what is gone', () => {
    const table = new ResultTable();
    fc.assert(
      fc.property(history, (changes) => {
        for (const change of changes) if (typeof change !== 'string') table.put(change);
        for (const key of table.uids()) table.remove(key);
        expect(table.size).toBe(0);
        expect(table.limit).toBeLessThanOrEqual(26);
        expect(table.column('namespace').texts.size).toBe(0);
        expect(table.column('owner').texts.size).toBe(0);
        expect(table.labels.keyCount).toBe(0);
        for (const metric of METRICS) expect(table.order(metric).length).toBe(0);
      }),
    );
  });
});

const requirement = fc.oneof(
  fc
    .tuple(fc.constantFrom(...labelKeys), fc.constantFrom('=', '==', '!='), fc.constantFrom('', 'a', 'b', '1'))
    .map((parts) => parts.join('')),
  fc
    .tuple(fc.constantFrom(...labelKeys), fc.constantFrom('in', 'notin'), fc.subarray(['a', 'b', '1', '2']))
    .map(([key, operator, values]) => `${key} ${operator} (${values.join(',')})`),
  fc.constantFrom(...labelKeys),
  fc.constantFrom(...labelKeys).map((key) => `!${key}`),
  fc
    .tuple(fc.constantFrom(...labelKeys), fc.constantFrom('>', '<'), fc.constantFrom('1', '2', '5'))
    .map((parts) => parts.join('')),
);
const selectorText = fc.array(requirement, { maxLength: 3 }).map((parts) => parts.join(','));

const filter: fc.Arbitrary<ResultFilter> = fc
  .record({
    namespaces: fc.option(fc.subarray(['perf', 'other', 'absent']), { nil: undefined }),
    selector: selectorText.map(parseSelector),
    runs: fc.option(fc.subarray(['run-1', 'nope']), { nil: undefined }),
    nodes: fc.option(fc.subarray(['n1', 'n2']), { nil: undefined }),
    outcomes: fc.option(fc.subarray([...OUTCOMES]), { nil: undefined }),
    sinceMs: fc.option(fc.integer({ min: 1_770_000_000_000, max: 1_770_000_100_000 }), { nil: undefined }),
    untilMs: fc.option(fc.integer({ min: 1_770_000_000_000, max: 1_770_000_100_000 }), { nil: undefined }),
  })
  .map((each) => Object.fromEntries(Object.entries(each).filter(([, value]) => value !== undefined)) as ResultFilter);

function naiveMatches(state: ResultState, each: ResultFilter): boolean {
  const createdMs = Number(state.createdAt - (((state.createdAt % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1e6;
  return (
    (each.namespaces?.includes(state.namespace) ?? true) &&
    (each.runs?.includes(state.runName) ?? true) &&
    (each.nodes === undefined || (state.nodeName !== undefined && each.nodes.includes(state.nodeName))) &&
    (each.outcomes?.includes(state.outcome) ?? true) &&
    (each.sinceMs === undefined || createdMs >= each.sinceMs) &&
    (each.untilMs === undefined || createdMs < each.untilMs) &&
    matchesSelector(each.selector ?? { requirements: [] }, state.labels)
  );
}

describe('a filter', () => {
  it('accepts exactly what a plain reading of it accepts', () => {
    fc.assert(
      fc.property(history, filter, (changes, each) => {
        const { table, states } = play(changes);
        const marks = markMatching(table, each);
        const found = [...table.uids()].filter((key) => marks[table.slotOf(key) as number] === 1);
        const expected = [...states.values()].filter((state) => naiveMatches(state, each)).map((state) => state.uid);
        expect(found.toSorted()).toEqual(expected.toSorted());
      }),
    );
  });

  it('finds labels that few results carry, and those that many do', () => {
    fc.assert(
      fc.property(fc.array(labels, { minLength: 1, maxLength: 40 }), selectorText, (sets, text) => {
        const table = new ResultTable();
        // Enough others that a key may be rare, and then not rare any more.
        for (let i = 0; i < 2000; i++) table.put({ ...PLAIN, uid: `plain-${String(i)}` });
        const copies = sets.flatMap((set) => Array.from({ length: 8 }, () => set));
        copies.forEach((set, i) => table.put({ ...PLAIN, uid: `labelled-${String(i)}`, labels: set }));
        const selector = parseSelector(text);
        const marks = markMatching(table, { selector });
        copies.forEach((set, i) => {
          const slot = table.slotOf(`labelled-${String(i)}`) as number;
          expect(marks[slot]).toBe(matchesSelector(selector, set) ? 1 : 0);
          expect(table.labels.labels(slot)).toEqual(set);
        });
      }),
      { numRuns: 15 },
    );
  });
});

const PLAIN: ResultState = {
  namespace: 'perf',
  name: 'plain',
  uid: '',
  createdAt: 0n,
  creationSource: 'WatchReceipt',
  runName: 'run-1',
  labels: {},
  outcome: 'Pending',
  milestones: [],
  uncertaintyMs: 0,
  restarts: 0,
};

const NOW_MS = 1_770_000_200_000;
const QUANTILES = [0, 0.5, 0.9, 0.99, 0.999, 1];

/** The definition, computed without any of the machinery. */
function naive(states: readonly ResultState[], metric: Metric, method: (typeof QUANTILE_METHODS)[number]): Statistic {
  const values = states.flatMap((s) => metricOf(s, metric) ?? []).toSorted((a, b) => a - b);
  const unmeasured = states.filter((s) => metricOf(s, metric) === undefined);
  const failed = unmeasured.filter((s) => s.outcome === 'Failed').length;
  const waiting = unmeasured.filter((s) => s.outcome === 'Pending' || s.outcome === 'Started');
  const open = [
    ...values,
    ...waiting.map(
      (s) => NOW_MS - Number((s.createdAt - (((s.createdAt % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n),
    ),
  ].toSorted((a, b) => a - b);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const uncertaintyOf = (source: ResultState['creationSource']): number => {
    const dated = states.filter((s) => s.creationSource === source && metricOf(s, metric) !== undefined);
    return metric === 'datapathDelay' ? 0 : Math.max(0, ...dated.map((s) => s.uncertaintyMs));
  };
  const classes: Record<string, number> = {};
  for (const s of states) if (s.failure !== undefined) classes[s.failure.class] = (classes[s.failure.class] ?? 0) + 1;
  return {
    measured: values.length,
    failed,
    pending: waiting.length,
    aborted: unmeasured.filter((s) => s.outcome === 'Aborted').length,
    unmeasured: unmeasured.filter((s) => s.outcome === 'Ready').length,
    outcomes: Object.fromEntries(
      OUTCOMES.map((o) => [o, states.filter((s) => s.outcome === o).length]),
    ) as Statistic['outcomes'],
    quantiles: QUANTILES.map((q) => quantile(values, q, method)),
    censored: QUANTILES.map((q) => quantile(open, q, method, failed)),
    min: values[0] ?? null,
    max: values.at(-1) ?? null,
    mean: values.length === 0 ? null : (expect.closeTo(mean, 3) as unknown as number),
    stddev:
      values.length === 0
        ? null
        : (expect.closeTo(
            Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length),
            0,
          ) as unknown as number),
    failureClasses: classes,
    tooLargeMs: uncertaintyOf('CreationTimestamp'),
    tooSmallMs: uncertaintyOf('WatchReceipt'),
    skewed: states.filter((s) => s.clockSkew !== undefined).length,
  };
}

function groupName(state: ResultState, groupBy: GroupKey): string | null {
  switch (groupBy) {
    case 'node':
      return state.nodeName ?? null;
    case 'namespace':
      return state.namespace;
    case 'run':
      return state.runName;
    case 'owner':
      return state.ownerKind === undefined && state.ownerName === undefined
        ? null
        : `${state.ownerKind ?? ''}/${state.ownerName ?? ''}`;
    case 'failureClass':
      return state.failure?.class ?? null;
    case 'zone':
      return state.labels[ZONE_LABEL] ?? null;
    default:
      return state.labels[groupBy.slice('label:'.length)] ?? null;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byNames(a: ResultState, b: ResultState): number {
  return compare(a.namespace, b.namespace) || compare(a.name, b.name) || compare(a.uid, b.uid);
}

describe('a statistic', () => {
  it('equals its definition, whole and in groups, after any history', () => {
    const groupKey = fc.constantFrom<GroupKey>(
      'node',
      'namespace',
      'owner',
      'run',
      'zone',
      'failureClass',
      'label:app',
      'label:none',
    );
    fc.assert(
      fc.property(
        history,
        filter,
        fc.constantFrom(...METRICS),
        fc.constantFrom(...QUANTILE_METHODS),
        groupKey,
        fc.nat(5),
        (changes, each, metric, method, groupBy, topN) => {
          const { table, states } = play(changes);
          const asked = [...states.values()].filter((state) => naiveMatches(state, each));
          const answer = computeStatistic(table, markMatching(table, each), {
            metric,
            method,
            quantiles: QUANTILES,
            topN,
            nowMs: NOW_MS,
            groupBy,
          });
          const { histogram, ...whole } = answer.whole;
          expect(whole).toEqual(naive(asked, metric, method));
          expect(histogram.reduce((sum, { count }) => sum + count, 0)).toBe(whole.measured);

          const value = (state: ResultState): number => metricOf(state, metric) as number;
          const worst = asked
            .filter((state) => metricOf(state, metric) !== undefined)
            .toSorted((a, b) => value(b) - value(a) || byNames(a, b));
          expect(answer.worst.map((slot) => table.uid(slot))).toEqual(worst.slice(0, topN).map((state) => state.uid));
          const failed = asked
            .filter((state) => metricOf(state, metric) === undefined && state.outcome === 'Failed')
            .toSorted(byNames);
          expect(answer.failed.map((slot) => table.uid(slot))).toEqual(failed.slice(0, topN).map((state) => state.uid));

          const names = new Set(asked.map((state) => groupName(state, groupBy)));
          expect(answer.groupCount).toBe(names.size);
          expect(new Set(answer.groups.map(({ key }) => key))).toEqual(names);
          for (const { key, statistic } of answer.groups) {
            const members = asked.filter((state) => groupName(state, groupBy) === key);
            expect(statistic).toEqual(naive(members, metric, method));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
