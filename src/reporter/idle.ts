/** Waiting for SIGTERM at no cost. */
import { EXIT } from './exit-codes.js';

/** Keeps the process without ever waking it, until SIGTERM ends it. */
export function idleInProcess(): void {
  setInterval(() => undefined, 2 ** 31 - 1);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.removeAllListeners(signal);
    process.once(signal, () => process.exit(EXIT.done));
  }
}
