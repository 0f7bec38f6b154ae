import { formatDurationMs, parseDurationMs } from './duration.js';

describe('parseDurationMs', () => {
  it.each([
    ['60', 60_000],
    ['0.5', 500],
    ['1.', 1000],
    ['.25', 250],
    ['60s', 60_000],
    ['250ms', 250],
    ['1m30s', 90_000],
    ['1h', 3_600_000],
    ['1.5h', 5_400_000],
    ['1500us', 2],
    ['-2s', -2000],
    ['+3', 3000],
    ['0', 0],
  ])('reads %s', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(['', ' ', '5y', '60 s', 's', 'ms', '1m30', '1e3', 'NaN', 'Infinity', '1,5s', '--1s', '0x10', '1s 2s'])(
    'refuses %p',
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined();
    },
  );
});

describe('formatDurationMs', () => {
  it.each([
    [100, '100ms'],
    [1500, '1500ms'],
    [60_000, '1m'],
    [86_400_000, '24h'],
    [5000, '5s'],
    [0, '0s'],
  ])('writes %d as %s', (ms, text) => {
    expect(formatDurationMs(ms)).toBe(text);
  });
});
