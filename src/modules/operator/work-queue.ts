import { backoffMs, type BackoffSettings } from '../kube/backoff.js';
import type { Random } from '../kube/clock.js';

/**
 * The queue of one operator: keys only, each at most once.
 *
 * A pure structure: it starts no timer and reads time only through `now`. What is due is found when {@link WorkQueue.get} is
 * called; {@link WorkQueue.msUntilDue} says when to call it next.
 *
 * Guarantees:
 * - A key that was handed out by `get` isn't handed out again before `done`.
 * - Any number of `add` while a key is queued, or while it runs, cause exactly one more run.
 * - A key costs memory only while it is queued, running, delayed or backing off.
 * - Two lanes, `live` and `background`, and neither starves: while both hold keys, every n-th comes from `background`.
 */
export interface WorkQueueSettings {
  /**
   * Delays after errors of one key. Default 0.5 s ×2 to 5 min, jitter 0.2: most conflicts and short outages are over by the first, and
   * a broken object costs at most a dozen runs an hour.
   */
  readonly backoff: BackoffSettings;
  /** While both lanes hold keys, one of so many comes from `background`. Default 4. */
  readonly backgroundEvery: number;
}

export const DEFAULT_QUEUE_SETTINGS: WorkQueueSettings = {
  backoff: { initialMs: 500, factor: 2, maxMs: 300_000, jitter: 0.2 },
  backgroundEvery: 4,
};

export type Lane = 'live' | 'background';

/** One key to run. */
export interface WorkItem {
  readonly key: string;
  /** 1 for the first try, one more after each error. */
  readonly attempt: number;
  /** What put the key into the queue first. */
  readonly reason: string;
  /** How long it waited in the queue, milliseconds; delays don't count. */
  readonly waitedMs: number;
}

const NONE = Number.POSITIVE_INFINITY;

class Entry {
  prev: Entry | undefined = undefined;
  next: Entry | undefined = undefined;
  lane: Lane | undefined = undefined;
  running = false;
  dirty = false;
  reason = '';
  failures = 0;
  addedAt = 0;
  /** When a retry or the handler's own `requeueAfter` is due. A run that starts earlier replaces it. */
  ownDue = NONE;
  /** When a delayed trigger from outside is due. An earlier run doesn't replace it. */
  triggerDue = NONE;

  constructor(readonly key: string) {}

  get idle(): boolean {
    return (
      this.lane === undefined &&
      !this.running &&
      this.failures === 0 &&
      this.ownDue === NONE &&
      this.triggerDue === NONE
    );
  }
}

/** A first-in-first-out list through the entries themselves, so that one can be taken out of its middle. */
class EntryList {
  #head: Entry | undefined = undefined;
  #tail: Entry | undefined = undefined;
  size = 0;

  push(entry: Entry): void {
    entry.prev = this.#tail;
    entry.next = undefined;
    if (this.#tail === undefined) this.#head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
    this.size += 1;
  }

  shift(): Entry | undefined {
    const entry = this.#head;
    if (entry !== undefined) this.remove(entry);
    return entry;
  }

  remove(entry: Entry): void {
    if (entry.prev === undefined) this.#head = entry.next;
    else entry.prev.next = entry.next;
    if (entry.next === undefined) this.#tail = entry.prev;
    else entry.next.prev = entry.prev;
    entry.prev = undefined;
    entry.next = undefined;
    this.size -= 1;
  }
}

interface Delay {
  readonly due: number;
  readonly order: number;
  readonly entry: Entry;
  readonly own: boolean;
}

export class WorkQueue {
  readonly #now: () => number;
  readonly #random: Random;
  readonly #settings: WorkQueueSettings;
  readonly #entries = new Map<string, Entry>();
  readonly #live = new EntryList();
  readonly #background = new EntryList();
  #delays: Delay[] = [];
  #liveDelays = 0;
  #order = 0;
  #sinceBackground = 0;
  #running = 0;
  #failing = 0;
  #adds = 0;
  #retries = 0;

  /** @param now milliseconds that never go back */
  constructor(now: () => number, random: Random, settings: Partial<WorkQueueSettings> = {}) {
    this.#now = now;
    this.#random = random;
    this.#settings = { ...DEFAULT_QUEUE_SETTINGS, ...settings };
  }

  /** Keys that wait for a worker; those that are delayed don't count. */
  get depth(): number {
    return this.#live.size + this.#background.size;
  }

  get running(): number {
    return this.#running;
  }

  get delayed(): number {
    return this.#liveDelays;
  }

  /** Keys whose last run failed, and that run again. */
  get failing(): number {
    return this.#failing;
  }

  /** Keys that hold memory now. */
  get size(): number {
    return this.#entries.size;
  }

  /** Keys that entered the queue since the start. */
  get adds(): number {
    return this.#adds;
  }

  /** Retries after an error since the start. */
  get retries(): number {
    return this.#retries;
  }

  /** Puts a key into the queue, unless it is there. `live` moves a key out of the background. */
  add(key: string, reason = '', lane: Lane = 'live'): void {
    this.#enqueue(this.#entry(key), reason, lane);
  }

  /** Adds a key after a delay. The earliest of several delays counts, and a run in between doesn't use it up. */
  addAfter(key: string, delayMs: number, reason = ''): void {
    if (delayMs <= 0) {
      this.add(key, reason);
      return;
    }
    const entry = this.#entry(key);
    const due = this.#now() + delayMs;
    if (due >= entry.triggerDue) return;
    if (entry.triggerDue === NONE) this.#liveDelays += 1;
    entry.triggerDue = due;
    if (reason !== '' && entry.lane === undefined && !entry.dirty) entry.reason = reason;
    this.#push({ due, order: this.#order++, entry, own: false });
  }

  /** The handler's own wish to run again; replaces an earlier wish, and a run in between uses it up. Call it before `done`. */
  requeueAfter(key: string, delayMs: number, reason = ''): void {
    const entry = this.#entry(key);
    if (reason !== '' && entry.lane === undefined && !entry.dirty) entry.reason = reason;
    this.#setOwnDue(entry, this.#now() + Math.max(0, delayMs));
  }

  /**
   * Counts an error of a key and lets it run again after its backoff. Call it before `done`.
   *
   * @param delayMs instead of the computed delay; `minimumMs` is a lower bound of it
   * @returns the delay, milliseconds
   */
  addRateLimited(key: string, options: { readonly delayMs?: number; readonly minimumMs?: number } = {}): number {
    const entry = this.#entry(key);
    const delay = Math.max(
      options.delayMs ?? backoffMs(this.#settings.backoff, entry.failures, this.#random()),
      options.minimumMs ?? 0,
    );
    if (entry.failures === 0) this.#failing += 1;
    entry.failures += 1;
    this.#retries += 1;
    if (entry.lane === undefined && !entry.dirty) entry.reason = 'retry';
    this.#setOwnDue(entry, this.#now() + delay);
    return delay;
  }

  /** Hands out the next key, or undefined while none waits or is due. Each needs its `done`. */
  get(): WorkItem | undefined {
    const now = this.#now();
    this.#promote(now);
    const entry = this.#next();
    if (entry === undefined) return undefined;
    entry.lane = undefined;
    entry.running = true;
    this.#running += 1;
    if (entry.ownDue !== NONE) {
      entry.ownDue = NONE;
      this.#liveDelays -= 1;
      this.#compact();
    }
    return { key: entry.key, attempt: entry.failures + 1, reason: entry.reason, waitedMs: now - entry.addedAt };
  }

  /** Ends a run. A key that was added meanwhile goes to the end of the queue. */
  done(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || !entry.running) return;
    entry.running = false;
    this.#running -= 1;
    if (entry.dirty) {
      entry.dirty = false;
      this.#enqueue(entry, entry.reason, 'live');
    } else {
      this.#free(entry);
    }
  }

  /** Forgets the errors of a key, so that its next delay is the first again. */
  forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#settle(entry);
    this.#free(entry);
  }

  /** Whether the key waits, runs or is delayed. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Errors of a key since its last success. */
  failures(key: string): number {
    return this.#entries.get(key)?.failures ?? 0;
  }

  /** Forgets everything but the keys that run. */
  clear(): void {
    for (const entry of this.#entries.values()) {
      if (entry.lane !== undefined) this.#listOf(entry.lane).remove(entry);
      entry.lane = undefined;
      entry.dirty = false;
      this.#settle(entry);
      entry.ownDue = NONE;
      entry.triggerDue = NONE;
      this.#free(entry);
    }
    this.#delays = [];
    this.#liveDelays = 0;
  }

  /** Milliseconds until a delayed key is due, 0 when one is, or undefined when none is delayed. */
  msUntilDue(): number | undefined {
    this.#dropStale();
    const first = this.#delays[0];
    return first === undefined ? undefined : Math.max(0, first.due - this.#now());
  }

  #entry(key: string): Entry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new Entry(key);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #listOf(lane: Lane): EntryList {
    return lane === 'live' ? this.#live : this.#background;
  }

  #enqueue(entry: Entry, reason: string, lane: Lane): void {
    if (entry.running) {
      if (!entry.dirty) entry.reason = reason;
      entry.dirty = true;
      return;
    }
    if (entry.lane !== undefined) {
      if (lane === 'background' || entry.lane === 'live') return;
      this.#background.remove(entry);
      this.#live.push(entry);
      entry.lane = 'live';
      return;
    }
    entry.lane = lane;
    entry.reason = reason;
    entry.addedAt = this.#now();
    this.#adds += 1;
    this.#listOf(lane).push(entry);
  }

  #next(): Entry | undefined {
    if (this.#background.size === 0) return this.#live.shift();
    this.#sinceBackground += 1;
    if (this.#live.size > 0 && this.#sinceBackground < this.#settings.backgroundEvery) return this.#live.shift();
    this.#sinceBackground = 0;
    return this.#background.shift();
  }

  #settle(entry: Entry): void {
    if (entry.failures > 0) this.#failing -= 1;
    entry.failures = 0;
  }

  #free(entry: Entry): void {
    if (entry.idle) this.#entries.delete(entry.key);
  }

  #setOwnDue(entry: Entry, due: number): void {
    if (entry.ownDue === NONE) this.#liveDelays += 1;
    entry.ownDue = due;
    this.#push({ due, order: this.#order++, entry, own: true });
  }

  /** Moves what is due into the queue. */
  #promote(now: number): void {
    for (;;) {
      this.#dropStale();
      const first = this.#delays[0];
      if (first === undefined || first.due > now) return;
      this.#pop();
      this.#liveDelays -= 1;
      if (first.own) first.entry.ownDue = NONE;
      else first.entry.triggerDue = NONE;
      this.#enqueue(first.entry, first.entry.reason, 'live');
    }
  }

  #isStale(delay: Delay): boolean {
    return delay.due !== (delay.own ? delay.entry.ownDue : delay.entry.triggerDue);
  }

  /** Takes delays that were replaced off the top of the heap. */
  #dropStale(): void {
    for (let first = this.#delays[0]; first !== undefined && this.#isStale(first); first = this.#delays[0]) this.#pop();
  }

  /** Replaced delays stay in the heap until they surface; when they outnumber the others the heap is built anew. */
  #compact(): void {
    if (this.#delays.length < 64 || this.#delays.length < 2 * this.#liveDelays) return;
    const kept = this.#delays.filter((delay) => !this.#isStale(delay));
    this.#delays = [];
    for (const delay of kept) this.#siftUp(delay);
  }

  #push(delay: Delay): void {
    this.#siftUp(delay);
    this.#compact();
  }

  #siftUp(delay: Delay): void {
    const heap = this.#delays;
    let index = heap.length;
    heap.push(delay);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const other = heap[above];
      if (other === undefined || !isBefore(delay, other)) break;
      heap[index] = other;
      index = above;
    }
    heap[index] = delay;
  }

  #pop(): void {
    const heap = this.#delays;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      let least = heap[left];
      if (least === undefined) break;
      let at = left;
      const right = heap[left + 1];
      if (right !== undefined && isBefore(right, least)) {
        least = right;
        at = left + 1;
      }
      if (!isBefore(least, last)) break;
      heap[index] = least;
      index = at;
    }
    heap[index] = last;
  }
}

function isBefore(a: Delay, b: Delay): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
