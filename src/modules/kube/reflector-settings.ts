import type { BackoffSettings } from './backoff.js';

/** Settings of a reflector. Durations in milliseconds; ranges are drawn from at random, so that replicas don't act in step. */
export interface ReflectorSettings {
  /** Objects a page of a list. Default 500: client-go's. */
  readonly pageSize: number;
  /**
   * Whether lists are asked for as a stream (KEP-3157), which the server may refuse. Default true: it comes from the server's cache. Pages come from there only
   * while the server still has a snapshot of their version, and else from etcd, for which it takes four times as long.
   */
  readonly streamInitialList: boolean;
  /** How long a watch lasts until the server ends it. Default 240–290 s, below the 300 s at which balancers cut. */
  readonly watchTimeoutMs: readonly [number, number];
  /** Without any line for this long a watch is dead, once bookmarks (one a minute) were seen. Default 90 s. */
  readonly silenceMs: number;
  /** Without any line for this long a streamed list is dead. Default 30 s. */
  readonly listSilenceMs: number;
  /** Milliseconds for one page. Default 60 s: the API server's own limit. */
  readonly pageTimeoutMs: number;
  /** Default 0.8 s ×2 to 30 s: client-go's. */
  readonly backoff: BackoffSettings;
  /** The backoff starts anew only after a watch that lived this long. Default 120 s. */
  readonly healthyAfterMs: number;
  /** Failures in a row at the same version after which the version itself is given up and a list made. Default 3. */
  readonly versionFailures: number;
  /** How often the store is compared with a list. Default 10–15 min. */
  readonly verifyEveryMs: readonly [number, number];
  /** How long the watch has to catch up with the version of a verification's list. Default 150 s: two bookmarks. */
  readonly verifyCatchUpMs: number;
}

export const DEFAULT_REFLECTOR_SETTINGS: ReflectorSettings = {
  pageSize: 500,
  streamInitialList: true,
  watchTimeoutMs: [240_000, 290_000],
  silenceMs: 90_000,
  listSilenceMs: 30_000,
  pageTimeoutMs: 60_000,
  backoff: { initialMs: 800, factor: 2, maxMs: 30_000, jitter: 0.5 },
  healthyAfterMs: 120_000,
  versionFailures: 3,
  verifyEveryMs: [600_000, 900_000],
  verifyCatchUpMs: 150_000,
};

/** A number from a range: its start for `random` 0, towards its end for `random` near 1. */
export function within(range: readonly [number, number], random: number): number {
  return range[0] + (range[1] - range[0]) * random;
}
