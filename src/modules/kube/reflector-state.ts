/** The words of the reflector's state machine: what it may be doing, what it may hear and what it may ask for. */

/** What outlives a single request. Times are milliseconds of the monotonic clock. */
export interface Memory {
  /** Failures since the last healthy watch: the exponent of the backoff. */
  readonly failures: number;
  /** Whether an expired version led to a list at once since the last healthy watch: the next one waits for the backoff. */
  readonly listedAtOnce: boolean;
  /** Failures in a row that may be the fault of the version that is resumed from. */
  readonly versionFailures: number;
  /** Streamed lists that failed in a row without being refused. */
  readonly streamFailures: number;
  /** Whether the server refused to stream a list; then it isn't asked again. */
  readonly streamRefused: boolean;
  /** Whether the server was seen to send bookmarks. Only then is silence a sign of death. */
  readonly bookmarks: boolean;
  /** Whether the store was filled once. */
  readonly synced: boolean;
}

/** An open stream. */
export interface StreamTimes {
  readonly openedAt: number;
  readonly lastLineAt: number;
  /** How long the server was asked to keep it open, in milliseconds. */
  readonly timeoutMs: number;
}

export type NextAct =
  | { readonly act: 'list' }
  | { readonly act: 'page'; readonly continueToken: string }
  | { readonly act: 'watch'; readonly version: string };

/**
 * - `listing`: a page is under way; its objects go to the shadow.
 * - `streaming`: a streamed list is under way; its objects go to the shadow.
 * - `swapping`: the list is complete and is being taken over into the store; `stream` is held meanwhile.
 * - `watching`: `version` is the newest that was taken in: what a reconnect resumes from.
 * - `waiting`: out of backoff, until `until`.
 */
export type ReflectorState =
  | { readonly name: 'idle'; readonly memory: Memory }
  | { readonly name: 'listing'; readonly memory: Memory; readonly continueToken: string; readonly since: number }
  | { readonly name: 'streaming'; readonly memory: Memory; readonly stream: StreamTimes }
  | {
      readonly name: 'swapping';
      readonly memory: Memory;
      readonly version: string;
      readonly stream: StreamTimes | undefined;
      readonly since: number;
    }
  | { readonly name: 'watching'; readonly memory: Memory; readonly version: string; readonly stream: StreamTimes }
  | { readonly name: 'waiting'; readonly memory: Memory; readonly next: NextAct; readonly until: number }
  | { readonly name: 'stopped'; readonly memory: Memory };

/** Why a request or a stream ended early. `reason` is a label of metrics: few values, snake case. */
export interface Failure {
  readonly reason: FailureReason;
  /** The HTTP status, or that of the ERROR event; 0 where there was none. */
  readonly code: number;
  readonly retryAfterMs?: number | undefined;
  /** For the log: what the server or the system said. */
  readonly detail: string;
}

export type FailureReason =
  /** The version or the continue token is too old (410, in either form). */
  | 'expired'
  /** The version is newer than any the server has: it lost history. */
  | 'rewound'
  /** 429. */
  | 'throttled'
  /** 401 or 403. */
  | 'refused'
  /** Any other HTTP status. */
  | 'status'
  /** An ERROR event other than the first two. */
  | 'error_event'
  /** A line or a page that couldn't be read. */
  | 'malformed'
  /** Nothing arrived for too long. */
  | 'silence'
  /** Ended properly, but too soon. */
  | 'closed'
  /** No connection, or it broke. */
  | 'transport';

export type ReflectorTimer = 'backoff' | 'silence' | 'verify';

export type ReflectorInput =
  | { readonly type: 'Start' }
  | { readonly type: 'Stop' }
  /** A page arrived completely. `continueToken` is `''` on the last one. */
  | { readonly type: 'Page'; readonly version: string; readonly continueToken: string }
  /** The server accepted the watch. */
  | { readonly type: 'Opened' }
  /** An object arrived: a line of a watch, or an item of a page (whose version says nothing about the list's). */
  | { readonly type: 'Object'; readonly version: string }
  /** A bookmark arrived; `listEnd` marks the one that ends a streamed list. */
  | { readonly type: 'Bookmark'; readonly version: string; readonly listEnd: boolean }
  /** The server ended the stream properly. */
  | { readonly type: 'Ended' }
  | { readonly type: 'Failed'; readonly failure: Failure }
  /** The shadow was taken over. */
  | { readonly type: 'Swapped' }
  | { readonly type: 'Tick'; readonly timer: ReflectorTimer }
  /** A verification ended. `missed` differences were found; undefined when it couldn't be finished. */
  | { readonly type: 'Verified'; readonly missed: number | undefined };

/** What the shell is to do, in order. */
export type ReflectorEffect =
  | { readonly do: 'list'; readonly continueToken: string; readonly limit: number }
  | { readonly do: 'stream'; readonly timeoutSeconds: number }
  | { readonly do: 'watch'; readonly version: string; readonly timeoutSeconds: number }
  /** End the request or stream under way and hear nothing more of it. */
  | { readonly do: 'abort' }
  | { readonly do: 'setTimer'; readonly timer: ReflectorTimer; readonly delayMs: number }
  | { readonly do: 'cancelTimer'; readonly timer: ReflectorTimer }
  | { readonly do: 'forgetList' }
  /** Put this object into the shadow. */
  | { readonly do: 'shadow' }
  /** Take this object into the store and deliver the change. */
  | { readonly do: 'apply' }
  | { readonly do: 'swap' }
  | { readonly do: 'announceSynced' }
  | { readonly do: 'verify' }
  | { readonly do: 'abandonVerification' }
  | { readonly do: 'countRestart'; readonly reason: string }
  | { readonly do: 'countRelist'; readonly reason: string }
  | { readonly do: 'warn'; readonly failure: Failure; readonly delayMs: number };

/** The instant and the chance of a step: drawn by the shell, so that the step itself is a function. */
export interface StepContext {
  /** Milliseconds of the monotonic clock. */
  readonly now: number;
  /** From 0 to 1. */
  readonly random: number;
}

export interface Step {
  readonly state: ReflectorState;
  readonly effects: readonly ReflectorEffect[];
}
