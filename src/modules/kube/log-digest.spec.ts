import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../test/support/fake-clock.js';
import { LogDigest } from './log-digest.js';
import type { LogFields } from './logger.js';

function make() {
  const clock = new FakeClock();
  const lines: [string, string, LogFields | undefined][] = [];
  const note =
    (level: string) =>
    (message: string, fields?: LogFields): void => {
      lines.push([level, message, fields]);
    };
  const logger = { debug: note('debug'), log: note('log'), warn: note('warn'), error: note('error') };
  const digest = new LogDigest(logger, clock, 60_000);
  return { clock, digest, lines, loud: () => lines.filter(([level]) => level !== 'debug') };
}

describe('LogDigest', () => {
  it('logs the first failure of a kind at once, and then one line a period with the count and the newest', async () => {
    const { clock, digest, lines, loud } = make();
    for (let index = 0; index < 1_000; index += 1)
      digest.report('warn', 'it failed', 'refused', { key: `key-${index}` });
    expect(loud()).toEqual([['warn', 'it failed', { key: 'key-0' }]]);
    await clock.advance(60_000);
    expect(loud().slice(1)).toEqual([['warn', 'it failed', { key: 'key-999', times: 999, withinMs: 60_000 }]]);
    expect(lines.filter(([level]) => level === 'debug')).toHaveLength(999);
  });

  it('tells kinds, messages and the time after a quiet period apart', async () => {
    const { clock, digest, loud } = make();
    digest.report('warn', 'it failed', 'refused', {});
    digest.report('warn', 'it failed', 'reset', {});
    digest.report('error', 'it ended', 'refused', {});
    expect(loud()).toHaveLength(3);
    await clock.advance(60_000);
    expect(clock.timers).toBe(0);
    digest.report('warn', 'it failed', 'refused', {});
    expect(loud()).toHaveLength(4);
  });

  it('says what it left out when it is closed, and leaves out nothing any more', () => {
    const { clock, digest, loud } = make();
    for (let index = 0; index < 3; index += 1) digest.report('error', 'it failed', 'refused', { index });
    digest.close();
    digest.report('error', 'it failed', 'refused', { index: 3 });
    digest.report('error', 'it failed', 'refused', { index: 4 });
    expect(loud().slice(1)).toEqual([
      ['error', 'it failed', { index: 2, times: 2, withinMs: 60_000 }],
      ['error', 'it failed', { index: 3 }],
      ['error', 'it failed', { index: 4 }],
    ]);
    expect(clock.timers).toBe(0);
  });

  it('stays bounded however many kinds there are', () => {
    const { clock, digest, loud } = make();
    for (let index = 0; index < 10_000; index += 1) digest.report('warn', 'it failed', `kind ${index}`, {});
    expect(loud()).toHaveLength(257);
    clock.freeze(60_000);
    digest.report('warn', 'it failed', 'a new kind', {});
    expect(loud()).toHaveLength(258);
  });
});
