/** The reporter's exit status, the same as those of this project's other commands. */
export const EXIT = {
  /** Ready; or not ready, and `ON_TIMEOUT=pass`. */
  done: 0,
  /** A setting is wrong. */
  wrongUse: 1,
  /** `PROBE_TIMEOUT` passed and `ON_TIMEOUT=fail`. */
  timeout: 2,
  /** A target that had to be blocked answered and `ON_TIMEOUT=fail`. */
  breached: 4,
  /** SIGTERM came before the end of the probe (128 + 15). */
  terminated: 143,
} as const;
