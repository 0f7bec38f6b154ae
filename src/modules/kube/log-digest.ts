import type { Clock, Timer } from './clock.js';
import type { LogFields, StructuredLogger } from './logger.js';

type Level = 'warn' | 'error';

interface Kind {
  readonly level: Level;
  readonly message: string;
  /** When its last line was logged, monotonic milliseconds. */
  loggedAt: number;
  /** The newest, as an example of those that were left out. */
  fields: LogFields;
  /** How many were left out since the last line. */
  times: number;
  /** Set while something was left out. */
  timer: Timer | undefined;
}

/** Most kinds that are told apart; further ones of a message count as one. */
const MOST_KINDS = 256;

/**
 * Keeps a log readable while thousands of objects fail for one reason.
 *
 * Guarantees: the first failure of a kind is logged at once; of those that follow, one line in each period says how many there were
 * (`times`) and shows the newest; none is lost, and each is logged at the level `debug`. A kind that rests for a period begins anew.
 */
export class LogDigest {
  readonly #logger: StructuredLogger;
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #kinds = new Map<string, Kind>();
  #closed = false;

  /** @param periodMs milliseconds between two lines of a kind. Default 60,000: a line a minute is news, more is noise */
  constructor(logger: StructuredLogger, clock: Clock, periodMs = 60_000) {
    this.#logger = logger;
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /**
   * @param kind together with the message, what makes two failures the same: it must not name an object
   * @param fields of this failure
   */
  report(level: Level, message: string, kind: string, fields: LogFields): void {
    const now = this.#clock.monotonicMs();
    const id = this.#idOf(message, kind, now);
    const known = this.#kinds.get(id);
    if (known === undefined || this.#isOver(known, now)) {
      this.#logger[level](message, fields);
      // Nobody would sum up what follows.
      if (this.#closed) return;
      this.#kinds.set(id, { level, message, loggedAt: now, fields, times: 0, timer: undefined });
      return;
    }
    known.times += 1;
    known.fields = fields;
    known.timer ??= this.#clock.setTimer(
      () => {
        this.#summarise(known);
      },
      known.loggedAt + this.#periodMs - now,
    );
    this.#logger.debug(message, fields);
  }

  /** Says what was left out so far. Whatever comes later is logged at once. */
  close(): void {
    this.#closed = true;
    for (const kind of this.#kinds.values()) {
      kind.timer?.cancel();
      if (kind.times > 0) this.#summarise(kind);
    }
    this.#kinds.clear();
  }

  #isOver({ times, loggedAt }: Kind, now: number): boolean {
    return times === 0 && now - loggedAt >= this.#periodMs;
  }

  #idOf(message: string, kind: string, now: number): string {
    const id = `${message}\n${kind}`;
    if (this.#kinds.size < MOST_KINDS || this.#kinds.has(id)) return id;
    for (const [other, known] of this.#kinds) if (this.#isOver(known, now)) this.#kinds.delete(other);
    return this.#kinds.size < MOST_KINDS ? id : message;
  }

  #summarise(kind: Kind): void {
    this.#logger[kind.level](kind.message, { ...kind.fields, times: kind.times, withinMs: this.#periodMs });
    kind.times = 0;
    kind.loggedAt = this.#clock.monotonicMs();
    kind.timer = undefined;
  }
}
