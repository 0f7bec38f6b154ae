import { describe, expect, it } from '@jest/globals';
import { fromEpochMs } from '../../datapath/instant.js';
import type { ResultState } from '../../datapath/result-state.js';
import { markMatching } from '../../statistics/result-filter.js';
import { ResultTable } from '../../statistics/result-table.js';
import { archiveOf } from '../../statistics/run-archive.js';
import { runFigures } from '../../statistics/run-figures.js';
import type { DatapathRunSpec, DatapathRunStatus } from './datapath-run.schema.js';
import { HEARTBEAT_MS, planRun } from './run-plan.js';
import type { RunInput, RunPlan } from './run-plan.js';
import { instantText } from './run-status.js';
import { projectRun } from './run-view.js';

const CREATED_MS = Date.UTC(2026, 0, 31, 12);
const MINUTE_MS = 60_000;

/** A Pod of 100 ms: ready, failed, or pending. */
function pod(name: string, outcome: ResultState['outcome'], delayMs = 100): ResultState {
  const common: ResultState = {
    namespace: 'perf',
    name,
    uid: `uid-of-${name}`,
    createdAt: fromEpochMs(CREATED_MS),
    creationSource: 'WatchReceipt',
    runName: 'r',
    labels: {},
    outcome,
    milestones: [],
    uncertaintyMs: 0,
    restarts: 0,
  };
  switch (outcome) {
    case 'Ready': {
      const startedAt = fromEpochMs(CREATED_MS + 50);
      return {
        ...common,
        startedAt,
        datapathReadyAt: fromEpochMs(CREATED_MS + 50 + delayMs),
        datapathDelayMs: delayMs,
      };
    }
    case 'Failed':
      return { ...common, failure: { class: 'ProbeTimeout', message: 'refused' } };
    default:
      return common;
  }
}

interface Story {
  readonly spec?: DatapathRunSpec;
  readonly pods?: readonly ResultState[];
  /** What is stored. */
  readonly status?: DatapathRunStatus;
  readonly generation?: number;
  readonly over?: Partial<RunInput>;
}

function plan({ spec = {}, pods = [], status, generation = 1, over = {} }: Story): RunPlan {
  const run = projectRun({
    metadata: {
      name: 'r',
      uid: 'uid-of-r',
      resourceVersion: '1',
      generation,
      creationTimestamp: new Date(CREATED_MS).toISOString(),
    },
    spec,
    ...(status === undefined ? {} : { status }),
  } as Parameters<typeof projectRun>[0]);
  const table = new ResultTable();
  for (const state of pods) table.put(state);
  const nowMs = over.nowMs ?? CREATED_MS + MINUTE_MS;
  return planRun({
    run,
    figures: runFigures(table, markMatching(table, {}), run.archive, nowMs),
    archive: run.archive,
    releasing: [],
    nowMs,
    quietForMs: 0,
    watchingSinceMs: 0,
    watchedUntilMs: nowMs,
    overlap: undefined,
    unstored: () => 0,
    ...over,
  });
}

/** What is stored after a plan was written. */
function written({ status }: RunPlan): DatapathRunStatus {
  return { ...status, updatedAt: instantText(CREATED_MS) };
}

function condition({ status }: RunPlan, type: string): unknown {
  const found = status.conditions?.find((each) => each.type === type);
  return found === undefined ? undefined : [found.status, found.reason, found.message];
}

const OBJECTIVE = { metric: 'datapathDelay', statistic: 'max', thresholdMs: 1000 } as const;

describe('a run with expected Pods', () => {
  const spec: DatapathRunSpec = { expectedPods: 2, objectives: [OBJECTIVE] };

  it('is open while fewer have an end, and says how many', () => {
    const open = plan({ spec, pods: [pod('a', 'Ready'), pod('b', 'Pending')] });
    expect(condition(open, 'Complete')).toEqual(['False', 'PodsPending', '1 of 2 expected Pods have an end']);
    expect(condition(open, 'ObjectivesMet')).toEqual(['Unknown', 'Running', 'judged when the run is complete']);
    expect(open.status).toMatchObject({ pods: 2, ready: 1, pending: 1 });
    expect(open.status.verdict).toBeUndefined();
  });

  it('is complete when as many have an end: ready, failed or aborted', () => {
    const done = plan({ spec, pods: [pod('a', 'Ready'), pod('b', 'Aborted')] });
    expect(condition(done, 'Complete')).toEqual(['True', 'ExpectedPodsFinal', 'all of 2 expected Pods have an end']);
    expect(done.status.completedAt).toBe(instantText(CREATED_MS + MINUTE_MS));
  });

  it('waits for the store, looks again soon, and does not judge before', () => {
    const waiting = plan({ spec, pods: [pod('a', 'Ready'), pod('b', 'Ready')], over: { unstored: () => 1 } });
    expect(condition(waiting, 'Complete')).toEqual([
      'False',
      'ResultsNotStored',
      'the end of 1 Pods is not stored yet',
    ]);
    expect(waiting.status.verdict).toBeUndefined();
    expect(waiting.againInMs).toBe(500);
  });

  it('keeps verdict and instant of completion, whatever comes later, and counts it', () => {
    const done = plan({ spec, pods: [pod('a', 'Ready'), pod('b', 'Ready')] });
    expect(done.status.verdict).toBe('Met');
    const later = plan({
      spec,
      status: written(done),
      pods: [pod('a', 'Ready'), pod('b', 'Ready'), pod('c', 'Failed')],
      over: { nowMs: CREATED_MS + 60 * MINUTE_MS },
    });
    expect(later.due).toBe(true);
    expect(later.status).toMatchObject({
      verdict: 'Met',
      completedAt: done.status.completedAt,
      objectives: done.status.objectives,
      pods: 3,
      failed: 1,
    });
    expect(condition(later, 'Complete')).toEqual(['True', 'ExpectedPodsFinal', '2 Pods were expected, 3 came']);
    expect(condition(later, 'ObjectivesMet')).toEqual(condition(done, 'ObjectivesMet'));
  });

  it('does not ask the store again once it is judged', () => {
    const done = plan({ spec, pods: [pod('a', 'Ready'), pod('b', 'Ready')] });
    const again = plan({
      spec,
      status: written(done),
      pods: [pod('a', 'Ready'), pod('b', 'Ready')],
      over: {
        unstored: () => {
          throw new Error('asked');
        },
      },
    });
    expect(again.due).toBe(false);
  });

  it('is judged anew when its spec changes', () => {
    const pods = [pod('a', 'Ready'), pod('b', 'Ready')];
    const done = plan({ spec, pods });
    const strict = { ...spec, objectives: [{ ...OBJECTIVE, thresholdMs: 10 }] };
    expect(plan({ spec: strict, status: written(done), generation: 2, pods }).status).toMatchObject({
      verdict: 'Missed',
      reason: 'AboveThreshold',
      observedGeneration: 2,
    });
  });

  it('keeps its verdict when its results are archived', () => {
    const pods = [pod('a', 'Ready'), pod('b', 'Ready')];
    const done = plan({ spec, pods });
    const archive = archiveOf(pods);
    const figures = runFigures(new ResultTable(), new Uint8Array(0), archive, CREATED_MS);
    const folded = plan({ spec, status: written(done), over: { archive, figures, releasing: ['two', 'one'] } });
    expect(folded.status).toMatchObject({
      verdict: 'Met',
      completedAt: done.status.completedAt,
      pods: 2,
      ready: 2,
      archive: { results: 2, ready: 2, releasing: ['one', 'two'] },
    });
  });
});

describe('a deadline', () => {
  const spec: DatapathRunSpec = { expectedPods: 2, deadlineSeconds: 120, objectives: [OBJECTIVE] };
  const pods = [pod('a', 'Ready'), pod('b', 'Pending')];

  it('is waited for', () => {
    expect(plan({ spec, pods, over: { nowMs: CREATED_MS + 110_000 } }).againInMs).toBe(10_000);
  });

  it('completes the run whatever is pending, and the verdict is no pass by absence', () => {
    const done = plan({ spec, pods, over: { nowMs: CREATED_MS + 120_000 } });
    expect(condition(done, 'Complete')).toEqual([
      'True',
      'DeadlinePassed',
      'the deadline of 120 s passed; 1 Pods were pending',
    ]);
    expect(done.status).toMatchObject({ verdict: 'Inconclusive', reason: 'PendingPods' });
    const later = plan({ spec, status: written(done), pods: [pod('a', 'Ready'), pod('b', 'Ready')] });
    expect(later.status).toMatchObject({ verdict: 'Inconclusive', ready: 2 });
  });

  it('waits for the store half a minute, not for ever', () => {
    const unstored = (): number => 1;
    const reason = (seconds: number): unknown =>
      condition(plan({ spec, pods, over: { unstored, nowMs: CREATED_MS + seconds * 1000 } }), 'Complete');
    expect(reason(149)).toEqual(expect.arrayContaining(['ResultsNotStored']));
    expect(reason(150)).toEqual(expect.arrayContaining(['DeadlinePassed']));
  });
});

describe('a run that expects nothing', () => {
  const spec: DatapathRunSpec = { quietSeconds: 20, objectives: [OBJECTIVE] };
  const pods = [pod('a', 'Ready')];

  it('without a Pod is never complete', () => {
    const empty = plan({ spec, over: { quietForMs: 10 * MINUTE_MS } });
    expect(condition(empty, 'Complete')).toEqual(['False', 'NoPods', 'no Pod belongs to the run']);
    expect(empty.againInMs).toBeUndefined();
  });

  it('waits for pending Pods without end, and for quiet as long as it says', () => {
    expect(condition(plan({ spec, pods: [pod('a', 'Pending')], over: { quietForMs: MINUTE_MS } }), 'Complete')).toEqual(
      ['False', 'PodsPending', '1 Pods are pending'],
    );
    const settling = plan({ spec, pods, over: { quietForMs: 15_000 } });
    expect(condition(settling, 'Complete')).toEqual(expect.arrayContaining(['False', 'Settling']));
    expect(settling.againInMs).toBe(5_000);
  });

  it('is complete when it was quiet, stays so over a restart, and is open again when a Pod comes', () => {
    const done = plan({ spec, pods, over: { quietForMs: 20_000 } });
    expect(condition(done, 'Complete')).toEqual(expect.arrayContaining(['True', 'Quiet']));
    expect(done.status.verdict).toBe('Met');
    const restarted = plan({ spec, status: written(done), pods, over: { quietForMs: 0 } });
    expect(restarted.due).toBe(false);
    const open = plan({ spec, status: written(done), pods: [...pods, pod('b', 'Pending')] });
    expect(condition(open, 'Complete')).toEqual(expect.arrayContaining(['False', 'PodsPending']));
    expect(open.status.verdict).toBeUndefined();
    expect(open.status.completedAt).toBeUndefined();
  });
});

describe('what the controller did not see', () => {
  const spec: DatapathRunSpec = { objectives: [OBJECTIVE] };
  const pods = [pod('a', 'Ready')];
  const seen = written(plan({ spec, pods }));

  it('is a gap from the last that was watched to the start of this process, and leaves the verdict open', () => {
    const watchingSinceMs = CREATED_MS + 3 * MINUTE_MS;
    const over = { watchingSinceMs, nowMs: watchingSinceMs, quietForMs: MINUTE_MS };
    const { status } = plan({ spec, status: seen, pods, over });
    expect(status.gaps).toEqual([
      { from: instantText(CREATED_MS + MINUTE_MS), to: instantText(CREATED_MS + 3 * MINUTE_MS) },
    ]);
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'ControllerGap' });
    const known = plan({ spec: { ...spec, expectedPods: 1 }, status: seen, pods, over });
    expect(known.status.verdict).toBe('Met');
  });

  it('is also a watch that was silent', () => {
    const nowMs = CREATED_MS + 10 * MINUTE_MS;
    const { status } = plan({ spec, status: seen, pods, over: { nowMs } });
    expect(status.gaps).toEqual([{ from: seen.watchedUntil, to: instantText(nowMs) }]);
  });

  it('is none after the run was complete', () => {
    const done = written(plan({ spec, pods, over: { quietForMs: MINUTE_MS } }));
    const watchingSinceMs = CREATED_MS + 60 * MINUTE_MS;
    const { status } = plan({ spec, status: done, pods, over: { watchingSinceMs, nowMs: watchingSinceMs } });
    expect(status.gaps).toBeUndefined();
  });
});

describe('a selector', () => {
  const selecting: DatapathRunSpec = { selector: { podSelector: { matchLabels: { app: 'web' } } } };

  it('that matches nothing says so, and one that matches does', () => {
    expect(condition(plan({ spec: selecting }), 'Selecting')).toEqual([
      'False',
      'NoPodMatched',
      'no Pod that came after the run was made matched',
    ]);
    expect(condition(plan({ spec: selecting, pods: [pod('a', 'Pending')] }), 'Selecting')).toEqual([
      'True',
      'Selected',
      '',
    ]);
    expect(condition(plan({ spec: {} }), 'Selecting')).toBeUndefined();
  });

  it('that an earlier run beats names it', () => {
    const overlap = { run: 'first', pods: 3 };
    expect(condition(plan({ spec: selecting, over: { overlap } }), 'Selecting')).toEqual([
      'False',
      'Overlapping',
      '3 Pods that match belong to run first',
    ]);
  });

  it('is looked at now and then while no Pod comes: an earlier run may take them all', () => {
    const waiting = plan({ spec: selecting });
    expect(waiting.againInMs).toBe(HEARTBEAT_MS);
    expect(plan({ spec: selecting, status: written(waiting) }).due).toBe(false);
    expect(plan({ spec: {} }).againInMs).toBeUndefined();
  });

  it('that cannot be read says what is wrong', () => {
    const spec = { selector: { podSelector: { matchLabels: { 'not a key': 'x' } } } };
    expect(condition(plan({ spec }), 'Selecting')).toEqual([
      'False',
      'InvalidSelector',
      expect.stringContaining('not a key'),
    ]);
  });
});

describe('a status', () => {
  const pods = [pod('a', 'Pending')];

  it('is written for a new word, and every half minute for that it is still watched', () => {
    const first = plan({ pods });
    expect(first.due).toBe(true);
    const later = (ms: number): RunPlan =>
      plan({ pods, status: written(first), over: { nowMs: CREATED_MS + MINUTE_MS + ms } });
    expect(later(HEARTBEAT_MS - 1).due).toBe(false);
    expect(later(HEARTBEAT_MS).due).toBe(true);
    expect(plan({ status: written(first), pods: [pod('a', 'Ready')] }).due).toBe(true);
  });

  it('of a complete run is written no more, and its end of life is waited for', () => {
    const spec: DatapathRunSpec = { expectedPods: 1, ttlSecondsAfterComplete: 3600 };
    const done = plan({ spec, pods: [pod('a', 'Ready')] });
    const later = (ms: number): RunPlan =>
      plan({ spec, pods: [pod('a', 'Ready')], status: written(done), over: { nowMs: CREATED_MS + MINUTE_MS + ms } });
    expect(later(10 * MINUTE_MS)).toMatchObject({ due: false, againInMs: 50 * MINUTE_MS });
    expect(later(61 * MINUTE_MS)).toMatchObject({ due: false, againInMs: 0 });
  });

  it('with objectives that differ says the worst, and names those that are at fault', () => {
    const spec: DatapathRunSpec = {
      expectedPods: 1,
      objectives: [OBJECTIVE, { metric: 'datapathDelay', statistic: 'p50', thresholdMs: 10 }],
    };
    const done = plan({ spec, pods: [pod('a', 'Ready')] });
    expect(done.status).toMatchObject({ verdict: 'Missed', reason: 'AboveThreshold' });
    expect(done.status.objectives?.map(({ verdict }) => verdict)).toEqual(['Met', 'Missed']);
    expect(condition(done, 'ObjectivesMet')).toEqual([
      'False',
      'AboveThreshold',
      'datapathDelay: p50 is 100 ms, the bound 10 ms',
    ]);
  });

  it('keeps its messages within their bounds, though every objective of many failed', () => {
    const objectives = Array.from({ length: 32 }, (_, i) => ({
      ...OBJECTIVE,
      statistic: `p${String(i + 1)}`,
      thresholdMs: 1,
    }));
    const done = plan({ spec: { expectedPods: 1, objectives }, pods: [pod('a', 'Ready')] });
    const met = done.status.conditions?.find(({ type }) => type === 'ObjectivesMet');
    expect(met?.message.length).toBe(1024);
  });
});
