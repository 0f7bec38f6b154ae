import { READY_AT, REPORT, STARTED_AT } from '../datapath/annotations.js';
import { ReporterClock } from '../../test/support/reporter-clock.js';
import { annotationsOf, buildReport } from './report-builder.js';
import type { ReportFacts } from './report-builder.js';

const clock = new ReporterClock();
const FACTS: ReportFacts = {
  state: 'Ready',
  clock,
  target: 'tcp://web:80',
  uid: 'u1',
  memory: undefined,
  startUptimeMs: 90_000,
  tally: { attempts: 3, errors: { refused: 2 }, lastError: { kind: 'refused', message: 'x' } },
  outcome: { state: 'Ready', at: 250_900_000n, phases: { connectMs: 1 } },
};

describe('buildReport', () => {
  it('dates readiness from the start by the monotonic clock, rounded down', () => {
    expect(buildReport(FACTS)).toEqual({
      state: 'Ready',
      startedAt: clock.start,
      readyAt: clock.start + 250_900_000n,
      delayMs: 250,
      attempts: 3,
      restarts: 0,
      target: 'tcp://web:80',
      lastError: { kind: 'refused', message: 'x' },
      errors: { refused: 2 },
      phases: { connectMs: 1 },
      uid: 'u1',
    });
  });

  it('goes on from what a predecessor left: its start, its attempts, its errors, the time since', () => {
    const before = {
      state: 'TimedOut',
      startedAt: 5n,
      attempts: 7,
      restarts: 1,
      target: '',
      errors: { refused: 1, dns: 6 },
    } as const;
    const report = buildReport({ ...FACTS, memory: { report: before, startUptimeMs: 80_000, completed: false } });
    expect(report).toMatchObject({
      startedAt: 5n,
      attempts: 10,
      restarts: 2,
      delayMs: 10_250,
      errors: { refused: 3, dns: 6 },
    });
  });

  it('has no readiness after a timeout', () => {
    const report = buildReport({
      ...FACTS,
      state: 'TimedOut',
      outcome: { state: 'TimedOut', at: 1n, phases: undefined },
    });
    expect(report).not.toHaveProperty('readyAt');
    expect(report).not.toHaveProperty('delayMs');
  });
});

describe('annotationsOf', () => {
  it('are start, readiness and the whole report', () => {
    expect(Object.keys(annotationsOf(buildReport(FACTS)))).toEqual([STARTED_AT, READY_AT, REPORT]);
  });

  it('do not call a breach readiness', () => {
    const breached = buildReport({ ...FACTS, state: 'Breached' });
    expect(annotationsOf(breached)).not.toHaveProperty([READY_AT]);
  });
});
