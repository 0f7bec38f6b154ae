import { describe, expect, it } from '@jest/globals';
import { fromEpochMs } from '../../datapath/instant.js';
import type { ResultState } from '../../datapath/result-state.js';
import { ResultTable } from '../../statistics/result-table.js';
import { expiredResults } from './retention-plan.js';
import type { Retention } from './retention-plan.js';

const NOW_MS = 1_770_000_000_000;

/** Results of Pods created 10, 20, 30 … s ago, in another order. */
function tableOf(over: Readonly<Record<string, Partial<ResultState>>> = {}): ResultTable {
  const table = new ResultTable();
  for (const seconds of [30, 10, 50, 20, 40]) {
    const uid = `pod-${String(seconds)}`;
    table.put({
      namespace: 'perf',
      name: uid,
      uid,
      createdAt: fromEpochMs(NOW_MS - seconds * 1000),
      creationSource: 'WatchReceipt',
      runName: 'run',
      labels: {},
      outcome: 'Ready',
      milestones: [],
      uncertaintyMs: 0,
      restarts: 0,
      ...over[uid],
    });
  }
  return table;
}

function expired(
  table: ResultTable,
  retention: Partial<Retention>,
  { going = [], living = [], limit = 100 }: { going?: string[]; living?: string[]; limit?: number } = {},
): string[] {
  return expiredResults(
    table,
    { ttlMs: 0, maxResults: 0, ...retention },
    new Set(going),
    (uid) => living.includes(uid),
    NOW_MS,
    limit,
  );
}

describe('results', () => {
  it('stay for ever where nothing is said', () => {
    expect(expired(tableOf(), {})).toEqual([]);
  });

  it('go by age, oldest first', () => {
    expect(expired(tableOf(), { ttlMs: 25_000 })).toEqual(['pod-50', 'pod-40', 'pod-30']);
  });

  it('go by number, oldest first, and no more than are too many', () => {
    expect(expired(tableOf(), { maxResults: 3 })).toEqual(['pod-50', 'pod-40']);
    expect(expired(tableOf(), { maxResults: 5 })).toEqual([]);
  });

  it('go by either rule', () => {
    expect(expired(tableOf(), { ttlMs: 45_000, maxResults: 3 })).toEqual(['pod-50', 'pod-40']);
    expect(expired(tableOf(), { ttlMs: 15_000, maxResults: 4 })).toEqual(['pod-50', 'pod-40', 'pod-30', 'pod-20']);
  });

  it('stay while their measurement is open or their Pod is there', () => {
    const open = tableOf({ 'pod-50': { outcome: 'Pending' }, 'pod-40': { outcome: 'Started' } });
    expect(expired(open, { maxResults: 1 }, { living: ['pod-30'] })).toEqual(['pod-20', 'pod-10']);
  });

  it('that are on their way are not counted twice', () => {
    expect(expired(tableOf(), { maxResults: 3 }, { going: ['pod-50'] })).toEqual(['pod-40']);
    expect(expired(tableOf(), { maxResults: 3 }, { going: ['pod-50', 'pod-40'] })).toEqual([]);
  });

  it('go a few at a time', () => {
    expect(expired(tableOf(), { maxResults: 1 }, { limit: 2 })).toEqual(['pod-50', 'pod-40']);
  });
});
