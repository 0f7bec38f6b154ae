/** A history with the questions that several invariants ask of it. Pure. */
import type { History, LeaseWrite, PodHistory, ResultHistory, ResultVersion, WriteAttempt } from './history.js';
import type { Expectations } from './expectations.js';

/** How long a change of an open measurement waits before it is written, at least (write-plan.ts of the controller), milliseconds. */
const LINGER_MS = 30_000;
/** The watches of a process that was killed end one after the other, within this many milliseconds. */
const ENDS_WITHIN_MS = 1_000;

/** A watch that ended within so many milliseconds told nothing but that its version is too old: the list after it counts. */
const BRIEF_MS = 1_000;

export class Run {
  /** Pods with a reporter, in order of creation. */
  readonly pods: readonly PodHistory[];
  readonly leaderElection: boolean;
  readonly patienceMs: number;
  readonly deadlineMs: number;
  /** What changed after this may not be told yet. */
  readonly restsSince: number;
  /** When a controller process ended, or the lease got another holder. */
  readonly interruptions: readonly number[];
  readonly #results = new Map<string, ResultHistory[]>();
  readonly #attempts = new Map<string, WriteAttempt[]>();
  readonly #goneAt = new Map<string, number>();
  /** Requests for results that were gone already. */
  writesForNothing = 0;

  constructor(
    readonly history: History,
    readonly expectations: Expectations,
  ) {
    this.pods = [...history.pods.values()].filter((pod) => pod.reporter).sort((a, b) => a.createdAt - b.createdAt);
    this.leaderElection = expectations.leaderElection ?? history.leaseWrites.length > 0;
    this.patienceMs = expectations.patienceMs ?? (this.leaderElection ? 30_000 : 5_000);
    this.restsSince = expectations.atRest === true ? history.last : history.last - this.patienceMs;
    this.deadlineMs = expectations.deadlineMs ?? 900_000;
    this.interruptions = [...this.#endsOfProcesses(), ...this.leaderChanges().map((write) => write.at)].sort(
      (a, b) => a - b,
    );
    for (const result of history.results) push(this.#results, result.podUid, result);
    for (const { key, deletedAt } of history.results) if (deletedAt !== undefined) this.#goneAt.set(key, deletedAt);
    for (const attempt of history.attempts) {
      if (this.#foundNothing(attempt)) this.writesForNothing++;
      else push(this.#attempts, attempt.key, attempt);
    }
  }

  resultsOf(podUid: string): readonly ResultHistory[] {
    return this.#results.get(podUid) ?? [];
  }

  /** The requests to write the result of a Pod, without those for one that was gone already. */
  attemptsFor(pod: PodHistory): readonly WriteAttempt[] {
    return this.#attempts.get(`${pod.namespace}/dpresult-${pod.uid}`) ?? [];
  }

  /**
   * Whether a request came for a result whose deletion the cache hadn't seen yet, and found nothing. It costs the API server little,
   * and says nothing of what a Pod costs; it is counted by itself.
   */
  #foundNothing(attempt: WriteAttempt): boolean {
    const goneAt = this.#goneAt.get(attempt.key);
    return attempt.code === 404 && goneAt !== undefined && goneAt <= attempt.at;
  }

  /** The lease writes by which it got another holder. The first holder is no change. */
  leaderChanges(): readonly LeaseWrite[] {
    const changes: LeaseWrite[] = [];
    let holder = '';
    for (const write of this.history.leaseWrites) {
      if (write.holder === '') continue;
      if (holder !== '' && write.holder !== holder) changes.push(write);
      holder = write.holder;
    }
    return changes;
  }

  /** How many interruptions fell into a span of time. One that came just before is counted: its requests were under way. */
  interruptionsWithin(from: number, to: number): number {
    return this.interruptions.filter((at) => at >= from - 1_000 && at <= to).length;
  }

  /** Whether a fault was there in a span of time: then requests are tried again, and only `Bounded` limits them. */
  metFault(from: number, to: number): boolean {
    const faults = this.expectations.faults?.happened ?? [];
    return faults.some((fault) => fault.to >= from - 1_000 && fault.from <= to);
  }

  /** When a controller was watching this Pod while it existed, and lived on long enough to write about it. */
  wasSeen(pod: PodHistory): boolean {
    const gone = pod.deletedAt ?? Number.POSITIVE_INFINITY;
    return this.history.watches.some((watch) => {
      if ((watch.to ?? Number.POSITIVE_INFINITY) - watch.from < BRIEF_MS) return false;
      if (watch.selector || (watch.namespace !== undefined && watch.namespace !== pod.namespace)) return false;
      const since = Math.max(watch.from, pod.createdAt);
      if (since > Math.min(gone, watch.to ?? Number.POSITIVE_INFINITY)) return false;
      if (this.expectations.atRest === true && watch.to === undefined) return true;
      return this.#lastOf(watch.actor) - since >= this.patienceMs;
    });
  }

  /** Writes that the story of a Pod accounts for, by the plan: the object, its status, and what came after or took long. */
  allowedWrites(pod: PodHistory): number {
    const attempts = this.attemptsFor(pod);
    const end = attempts.at(-1)?.at ?? pod.createdAt;
    let relabelled = 0;
    for (const [i, version] of pod.versions.entries()) {
      const before = pod.versions[i - 1];
      if (before !== undefined && !sameRecord(before.labels, version.labels)) relabelled++;
    }
    const results = this.resultsOf(pod.uid);
    const moves = results.flatMap(lateSuccesses).length;
    const madeAgain = Math.max(0, results.length - 1) * 2;
    // The finalizer comes off once the numbers are kept.
    const released = results.filter((result) => result.versions.some(isEnding)).length;
    // Retention deletes a result once.
    const retired = Math.min(released, this.attemptsFor(pod).filter(({ verb }) => verb === 'delete').length);
    const lingered = Math.floor((end - pod.createdAt) / LINGER_MS);
    return 2 + relabelled + moves + madeAgain + released + retired + lingered;
  }

  #lastOf(actor: string): number {
    return this.history.actors.get(actor)?.last ?? Number.NEGATIVE_INFINITY;
  }

  /** A process that ended leaves no watch open, and nothing comes from it but the ends of its other watches. */
  #endsOfProcesses(): readonly number[] {
    const lastEnds = new Map<string, number>();
    for (const { actor, to = Number.POSITIVE_INFINITY } of this.history.watches) {
      lastEnds.set(actor, Math.max(lastEnds.get(actor) ?? 0, to));
    }
    return [...lastEnds].filter(([actor, end]) => this.#lastOf(actor) <= end + ENDS_WITHIN_MS).map(([, end]) => end);
  }
}

/** The writes by which a result that had failed became ready. */
function lateSuccesses(result: ResultHistory): readonly number[] {
  const outcomes = result.versions.map((version) => version.object.status?.outcome);
  return outcomes.flatMap((outcome, i) => (outcome === 'Ready' && outcomes[i - 1] === 'Failed' ? [i] : []));
}

function isEnding(version: ResultVersion): boolean {
  return version.object.metadata.deletionTimestamp !== undefined;
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function sameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
