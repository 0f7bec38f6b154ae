/** One JSON object a line on standard error: a constant message and fields, each cut to a bound. */
import { shorten } from '../datapath/report.js';

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
export interface Logger {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
}

/** The longest text of a field, characters: a path or an answer of somebody else's may be of any length. */
const MAX_FIELD = 1000;

export function createLogger(now: () => string, write: (line: string) => void): Logger {
  const log = (level: string, message: string, fields: LogFields = {}): void => {
    const line = JSON.stringify({ time: now(), level, message, ...fields }, (_, value: unknown) =>
      typeof value === 'string' ? shorten(value, MAX_FIELD) : value,
    );
    write(`${line}\n`);
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
