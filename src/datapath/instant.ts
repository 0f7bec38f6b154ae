/**
 * Instants as whole nanoseconds since the Unix epoch, in a bigint: nanoseconds of our century don't fit a double, so they never
 * pass through one. Text is RFC 3339.
 */

/** Nanoseconds since 1970-01-01T00:00:00Z. */
export type Instant = bigint;

export const NS_PER_MS = 1_000_000n;
export const NS_PER_SECOND = 1_000_000_000n;

/**
 * Reads an RFC 3339 date-time with 0 to 9 fraction digits and any offset.
 * Returns `undefined` for anything else: a date that doesn't exist, a missing offset, more than nine digits, blanks around it.
 * A leap second (`:60`) is taken as the second after it, as POSIX time does.
 *
 * Without a regular expression and without `Date`: a start reads a million of them.
 */
export function parseInstant(text: string): Instant | undefined {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  // Where a digit is missing the number is negative; `|` keeps the sign.
  if ((year | month | day | hour | minute | second) < 0) return undefined;
  if (text.charCodeAt(4) !== MINUS || text.charCodeAt(7) !== MINUS || (text.charCodeAt(10) | LOWER) !== LOWER_T) {
    return undefined;
  }
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return undefined;
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;

  let at = 19;
  let nanos = 0;
  if (text.charCodeAt(at) === DOT) {
    let weight = 100_000_000;
    for (at++; weight >= 1; at++, weight /= 10) {
      const digit = text.charCodeAt(at) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      nanos += digit * weight;
    }
    if (at === 20) return undefined;
  }
  const offset = offsetSeconds(text, at);
  if (offset === undefined) return undefined;
  const seconds = daysBefore(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
  return BigInt(seconds) * NS_PER_SECOND + BigInt(nanos);
}

const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const COLON = 0x3a;
/** The bit that makes a letter of ASCII lower case. */
const LOWER = 0x20;
const LOWER_T = 0x74;
const LOWER_Z = 0x7a;

/** The number that `count` digits say, -1 where one of them is none. */
function digits(text: string, from: number, count: number): number {
  let value = 0;
  for (let i = from; i < from + count; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** The offset from UTC that the rest of a text says. */
function offsetSeconds(text: string, at: number): number | undefined {
  const sign = text.charCodeAt(at);
  if ((sign | LOWER) === LOWER_Z) return text.length === at + 1 ? 0 : undefined;
  if (sign !== PLUS && sign !== MINUS) return undefined;
  const hours = digits(text, at + 1, 2);
  const minutes = digits(text, at + 4, 2);
  if (text.length !== at + 6 || text.charCodeAt(at + 3) !== COLON) return undefined;
  if ((hours | minutes) < 0 || hours > 23 || minutes > 59) return undefined;
  return (sign === PLUS ? 1 : -1) * (hours * 3600 + minutes * 60);
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : (DAYS[month - 1] as number);
}

/** Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant's days_from_civil). */
function daysBefore(year: number, month: number, day: number): number {
  // The year begins in March, so that the leap day is its last.
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/**
 * Writes an instant as RFC 3339 in UTC with as many fraction digits as it needs, in groups of three, and at least `minDigits`.
 *
 * @param minDigits 0, 3, 6 or 9
 */
export function formatInstant(instant: Instant, minDigits: 0 | 3 | 6 | 9 = 3): string {
  const seconds = floorDiv(instant, NS_PER_SECOND);
  const nanos = instant - seconds * NS_PER_SECOND;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, -5);
  let digits = nanos.toString().padStart(9, '0');
  while (digits.length > minDigits && digits.endsWith('000')) digits = digits.slice(0, -3);
  return digits === '' ? `${whole}Z` : `${whole}.${digits}Z`;
}

/**
 * Whole milliseconds from `from` to `to`, rounded down, so that a value is never shown as later than it was; negative when `to`
 * is earlier (a clock that is off), and then rounded down as well, so that a negative value never becomes 0.
 */
export function elapsedMs(from: Instant, to: Instant): number {
  return Number(floorDiv(to - from, NS_PER_MS));
}

/** The instant's whole milliseconds since the epoch, rounded down: for sorting, ages and JSON. */
export function toEpochMs(instant: Instant): number {
  return Number(floorDiv(instant, NS_PER_MS));
}

export function fromEpochMs(ms: number): Instant {
  return BigInt(Math.floor(ms)) * NS_PER_MS;
}

/** The start of the second that holds the instant, as `metadata.creationTimestamp` truncates it. */
export function startOfSecond(instant: Instant): Instant {
  return floorDiv(instant, NS_PER_SECOND) * NS_PER_SECOND;
}

function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
