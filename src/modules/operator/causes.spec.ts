import { describe, expect, it } from '@jest/globals';
import { causeOf, contentOf, Progress } from './causes.js';
import type { WithStatus } from './status-writer.js';

const object = (generation: number | undefined, observedGeneration?: number, extra: object = {}): WithStatus => ({
  metadata: { name: 'a', ...(generation === undefined ? {} : { generation }) },
  ...(observedGeneration === undefined ? {} : { status: { observedGeneration } }),
  ...extra,
});

describe('causeOf', () => {
  it('is told by the object itself in a process that knows nothing', () => {
    expect(causeOf(object(1), new Progress('u'), true)).toBe('create');
    expect(causeOf(object(3), new Progress('u'), true)).toBe('create');
    expect(causeOf(object(3, 2), new Progress('u'), true)).toBe('update');
    expect(causeOf(object(3, 3), new Progress('u'), true)).toBe('resume');
  });

  it('is nothing once the generation was handled here', () => {
    const progress = new Progress('u');
    progress.resumed = true;
    expect(causeOf(object(3, 3), progress, true)).toBe('none');
    expect(causeOf(object(4, 3), progress, true)).toBe('update');
    progress.handledGeneration = 4;
    expect(causeOf(object(4, 3), progress, true)).toBe('none');
  });

  it('is told by memory alone where the status belongs to somebody else', () => {
    const progress = new Progress('u');
    expect(causeOf(object(3, 3), progress, false)).toBe('create');
    progress.handledGeneration = 3;
    progress.resumed = true;
    expect(causeOf(object(3, 2), progress, false)).toBe('none');
    expect(causeOf(object(4, 4), progress, false)).toBe('update');
  });

  it('is told by the content where the kind has no generation', () => {
    const progress = new Progress('u');
    const first = object(undefined, undefined, { data: { a: '1' } });
    expect(causeOf(first, progress, false)).toBe('create');
    progress.handledContent = contentOf(first);
    expect(causeOf({ ...first, metadata: { ...first.metadata, resourceVersion: '2' } }, progress, false)).toBe('none');
    expect(causeOf(object(undefined, undefined, { data: { a: '2' } }), progress, false)).toBe('update');
  });
});

describe('Progress', () => {
  it('begins to count tries anew with each generation', () => {
    const progress = new Progress('u');
    progress.enter([1]);
    progress.done.add('a');
    progress.tries.set('b', 2);
    progress.enter([1]);
    expect([progress.done.size, progress.tries.size]).toEqual([1, 1]);
    progress.enter([2]);
    expect([progress.done.size, progress.tries.size]).toEqual([0, 0]);
  });
});
