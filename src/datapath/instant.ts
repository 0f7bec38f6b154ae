/**
 * Instants as whole nanoseconds since the Unix epoch, in a bigint: nanoseconds of our century don't fit a double, so they never
 * pass through one. Text is RFC 3339.
 */

/** Nanoseconds since 1970-01-01T00:00:00Z. */
export type Instant = bigint;

export const NS_PER_MS = 1_000_000n;
export const NS_PER_SECOND = 1_000_000_000n;

const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/**
 * Reads an RFC 3339 date-time with 0 to 9 fraction digits and any offset.
 * Returns `undefined` for anything else: a date that doesn't exist, a missing offset, more than nine digits, blanks around it.
 * A leap second (`:60`) is taken as the second after it, as POSIX time does.
 */
export function parseInstant(text: string): Instant | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, , sign, offsetHour, offsetMinute] = match;
  const y = Number(year);
  const mo = Number(month);
  const d = Number(day);
  const h = Number(hour);
  const mi = Number(minute);
  const s = Number(second);
  if (mo < 1 || mo > 12 || d < 1 || h > 23 || mi > 59 || s > 60) return undefined;
  const midnight = Date.UTC(y, mo - 1, d);
  const date = new Date(midnight);
  if (y < 100) date.setUTCFullYear(y, mo - 1, d);
  if (date.getUTCMonth() !== mo - 1 || date.getUTCDate() !== d) return undefined;
  let seconds = date.getTime() / 1000 + h * 3600 + mi * 60 + s;
  if (sign !== undefined) {
    const offset = Number(offsetHour) * 3600 + Number(offsetMinute) * 60;
    seconds += sign === '+' ? -offset : offset;
  }
  const nanos = fraction === undefined ? 0n : BigInt(fraction.padEnd(9, '0'));
  return BigInt(seconds) * NS_PER_SECOND + nanos;
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
