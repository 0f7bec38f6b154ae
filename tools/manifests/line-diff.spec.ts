import { lineDiff } from './line-diff.js';

describe('a line diff', () => {
  it('is empty for equal texts', () => {
    expect(lineDiff('a\nb\n', 'a\nb\n')).toBe('');
  });

  it('shows what was taken out, put in and changed, and where', () => {
    expect(lineDiff('a\nb\nc\nd\n', 'a\nx\nc\nd\ne\n')).toBe('@@ line 2\n-b\n+x\n@@ line 5\n+e');
  });

  it('shows a text that is gone', () => {
    expect(lineDiff('a\nb', '')).toBe('@@ line 1\n-a\n-b\n+');
  });
});
