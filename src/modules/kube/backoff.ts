/** Growing delays between attempts. */
export interface BackoffSettings {
  /** The first delay, in milliseconds. */
  readonly initialMs: number;
  readonly factor: number;
  /** No delay is longer than this, jitter included, in milliseconds. */
  readonly maxMs: number;
  /** The part of each delay that chance may add: 0.5 makes 100 ms last 100–150 ms. Keeps many clients from acting in step. */
  readonly jitter: number;
}

/**
 * The delay before the next attempt, in milliseconds.
 *
 * @param failures how many attempts in a row failed before the one that just failed: 0 gives the first delay
 * @param random from 0 to 1
 */
export function backoffMs(settings: BackoffSettings, failures: number, random: number): number {
  const grown = settings.initialMs * settings.factor ** Math.min(failures, 60);
  return Math.min(settings.maxMs, Math.min(settings.maxMs, grown) * (1 + settings.jitter * random));
}
