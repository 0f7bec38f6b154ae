/** Waiting for SIGTERM at no cost. */

/** Keeps the process without ever waking it; whoever called has a handler that ends it. */
export function idleInProcess(): void {
  setInterval(() => undefined, 2 ** 31 - 1);
}
