import { describe, expect, it } from '@jest/globals';
import { ReconcileHistory } from './reconcile-history.js';

describe('ReconcileHistory', () => {
  const run = (key: string, epochMs: number, error: string | null = null) =>
    ({
      key,
      epochMs,
      reason: 'test',
      attempt: 1,
      outcome: error === null ? 'success' : 'error',
      durationMs: 1,
      waitedMs: 0,
      nextRunAfterMs: null,
      error,
    }) as const;

  it('gives the runs of a key, newest first', () => {
    const history = new ReconcileHistory(10);
    for (let index = 0; index < 4; index += 1) history.record({ ...run(index % 2 === 0 ? 'a' : 'b', index) });
    expect(history.of('a').map(({ at }) => at)).toEqual(['1970-01-01T00:00:00.002Z', '1970-01-01T00:00:00.000Z']);
    expect(history.of('c')).toEqual([]);
  });

  it('keeps the last runs only, however many keys there are, and bounds their errors', () => {
    const history = new ReconcileHistory(100);
    for (let index = 0; index < 1_000; index += 1)
      history.record({ ...run(`key-${index}`, index, 'x'.repeat(10_000)) });
    expect(history.size).toBe(100);
    expect(history.of('key-899')).toEqual([]);
    expect(history.of('key-900')[0]?.error).toHaveLength(512);
    expect(history.of('key-999')).toHaveLength(1);
  });
});
