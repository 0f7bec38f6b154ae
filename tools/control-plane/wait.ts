/** Waiting for the state of the world, with a bound. */
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks `condition` until it is true. It may throw: that counts as "not yet", and the last error is told at the end.
 *
 * @param giveUp throws when waiting has become senseless, such as when the process that is waited for has ended.
 * @throws Error after `timeoutMs`, naming `what`.
 */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  giveUp: () => void = () => undefined,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    giveUp();
    try {
      if (await condition()) {
        // What answered may have been somebody else's while ours had ended.
        giveUp();
        return;
      }
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const reason = last === undefined ? '' : `: ${last instanceof Error ? last.message : String(last)}`;
      throw new Error(`${what}: not within ${Math.round(timeoutMs / 1000)} s${reason}`, { cause: last });
    }
    await delay(50);
  }
}
