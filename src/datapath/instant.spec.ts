import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { elapsedMs, formatInstant, parseInstant, startOfSecond, toEpochMs } from './instant.js';

describe('parseInstant', () => {
  it.each([
    ['2026-11-22T10:00:00Z', 1_795_341_600_000_000_000n],
    ['2026-11-22T10:00:00.123Z', 1_795_341_600_123_000_000n],
    ['2026-11-22T10:00:00.1234567Z', 1_795_341_600_123_456_700n],
    ['2026-11-22T10:00:00.123456789Z', 1_795_341_600_123_456_789n],
    ['2026-11-22T11:30:00.5+01:30', 1_795_341_600_500_000_000n],
    ['2026-11-22T05:00:00-05:00', 1_795_341_600_000_000_000n],
    ['1970-01-01T00:00:00.000000001Z', 1n],
    ['1969-12-31T23:59:59.9Z', -100_000_000n],
    ['2028-02-29T00:00:00Z', 1_835_395_200_000_000_000n],
  ])('reads %s to the nanosecond', (text, expected) => {
    expect(parseInstant(text)).toBe(expected);
  });

  it.each([
    '',
    'yesterday',
    '2026-11-22',
    '2026-11-22T10:00:00',
    '2026-11-22 10:00:00Z',
    '2026-11-22T10:00:00.Z',
    '2026-11-22T10:00:00.1234567890Z',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    ' 2026-11-22T10:00:00Z',
    '2026-11-22T10:00:00Z\n',
    '2026-11-22T10:00:00+0100',
    '2026-11-22T10:00:00+24:00',
    '+002026-11-22T10:00:00Z',
  ])('refuses %j', (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });

  it('reads back what formatInstant writes, for any instant of the years 1 to 9999', () => {
    const instants = fc.bigInt({ min: -62_135_596_800_000_000_000n, max: 253_402_300_799_999_999_999n });
    fc.assert(
      fc.property(instants, fc.constantFrom(0 as const, 3 as const, 6 as const, 9 as const), (instant, digits) => {
        expect(parseInstant(formatInstant(instant, digits))).toBe(instant);
      }),
    );
  });
});

describe('formatInstant', () => {
  it('prints as many groups of three digits as the instant needs, and no fewer than asked', () => {
    expect(formatInstant(1_795_341_600_000_000_000n, 0)).toBe('2026-11-22T10:00:00Z');
    expect(formatInstant(1_795_341_600_000_000_000n)).toBe('2026-11-22T10:00:00.000Z');
    expect(formatInstant(1_795_341_600_120_000_000n, 0)).toBe('2026-11-22T10:00:00.120Z');
    expect(formatInstant(1_795_341_600_123_400_000n)).toBe('2026-11-22T10:00:00.123400Z');
    expect(formatInstant(1_795_341_600_000_000_001n)).toBe('2026-11-22T10:00:00.000000001Z');
  });
});

describe('elapsedMs', () => {
  it('rounds down, also below zero, so that a clock that is off never looks right', () => {
    expect(elapsedMs(0n, 1_999_999n)).toBe(1);
    expect(elapsedMs(0n, 0n)).toBe(0);
    expect(elapsedMs(1n, 0n)).toBe(-1);
    expect(elapsedMs(1_000_001n, 0n)).toBe(-2);
  });

  it('is exact over centuries, where doubles of nanoseconds are not', () => {
    const start = parseInstant('2026-11-22T10:00:00.000000001Z') ?? 0n;
    const end = parseInstant('2226-11-22T10:00:00.001000001Z') ?? 0n;
    expect(elapsedMs(start, end) % 1000).toBe(1);
  });
});

describe('startOfSecond', () => {
  it('truncates as creationTimestamp does, also before 1970', () => {
    expect(startOfSecond(1_999_999_999n)).toBe(1_000_000_000n);
    expect(startOfSecond(-1n)).toBe(-1_000_000_000n);
    expect(toEpochMs(-1n)).toBe(-1);
  });
});
