import { describe, expect, it } from '@jest/globals';
import { instantText } from './run-status.js';
import { RunPace, WRITE_INTERVAL_MS } from './run-pace.js';

const NOW_MS = Date.UTC(2026, 0, 31, 12);

const written = (agoMs: number): Parameters<RunPace['saw']>[0] => ({
  name: 'r',
  status: { updatedAt: instantText(NOW_MS - agoMs) },
});

describe('the pace of a run', () => {
  it('lets one be written at once of which nothing is known', () => {
    expect(new RunPace().waitMs('r', 0)).toBe(0);
  });

  it('counts the interval from the answer to a write', () => {
    const pace = new RunPace();
    pace.wrote('r', 1_000);
    expect(pace.waitMs('r', 1_000)).toBe(WRITE_INTERVAL_MS);
    expect(pace.waitMs('r', 4_000)).toBe(WRITE_INTERVAL_MS - 3_000);
    expect(pace.waitMs('r', 60_000)).toBe(0);
  });

  it('counts it from when a write is seen, for its author may have sent it long before the API server took it', () => {
    const pace = new RunPace();
    pace.saw(written(5_000), 1_000, NOW_MS);
    expect(pace.waitMs('r', 1_000)).toBe(WRITE_INTERVAL_MS);
  });

  it('does not begin anew where the same write is seen again', () => {
    const pace = new RunPace();
    pace.saw(written(5_000), 1_000, NOW_MS);
    pace.saw(written(5_000), 3_000, NOW_MS + 2_000);
    expect(pace.waitMs('r', 3_000)).toBe(WRITE_INTERVAL_MS - 2_000);
  });

  it('takes no notice of a write of long ago', () => {
    const pace = new RunPace();
    pace.saw(written(60_000), 1_000, NOW_MS);
    expect(pace.waitMs('r', 1_000)).toBe(0);
  });

  it('does not wait longer where a clock was set back', () => {
    const pace = new RunPace();
    pace.saw(written(-3_600_000), 1_000, NOW_MS);
    expect(pace.waitMs('r', 1_000)).toBe(WRITE_INTERVAL_MS);
  });

  it('knows nothing of a run that was deleted', () => {
    const pace = new RunPace();
    pace.wrote('r', 1_000);
    pace.forget('r');
    expect(pace.waitMs('r', 1_000)).toBe(0);
  });

  it('marks a run once until it is looked at', () => {
    const pace = new RunPace();
    expect([pace.touch('r'), pace.touch('r')]).toEqual([true, false]);
    pace.begin('r');
    expect(pace.touch('r')).toBe(true);
  });

  it('counts quiet from the last that moved, or from the first question', () => {
    const pace = new RunPace();
    expect(pace.quietForMs('r', 1_000)).toBe(0);
    expect(pace.quietForMs('r', 4_000)).toBe(3_000);
    pace.moved('r', 5_000);
    expect(pace.quietForMs('r', 5_500)).toBe(500);
  });
});
