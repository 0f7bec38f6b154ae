import { describe, expect, it } from '@jest/globals';
import { isConditionTrue, setCondition } from './conditions.js';

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0, 789);
const LATER = NOW + 60_000;
const ready = { type: 'Ready', status: 'True', reason: 'Reported', message: 'yes', observedGeneration: 1 } as const;

describe('setCondition', () => {
  it('adds a condition with the time of now, in whole seconds', () => {
    expect(setCondition(undefined, ready, NOW)).toEqual([{ ...ready, lastTransitionTime: '2026-01-01T12:00:00Z' }]);
  });

  it('returns the very same list when nothing changes', () => {
    const list = setCondition([], ready, NOW);
    expect(setCondition(list, ready, LATER)).toBe(list);
  });

  it('keeps the transition time while only reason, message or generation change', () => {
    const list = setCondition([], ready, NOW);
    const changed = setCondition(list, { ...ready, reason: 'Again', observedGeneration: 2 }, LATER);
    expect(changed).toEqual([
      { ...ready, reason: 'Again', observedGeneration: 2, lastTransitionTime: '2026-01-01T12:00:00Z' },
    ]);
  });

  it('moves the transition time when the status flips, and leaves the other conditions in place', () => {
    const list = setCondition(setCondition([], ready, NOW), { ...ready, type: 'Complete' }, NOW);
    const changed = setCondition(list, { ...ready, status: 'False' }, LATER);
    expect(changed.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])).toEqual([
      ['Ready', '2026-01-01T12:01:00Z'],
      ['Complete', '2026-01-01T12:00:00Z'],
    ]);
    expect(isConditionTrue(changed, 'Ready')).toBe(false);
    expect(isConditionTrue(changed, 'Complete')).toBe(true);
  });
});
