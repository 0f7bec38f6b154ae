/** One JSON object a line on standard error: a constant message and fields. */

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
export interface Logger {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
}

export function createLogger(now: () => string, write: (line: string) => void): Logger {
  const log = (level: string, message: string, fields: LogFields = {}): void => {
    write(`${JSON.stringify({ time: now(), level, message, ...fields })}\n`);
  };
  return {
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
  };
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
