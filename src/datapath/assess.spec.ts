import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { firstState, observe, observeAbsence, observeDeadline, observeDeletion } from './assess.js';
import { NS_PER_MS, parseInstant } from './instant.js';
import type { PodObservation } from './pod-observation.js';
import { encodeReport } from './report.js';
import type { Report } from './report.js';
import { isLegalMove, metricOf } from './result-state.js';
import type { ResultState } from './result-state.js';

const CREATED = '2026-11-22T10:00:00Z';
const created = parseInstant(CREATED) ?? 0n;
const at = (ms: number): bigint => created + BigInt(ms) * NS_PER_MS;

function pod(changes: Partial<PodObservation> = {}): PodObservation {
  return {
    namespace: 'shop',
    name: 'web-1',
    uid: 'uid-1',
    resourceVersion: '1',
    labels: { app: 'web' },
    creationTimestamp: CREATED,
    phase: 'Running',
    restartPolicy: 'Always',
    reporterKind: 'sidecar',
    reporter: { name: 'datapath-reporter', restartCount: 0 },
    ...changes,
  };
}

function report(changes: Partial<Report>): string {
  return encodeReport({
    state: 'Probing',
    startedAt: at(800),
    attempts: 1,
    restarts: 0,
    target: 'tcp://a:1',
    ...changes,
  });
}

const fresh = (live?: number): ResultState => firstState(pod(), 'run', live === undefined ? undefined : at(live));

describe('creation instant', () => {
  it('is the receipt where ADDED arrived live within the second of the timestamp', () => {
    expect(fresh(215)).toMatchObject({ createdAt: at(215), creationSource: 'WatchReceipt', uncertaintyMs: 216 });
  });

  it.each([undefined, 1000, 5000, -1])(
    'is the truncated timestamp with 1000 ms of uncertainty otherwise (%p)',
    (receipt) => {
      expect(fresh(receipt)).toMatchObject({
        createdAt: created,
        creationSource: 'CreationTimestamp',
        uncertaintyMs: 1000,
      });
    },
  );
});

describe('observe', () => {
  it('goes Pending, Started, Ready and measures each in whole milliseconds', () => {
    const pending = observe(fresh(100), pod(), at(200));
    expect(pending.outcome).toBe('Pending');
    const started = observe(pending, pod({ startedAt: '2026-11-22T10:00:01.250Z' }), at(1300));
    expect(started.outcome).toBe('Started');
    expect(metricOf(started, 'timeToStart')).toBe(1150);
    const ready = observe(
      started,
      pod({ startedAt: '2026-11-22T10:00:01.250Z', readyAt: '2026-11-22T10:00:02.0009Z' }),
      at(2100),
    );
    expect(ready.outcome).toBe('Ready');
    expect(metricOf(ready, 'timeToDatapathReady')).toBe(1900);
    expect(metricOf(ready, 'datapathDelay')).toBe(750);
  });

  it.each([
    ['2026-11-22T10:00:01Z', 1000],
    ['2026-11-22T10:00:01.123Z', 1123],
    ['2026-11-22T10:00:01.1239999Z', 1123],
    ['2026-11-22T10:00:01.123456789Z', 1123],
  ])('reads the Go reporter’s annotation %s as %d ms', (text, ms) => {
    const state = observe(fresh(), pod({ legacyStartedAt: text, legacyReadyAt: text }), at(2000));
    expect(state.outcome).toBe('Ready');
    expect(metricOf(state, 'timeToStart')).toBe(ms);
    expect(metricOf(state, 'timeToDatapathReady')).toBe(ms);
  });

  it('prefers our annotations to the Go reporter’s in a Pod with both', () => {
    const both = pod({ startedAt: '2026-11-22T10:00:01.5Z', legacyStartedAt: '2026-11-22T10:00:01.9Z' });
    expect(metricOf(observe(fresh(), both, at(2000)), 'timeToStart')).toBe(1500);
  });

  it('keeps the first start and the first readiness', () => {
    const first = observe(
      fresh(),
      pod({ startedAt: '2026-11-22T10:00:01Z', readyAt: '2026-11-22T10:00:02Z' }),
      at(2000),
    );
    const again = observe(first, pod({ startedAt: '2026-11-22T10:00:07Z', readyAt: '2026-11-22T10:00:08Z' }), at(9000));
    expect(again.startedAt).toBe(first.startedAt);
    expect(again.datapathReadyAt).toBe(first.datapathReadyAt);
  });

  it('returns the same object for the same observation', () => {
    const seen = pod({ startedAt: '2026-11-22T10:00:01Z', report: report({}) });
    const state = observe(fresh(), seen, at(2000));
    expect(observe(state, { ...seen, labels: { app: 'web' } }, at(9000))).toBe(state);
  });

  it('takes the report of the termination message where the annotations are missing', () => {
    const message = report({ state: 'Ready', readyAt: at(1600), delayMs: 800 });
    const terminated = { exitCode: 0, message, current: true };
    const state = observe(
      fresh(),
      pod({ reporter: { name: 'datapath-reporter', restartCount: 0, terminated } }),
      at(2000),
    );
    expect(state).toMatchObject({
      outcome: 'Ready',
      startedAt: at(800),
      datapathReadyAt: at(1600),
      datapathDelayMs: 800,
    });
    expect(state.milestones.find((milestone) => milestone.name === 'datapathReady')?.source).toBe('TerminationMessage');
  });

  it('turns Failed into Ready when a late success comes, and counts restarts', () => {
    const failed = observe(fresh(), pod({ report: report({ state: 'TimedOut', attempts: 9 }) }), at(60_000));
    expect(failed).toMatchObject({ outcome: 'Failed', failure: { class: 'ProbeTimeout' } });
    const late = observe(
      failed,
      pod({
        report: report({ state: 'Ready', readyAt: at(70_000), delayMs: 69_200, restarts: 1 }),
        reporter: { name: 'datapath-reporter', restartCount: 2 },
      }),
      at(70_100),
    );
    expect(late).toMatchObject({ outcome: 'Ready', restarts: 2 });
    expect(late.failure).toBeUndefined();
  });
});

describe('bad reports', () => {
  it.each([
    ['garbage', { startedAt: 'soon' }, 'started-at is "soon"'],
    ['a date in 1970', { startedAt: '1970-01-01T00:00:00Z' }, 'more than a day before the Pod was created'],
    ['a date in 2100', { startedAt: '2100-01-01T00:00:00Z' }, 'more than a day after it was seen'],
    ['256 KiB', { report: 'x'.repeat(4096) }, 'is longer than 2048 characters'],
    ['unknown fields only', { report: '{"v":1}' }, 'state is missing'],
  ])('name what is wrong: %s', (_, changes, message) => {
    const state = observe(fresh(), pod(changes), at(2000));
    expect(state).toMatchObject({ outcome: 'Failed', failure: { class: 'InvalidReport' } });
    expect(state.failure?.message).toContain(message);
    expect(state.startedAt).toBeUndefined();
  });

  it('a readiness before its start keeps the start and refuses the readiness', () => {
    const bad = pod({ startedAt: '2026-11-22T10:00:02Z', readyAt: '2026-11-22T10:00:01Z' });
    const state = observe(fresh(), bad, at(3000));
    expect(state).toMatchObject({ outcome: 'Failed', startedAt: at(2000), failure: { class: 'InvalidReport' } });
    expect(state.failure?.message).toContain('1000 ms before the start');
    expect(state.datapathReadyAt).toBeUndefined();
  });

  it('never throw, and the outcome only makes legal moves', () => {
    const text = fc.option(fc.oneof(fc.string(), fc.constant('2026-11-22T10:00:01Z'), fc.constant(report({}))), {
      nil: undefined,
    });
    const observations = fc.array(
      fc.record({ startedAt: text, readyAt: text, report: text, legacyReadyAt: text, phase: fc.string() }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(observations, (list) => {
        let state = fresh(10);
        for (const changes of list) {
          const defined = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
          const next = observe(state, pod(defined), at(3000));
          expect(isLegalMove(state.outcome, next.outcome)).toBe(true);
          expect(next.createdAt).toBe(state.createdAt);
          if (state.startedAt !== undefined) expect(next.startedAt).toBe(state.startedAt);
          state = next;
        }
      }),
    );
  });
});

describe('a report that can’t be', () => {
  it('of another Pod is refused, with all that came along', () => {
    const copied = pod({
      startedAt: '2026-11-22T10:00:01Z',
      readyAt: '2026-11-22T10:00:02Z',
      report: report({ state: 'Ready', readyAt: at(2000), delayMs: 1200, uid: 'uid-of-another' }),
    });
    const state = observe(fresh(), copied, at(3000));
    expect(state).toMatchObject({ outcome: 'Failed', failure: { class: 'InvalidReport' } });
    expect(state.failure?.message).toContain('uid-of-another');
    expect(state.startedAt).toBeUndefined();
  });

  it('whose delay contradicts its own instants has the delay between the instants', () => {
    const absurd = report({ state: 'Ready', readyAt: at(2800), delayMs: 2 ** 31 });
    expect(observe(fresh(), pod({ report: absurd }), at(3000)).datapathDelayMs).toBe(2000);
    const stepped = report({ state: 'Ready', readyAt: at(2800), delayMs: 1500 });
    expect(observe(fresh(), pod({ report: stepped }), at(3000)).datapathDelayMs).toBe(1500);
  });

  it('with a readiness before the start that came first is refused, and says so', () => {
    const started = observe(fresh(), pod({ startedAt: '2026-11-22T10:00:02Z' }), at(2100));
    const state = observe(started, pod({ readyAt: '2026-11-22T10:00:01Z' }), at(3000));
    expect(state).toMatchObject({ outcome: 'Failed', failure: { class: 'InvalidReport' } });
    expect(state.failure?.message).toContain('before the start');
  });
});

describe('clock skew', () => {
  it('is flagged when the Pod started before it was created, and the value is kept', () => {
    const state = observe(fresh(), pod({ startedAt: '2026-11-22T09:59:57.5Z' }), at(100));
    expect(state).toMatchObject({ outcome: 'Started', clockSkew: { behindMs: 2500 } });
    expect(metricOf(state, 'timeToStart')).toBe(-2500);
  });

  it('is flagged when a report says it was made after it arrived', () => {
    const state = observe(fresh(), pod({ startedAt: '2026-11-22T10:00:09Z' }), at(1000));
    expect(state.clockSkew).toEqual({ aheadMs: 8000 });
  });
});

describe('deletion', () => {
  const started = (): ResultState => observe(fresh(), pod({ startedAt: '2026-11-22T10:00:01Z' }), at(1100));

  it('before readiness aborts, with the class that says how far it came', () => {
    expect(observeDeletion(fresh(), pod(), at(2000))).toMatchObject({
      outcome: 'Aborted',
      failure: { class: 'DeletedBeforeStart' },
      podDeletedAt: at(2000),
    });
    expect(observeDeletion(started(), pod({ startedAt: '2026-11-22T10:00:01Z' }), at(2000))).toMatchObject({
      outcome: 'Aborted',
      failure: { class: 'DeletedBeforeReady' },
    });
  });

  it('takes in a readiness that only the last object holds', () => {
    const last = pod({ startedAt: '2026-11-22T10:00:01Z', readyAt: '2026-11-22T10:00:02Z' });
    expect(observeDeletion(started(), last, at(2000)).outcome).toBe('Ready');
  });

  it('freezes the record', () => {
    const aborted = observeDeletion(started(), pod(), at(2000));
    expect(observe(aborted, pod({ readyAt: '2026-11-22T10:00:05Z' }), at(5000))).toBe(aborted);
  });

  it('is not a crash of the reporter because its containers end with 143 first', () => {
    const ended = { exitCode: 143, reason: 'Error', current: true };
    const ending = pod({
      phase: 'Failed',
      deletionTimestamp: CREATED,
      startedAt: '2026-11-22T10:00:01Z',
      reporter: { name: 'datapath-reporter', restartCount: 0, terminated: ended },
    });
    const state = observe(started(), ending, at(1500));
    expect(state.outcome).toBe('Started');
    expect(observeDeletion(state, ending, at(2000))).toMatchObject({
      outcome: 'Aborted',
      failure: { class: 'DeletedBeforeReady' },
    });
  });

  it('that does not come to its end is told by the deadline, with the disruption that asked for it', () => {
    const disruption = { status: true, reason: 'DeletionByTaintManager', message: 'no such node' };
    const stuck = pod({ deletionTimestamp: CREATED, disruption });
    expect(observeDeadline(started(), stuck, at(900_000))).toMatchObject({
      outcome: 'Failed',
      failure: { class: 'NodeLost', message: 'DeletionByTaintManager: no such node' },
    });
  });

  it.each([
    ['DeletionByTaintManager', 'NodeLost'],
    ['DeletionByPodGC', 'NodeLost'],
    ['EvictionByEvictionAPI', 'Evicted'],
    ['PreemptionByScheduler', 'Evicted'],
  ])('by %s fails as %s', (reason, expected) => {
    const disrupted = pod({ disruption: { status: true, reason, message: 'why' } });
    expect(observeDeletion(fresh(), disrupted, at(2000))).toMatchObject({
      outcome: 'Failed',
      failure: { class: expected },
    });
  });

  it('that nobody saw is a lost report, not a Pod that failed to become ready', () => {
    expect(observeAbsence(started(), at(9000))).toMatchObject({ outcome: 'Failed', failure: { class: 'ReportLost' } });
    const ready = observe(fresh(), pod({ readyAt: '2026-11-22T10:00:02Z' }), at(2000));
    expect(observeAbsence(ready, at(9000))).toBe(ready);
  });
});

describe('failure classes', () => {
  it('a passed deadline names the init container that still runs, or the container that keeps failing', () => {
    const open = fresh();
    expect(observeDeadline(open, pod({ initializing: 'migrate' }), at(900_000)).failure?.message).toMatch(/migrate/);
    const waiting = { name: 'setup', restartCount: 3, waitingReason: 'CrashLoopBackOff', waitingMessage: 'back-off' };
    expect(observeDeadline(open, pod({ waiting }), at(900_000)).failure?.message).toMatch(/setup: CrashLoopBackOff/);
  });

  it.each([
    [
      'Succeeded',
      undefined,
      'ProbeTimeout',
      'refused: nobody there (7 attempts on tcp://a:1) until the Pod ended: Pod Succeeded',
    ],
    ['Failed', 'DeadlineExceeded', 'ProbeTimeout', 'until the Pod ended: Pod Failed: DeadlineExceeded'],
  ])('a reporter that was stopped because its Pod ended (%s, %s) did not crash', (phase, reason, expected, message) => {
    const lastError = { kind: 'refused', message: 'nobody there' } as const;
    const ended = pod({
      phase,
      ...(reason === undefined ? {} : { reason }),
      reporter: {
        name: 'datapath-reporter',
        restartCount: 0,
        terminated: { exitCode: 143, current: true, message: report({ state: 'Stopped', attempts: 7, lastError }) },
      },
    });
    const { outcome, failure } = observe(fresh(), ended, at(2000));
    expect([outcome, failure?.class]).toEqual(['Failed', expected]);
    expect(failure?.message).toContain(message);
  });

  it('a crash shows the words of the container, but not a report among them', () => {
    const of = (message: string): string | undefined => {
      const ended = { ...terminated, message };
      const reporter = { name: 'datapath-reporter', restartCount: 0, terminated: ended };
      return observe(fresh(), pod({ phase: 'Failed', reporter }), at(5000)).failure?.message;
    };
    expect(of('out of cheese')).toBe(
      'container datapath-reporter: exit code 137 (OOMKilled), 0 restarts: out of cheese',
    );
    expect(of(report({}))).toBe('container datapath-reporter: exit code 137 (OOMKilled), 0 restarts');
  });

  const terminated = { exitCode: 137, reason: 'OOMKilled', current: true };

  it.each([
    ['ReporterCrash', { phase: 'Failed', reporter: { name: 'datapath-reporter', restartCount: 0, terminated } }],
    [
      'ReporterCrash',
      { reporter: { name: 'datapath-reporter', restartCount: 4, waitingReason: 'CrashLoopBackOff', terminated } },
    ],
    [
      'ReporterCrash',
      {
        report: report({ state: 'Probing' }),
        reporter: { name: 'datapath-reporter', restartCount: 4, waitingReason: 'CrashLoopBackOff', terminated },
      },
    ],
    [
      'ReportLost',
      {
        reporter: {
          name: 'datapath-reporter',
          restartCount: 4,
          waitingReason: 'CrashLoopBackOff',
          terminated: { exitCode: 0, reason: 'Completed', current: false },
        },
      },
    ],
    [
      'ConfigError',
      {
        reporter: {
          name: 'datapath-reporter',
          restartCount: 1,
          waitingReason: 'CrashLoopBackOff',
          terminated: { exitCode: 128, reason: 'StartError', message: 'no such file', current: false },
        },
      },
    ],
    ['Evicted', { phase: 'Failed', reason: 'Evicted', message: 'low on memory' }],
    ['Evicted', { phase: 'Failed', disruption: { status: true, reason: 'PreemptionByScheduler' } }],
    ['NodeLost', { phase: 'Failed', disruption: { status: true, reason: 'DeletionByPodGC' } }],
    ['NodeLost', { phase: 'Failed', reason: 'Terminated', message: 'node shutdown' }],
    ['NodeLost', { phase: 'Failed', reason: 'NodeLost' }],
    ['ReportLost', { phase: 'Succeeded' }],
    [
      'ConfigError',
      { report: report({ state: 'ConfigError', lastError: { kind: 'other', message: 'PROBE_TARGET' } }) },
    ],
    ['PolicyNotEnforced', { report: report({ state: 'Breached', readyAt: at(900) }) }],
  ] as const)('%s is told at once', (expected, changes) => {
    expect(observe(fresh(), pod(changes), at(5000))).toMatchObject({ outcome: 'Failed', failure: { class: expected } });
  });

  it.each([
    [
      'Unschedulable',
      { scheduled: { status: false, reason: 'Unschedulable', message: '0/3 nodes' }, phase: 'Pending' },
    ],
    ['ImagePull', { reporter: { name: 'datapath-reporter', restartCount: 0, waitingReason: 'ImagePullBackOff' } }],
    ['ImagePull', { waiting: { name: 'app', restartCount: 0, waitingReason: 'ErrImagePull' } }],
    [
      'ConfigError',
      { reporter: { name: 'datapath-reporter', restartCount: 0, waitingReason: 'CreateContainerConfigError' } },
    ],
    ['SandboxNetwork', { scheduled: { status: true }, sandboxReady: { status: false } }],
    ['ProbeTimeout', { report: report({ lastError: { kind: 'refused', message: 'refused' } }) }],
    ['ReportLost', { reporter: { name: 'datapath-reporter', restartCount: 0, startedAt: CREATED } }],
    [
      // It runs again at this very moment.
      'ReporterCrash',
      {
        reporter: {
          name: 'datapath-reporter',
          restartCount: 2,
          startedAt: CREATED,
          terminated: { ...terminated, current: false },
        },
      },
    ],
    ['DeadlineExceeded', { phase: 'Pending' }],
  ] as const)('%s is pending until the deadline, and then the cause', (expected, changes) => {
    const open = observe(fresh(), pod(changes), at(5000));
    expect(['Pending', 'Started']).toContain(open.outcome);
    expect(observeDeadline(open, pod(changes), at(900_000))).toMatchObject({
      outcome: 'Failed',
      failure: { class: expected },
    });
  });
});
