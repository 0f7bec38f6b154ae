/** Durations as users write them: seconds (`60`, `0.5`) or Go's notation (`1m30s`, `250ms`). Inside, whole milliseconds. */

const UNITS_IN_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const SECONDS = /^[+-]?(\d+(\.\d*)?|\.\d+)$/;
const GO_DURATION = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const GO_TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/**
 * Reads a duration: a plain number is seconds, everything else is Go's `time.ParseDuration` grammar.
 *
 * @returns milliseconds, rounded to whole ones; `undefined` where the text is neither
 */
export function parseDurationMs(text: string): number | undefined {
  if (SECONDS.test(text)) return Math.round(Number(text) * 1000);
  const match = GO_DURATION.exec(text);
  if (match === null) return undefined;
  let total = 0;
  for (const [, amount, unit] of (match[2] ?? '').matchAll(GO_TERM)) {
    total += Number(amount) * (UNITS_IN_MS[unit ?? ''] ?? Number.NaN);
  }
  return Math.round(match[1] === '-' ? -total : total);
}

/** A duration as a message shows it: the largest unit that leaves a whole number. */
export function formatDurationMs(ms: number): string {
  if (ms !== 0 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms !== 0 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
