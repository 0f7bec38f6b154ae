import { describe, expect, it } from '@jest/globals';
import { Sharing } from './sharing.js';

describe('Sharing', () => {
  it('gives one object for equal contents, and another for others', () => {
    const sharing = new Sharing<readonly string[]>();
    const first = sharing.of(['a', 'b']);
    expect(sharing.of(['a', 'b'])).toBe(first);
    expect(sharing.of(['b', 'a'])).toEqual(['b', 'a']);
  });

  it('stays right when there were more values than it remembers', () => {
    const sharing = new Sharing<{ readonly n: number }>();
    for (let n = 0; n < 10_000; n++) expect(sharing.of({ n })).toEqual({ n });
    expect(sharing.of({ n: 1 })).toEqual({ n: 1 });
  });
});
