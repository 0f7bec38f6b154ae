import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { difference, StatusDraft } from './status-writer.js';

/** RFC 7386, as the API server applies it. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {};
  const result: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merge(result[name], value);
  }
  return result;
}

describe('difference', () => {
  it('is nothing where the two mean the same', () => {
    expect(difference({ a: 1, b: { c: [1], d: 2 } }, { b: { d: 2, c: [1] }, a: 1 })).toBeUndefined();
    expect(difference({}, { a: undefined })).toBeUndefined();
  });

  it('is a merge patch that makes one the other', () => {
    // A merge patch can't say null; no status here does.
    const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 }));
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const object = fc.dictionary(name, fc.oneof(leaf, fc.dictionary(name, fc.oneof(leaf, fc.dictionary(name, leaf)))));
    fc.assert(
      fc.property(object, object, (from, to) => {
        const patch = difference(from, to);
        expect(merge(from, patch ?? {})).toEqual(to);
        if (patch !== undefined) expect(from).not.toEqual(to);
      }),
    );
  });
});

describe('StatusDraft', () => {
  const ready = { type: 'Ready', status: 'True', reason: 'Fine', message: '' } as const;

  it('sets and removes fields, and leaves the others', () => {
    const draft = new StatusDraft();
    draft.set({ a: 1, b: undefined });
    draft.set({ c: 3 });
    expect(draft.applyTo({ b: 2, d: 4 }, 0)).toEqual({ a: 1, c: 3, d: 4 });
  });

  it('changes nothing when nothing was said', () => {
    expect(new StatusDraft().applyTo(undefined, 0)).toEqual({});
    const status = { conditions: [{ ...ready, lastTransitionTime: '2026-01-01T00:00:00Z' }] };
    expect(difference(status, new StatusDraft().applyTo(status, 1))).toBeUndefined();
  });

  it('moves the transition time of a condition only when its status flips', () => {
    const first = new StatusDraft();
    first.setCondition(ready);
    const status = first.applyTo(undefined, Date.UTC(2026, 0, 1));
    const second = new StatusDraft();
    second.setCondition({ ...ready, message: 'still' });
    const later = second.applyTo(status, Date.UTC(2026, 0, 2));
    expect(later.conditions).toEqual([{ ...ready, message: 'still', lastTransitionTime: '2026-01-01T00:00:00Z' }]);
    const third = new StatusDraft();
    third.setCondition({ ...ready, status: 'False', reason: 'Broken' });
    expect(third.applyTo(later, Date.UTC(2026, 0, 3)).conditions?.[0]?.lastTransitionTime).toBe('2026-01-03T00:00:00Z');
  });
});
