/** Fields of a log line; the message itself is constant. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What this code needs of a logger. Nest's `Logger` fits. */
export interface StructuredLogger {
  debug(message: string, fields?: LogFields): void;
  log(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const drop = (): void => undefined;

/** A logger that says nothing, for commands and tests that look at results only. */
export const silentLogger: StructuredLogger = { debug: drop, log: drop, warn: drop, error: drop };
