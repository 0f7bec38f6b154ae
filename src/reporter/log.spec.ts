import { createLogger } from './log.js';

describe('createLogger', () => {
  it('writes one line of JSON, however long or odd what it is told is', () => {
    const lines: string[] = [];
    const logger = createLogger(
      () => 'now',
      (line) => lines.push(line),
    );
    logger.warn('wrong', { path: 'x'.repeat(100_000), text: 'a\nb\u001b[31m', code: 3, missing: undefined });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[\x20-\x7e…]{1,1200}\n$/);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ time: 'now', level: 'warn', text: 'a\nb\u001b[31m', code: 3 });
  });
});
