/**
 * Whether the store stays bounded under endless churn: retention lets results go, the oldest complete ones first, and leaves others.
 * Pure: what was stored at each look comes in, what is wrong comes out.
 */

/** A stored result at one look. */
export interface StoredOne {
  readonly podUid: string;
  /** When its Pod was created, milliseconds since the epoch. */
  readonly createdMs: number;
  /** Whether its measurement is over and its Pod is gone: only such a result may go. */
  readonly complete: boolean;
  /** It was asked to go, and waits for its run to keep its numbers. */
  readonly ending: boolean;
}

export interface Look {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Pods that were made until then. */
  readonly pods: number;
  readonly stored: readonly StoredOne[];
}

export interface RetentionWatchOptions {
  readonly maxResults: number;
  /** Results beyond the bound may be as many as Pods came within so many milliseconds: one second is between two looks of the controller, one is for deletions that come together, five lie between two writes of a run. */
  readonly slackMs: number;
  /** How long a result has been complete for the controller to know, milliseconds. */
  readonly knownAfterMs: number;
  /** Whether it is users that delete the result of a Pod. */
  readonly sweeps: (podUid: string) => boolean;
}

export class RetentionWatch {
  /** When no more results were stored than the bound and its slack allow, first; milliseconds since the epoch. */
  metAt: number | undefined;
  /** The most results beyond the bound since then, and the most that the slack allowed at that look. */
  mostBeyond = 0;
  allowedThen = 0;
  /** Results that retention let go. */
  left = 0;
  /** One sentence for each look at which something was wrong. */
  readonly findings: string[] = [];
  readonly #options: RetentionWatchOptions;
  readonly #completeSince = new Map<string, number>();
  #recent: readonly Pick<Look, 'at' | 'pods'>[] = [];
  #before: Look | undefined;

  constructor(options: RetentionWatchOptions) {
    this.#options = options;
  }

  look(now: Look): void {
    this.#judgeNumber(now);
    const gone = this.#gone(now);
    this.left += gone.length;
    this.#judgeOrder(now, gone);
    for (const { podUid, complete } of now.stored) {
      if (complete && !this.#completeSince.has(podUid)) this.#completeSince.set(podUid, now.at);
    }
    this.#before = now;
  }

  #judgeNumber(now: Look): void {
    const { maxResults, slackMs } = this.#options;
    this.#recent = [...this.#recent, { at: now.at, pods: now.pods }];
    // The last look before the slack's time says how many Pods there were then.
    const first = this.#recent.findLastIndex(({ at }) => at <= now.at - slackMs);
    this.#recent = this.#recent.slice(Math.max(0, first));
    const beyond = now.stored.length - maxResults;
    const allowed = now.pods - (this.#recent[0]?.pods ?? 0);
    if (beyond <= allowed) this.metAt ??= now.at;
    if (this.metAt === undefined) return;
    if (beyond > this.mostBeyond) [this.mostBeyond, this.allowedThen] = [beyond, allowed];
    if (beyond > allowed) {
      this.findings.push(`${String(now.stored.length)} results were stored, ${String(maxResults + allowed)} at most`);
    }
  }

  /** Results that retention let go since the look before. */
  #gone({ stored }: Look): readonly StoredOne[] {
    const there = new Set(stored.map(({ podUid }) => podUid));
    const vanished = this.#before?.stored.filter(({ podUid }) => !there.has(podUid)) ?? [];
    for (const { podUid } of vanished) this.#completeSince.delete(podUid);
    return vanished.filter(({ podUid }) => !this.#options.sweeps(podUid));
  }

  #judgeOrder(now: Look, gone: readonly StoredOne[]): void {
    const newest = Math.max(...gone.map(({ createdMs }) => createdMs));
    const overtaken = now.stored.filter(({ podUid, createdMs, ending }) => {
      const since = this.#completeSince.get(podUid) ?? Number.POSITIVE_INFINITY;
      return !ending && createdMs < newest && now.at - since > this.#options.knownAfterMs;
    });
    if (overtaken.length > 0) {
      this.findings.push(`${String(overtaken.length)} complete results are older than one that retention let go`);
    }
  }
}
