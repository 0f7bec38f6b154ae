import { describe, expect, it } from '@jest/globals';
import { fromEpochMs } from '../datapath/instant.js';
import type { ResultState } from '../datapath/result-state.js';
import { judge, quantileOf, verdictOf } from './objective.js';
import type { Circumstances, Objective } from './objective.js';
import { archiveOf, emptyArchive } from './run-archive.js';
import { runFigures } from './run-figures.js';
import type { RunFigures } from './run-figures.js';
import { markMatching } from './result-filter.js';
import { ResultTable } from './result-table.js';

const NOW_MS = Date.UTC(2026, 0, 31, 12);

function pod(name: string, readyMs: number | undefined, over: Partial<ResultState> = {}): ResultState {
  const createdAt = fromEpochMs(NOW_MS - 60_000);
  return {
    namespace: 'perf',
    name,
    uid: name,
    createdAt,
    creationSource: 'WatchReceipt',
    runName: 'run',
    labels: {},
    outcome: readyMs === undefined ? 'Failed' : 'Ready',
    ...(readyMs === undefined
      ? { failure: { class: 'ProbeTimeout', message: 'refused' } }
      : { datapathReadyAt: createdAt + BigInt(readyMs) * 1_000_000n }),
    milestones: [],
    uncertaintyMs: 0,
    restarts: 0,
    ...over,
  };
}

function figuresOf(states: readonly ResultState[], archived: readonly ResultState[] = []): RunFigures {
  const table = new ResultTable();
  for (const state of states) table.put(state);
  return runFigures(
    table,
    markMatching(table, {}),
    archived.length === 0 ? emptyArchive() : archiveOf(archived),
    NOW_MS,
  );
}

/** Pods that were ready after 1, 2, … n times 10 ms. */
function steady(n: number, over: Partial<ResultState> = {}): ResultState[] {
  return Array.from({ length: n }, (_, i) => pod(`p${String(i)}`, (i + 1) * 10, over));
}

const p99: Objective = { metric: 'timeToDatapathReady', statistic: 'p99', thresholdMs: 1000 };
const calm: Circumstances = { longestGapMs: 0 };

describe('an objective', () => {
  it('is met where the statistic is at most the threshold, and missed one millisecond below', () => {
    const figures = figuresOf(steady(100));
    expect(judge({ ...p99, thresholdMs: 990 }, figures, calm)).toMatchObject({ verdict: 'Met', valueMs: 990 });
    expect(judge({ ...p99, thresholdMs: 989 }, figures, calm)).toMatchObject({
      verdict: 'Missed',
      reason: 'AboveThreshold',
    });
  });

  it.each([
    ['min', 10],
    ['max', 1000],
    ['mean', 505],
    ['p50', 500],
    ['p99.9', 1000],
  ])('knows %s', (statistic, value) => {
    expect(judge({ ...p99, statistic }, figuresOf(steady(100)), calm).valueMs).toBe(value);
  });

  it('is never met without values', () => {
    expect(judge(p99, figuresOf([]), calm)).toMatchObject({ verdict: 'Inconclusive', reason: 'NoMeasurements' });
    const pending = pod('a', undefined, { outcome: 'Pending' });
    expect(judge(p99, figuresOf([pending]), calm).verdict).toBe('Inconclusive');
  });

  it('counts a failed Pod as never ready, unless it says how many may fail', () => {
    const figures = figuresOf([...steady(98), pod('x', undefined), pod('y', undefined)]);
    expect(judge(p99, figures, calm)).toMatchObject({ verdict: 'Missed', reason: 'FailedPods', valueMs: null });
    expect(judge({ ...p99, statistic: 'p50' }, figures, calm).verdict).toBe('Met');
    expect(judge({ ...p99, maxFailedRatio: 0.02 }, figures, calm).verdict).toBe('Met');
    expect(judge({ ...p99, maxFailedRatio: 0.01 }, figures, calm)).toMatchObject({
      verdict: 'Missed',
      reason: 'TooManyFailed',
    });
  });

  it('is left open by unknown Pods that could change it, and by those alone', () => {
    const lost = (i: number): ResultState =>
      pod(`lost${String(i)}`, undefined, { failure: { class: 'ReportLost', message: '' } });
    const figures = figuresOf([...steady(95), lost(1), lost(2), lost(3), lost(4), lost(5)]);
    expect(judge(p99, figures, calm)).toMatchObject({ verdict: 'Inconclusive', reason: 'LowCoverage' });
    expect(judge({ ...p99, statistic: 'p50' }, figures, calm).verdict).toBe('Met');
    expect(judge({ ...p99, statistic: 'p50', thresholdMs: 100 }, figures, calm).verdict).toBe('Missed');
    expect(judge({ ...p99, minCoverage: 0.95 }, figures, calm).verdict).toBe('Met');
    expect(judge({ ...p99, minCoverage: 0.96 }, figures, calm)).toMatchObject({ reason: 'LowCoverage' });
  });

  it('is left open by Pods that were expected and never seen', () => {
    const figures = figuresOf(steady(90));
    expect(judge(p99, figures, { ...calm, expectedPods: 100 }).verdict).toBe('Inconclusive');
    expect(judge(p99, figures, { ...calm, expectedPods: 90 }).verdict).toBe('Met');
  });

  it('is left open by pending Pods, and says so', () => {
    const figures = figuresOf([...steady(50), pod('open', undefined, { outcome: 'Started' })]);
    expect(judge(p99, figures, calm)).toMatchObject({ verdict: 'Inconclusive', reason: 'PendingPods' });
  });

  it('is missed by a maximum above the threshold, whatever isn’t known', () => {
    const figures = figuresOf([...steady(50), pod('open', undefined, { outcome: 'Started' })]);
    expect(judge({ ...p99, statistic: 'max', thresholdMs: 499 }, figures, calm).verdict).toBe('Missed');
  });

  it('is left open where clocks are off by more than the margin, but not for a delay', () => {
    const figures = figuresOf(steady(100, { clockSkew: { behindMs: 50, aheadMs: 20 }, datapathDelayMs: 990 }));
    expect(judge({ ...p99, thresholdMs: 1030 }, figures, calm)).toMatchObject({ reason: 'ClockSkew' });
    expect(judge({ ...p99, thresholdMs: 1040 }, figures, calm).verdict).toBe('Met');
    expect(judge({ ...p99, thresholdMs: 980 }, figures, calm)).toMatchObject({ reason: 'ClockSkew' });
    expect(judge({ ...p99, thresholdMs: 960 }, figures, calm).verdict).toBe('Missed');
    expect(judge({ ...p99, metric: 'datapathDelay', thresholdMs: 990 }, figures, calm).verdict).toBe('Met');
  });

  it('is not missed within the second by which a creation is uncertain', () => {
    const figures = figuresOf(steady(200, { creationSource: 'CreationTimestamp' }));
    expect(judge(p99, figures, calm)).toMatchObject({ verdict: 'Inconclusive', reason: 'CreationUncertain' });
    expect(judge({ ...p99, thresholdMs: 979 }, figures, calm).verdict).toBe('Missed');
    expect(judge({ ...p99, thresholdMs: 1980 }, figures, calm).verdict).toBe('Met');
  });

  it('is left open by a gap, unless as many Pods as expected were seen', () => {
    const figures = figuresOf(steady(100));
    expect(judge(p99, figures, { longestGapMs: 31_000 })).toMatchObject({ reason: 'ControllerGap' });
    expect(judge(p99, figures, { longestGapMs: 31_000, expectedPods: 100 }).verdict).toBe('Met');
    expect(judge(p99, figures, { longestGapMs: 3_000 }).verdict).toBe('Met');
  });

  it('is judged from an archive within the error of its sketch', () => {
    const figures = figuresOf([], steady(100));
    expect(judge({ ...p99, thresholdMs: 990 }, figures, calm)).toMatchObject({ reason: 'Estimated' });
    expect(judge({ ...p99, thresholdMs: 1020 }, figures, calm).verdict).toBe('Met');
    expect(judge({ ...p99, thresholdMs: 950 }, figures, calm).verdict).toBe('Missed');
    expect(judge({ ...p99, statistic: 'max', thresholdMs: 1000 }, figures, calm).verdict).toBe('Met');
  });
});

describe('a statistic', () => {
  it.each(['p0', 'p00.0', 'p100', 'p', 'p1.5e1', 'median', 'NaN', '', 'p-1', 'p99.99999'])('is never %j', (text) => {
    expect(() => quantileOf(text)).toThrow(RangeError);
  });

  it('names its quantile', () => {
    expect(quantileOf('p99.9')).toBeCloseTo(0.999);
    expect(quantileOf('max')).toBeUndefined();
  });
});

describe('the verdict of a run', () => {
  const figures = figuresOf(steady(100));
  const met = judge(p99, figures, calm);
  const missed = judge({ ...p99, thresholdMs: 1 }, figures, calm);
  const open = judge(p99, figuresOf([]), calm);
  it('is the worst of its objectives', () => {
    expect(verdictOf([met, met])).toBe('Met');
    expect(verdictOf([met, open])).toBe('Inconclusive');
    expect(verdictOf([open, missed, met])).toBe('Missed');
  });

  it('is none without objectives', () => {
    expect(verdictOf([])).toBeUndefined();
  });
});
