/** One caller of /stream: what it still has to be told, and how fast it takes it in. */
import type { ServerResponse } from 'node:http';
import type { ResultState } from '../../datapath/result-state.js';
import type { LoggedChange, ResultEventLog } from './result-event-log.js';

/** Changes in one frame at most. */
const FRAME_CHANGES = 500;
/** Bytes that may wait in the socket before frames are held back. */
const HIGH_WATER = 256 * 1024;
/** Milliseconds after which a caller that takes nothing in is let go. */
const STUCK_MS = 15_000;
/** Milliseconds between signs of life. */
const PING_MS = 15_000;
/** Milliseconds between summaries at least. */
const SUMMARY_MS = 1000;
/** Milliseconds that a stream lasts; the caller comes back and is asked again who it is. */
const LONGEST_MS = 30 * 60_000;
/** Changes that may wait for one caller; beyond it a fresh list is cheaper. */
const MAX_WAITING = 50_000;

export interface StreamFilter {
  /** What decides which results the caller sees, as text: equal for callers that see the same. */
  readonly key: string;
  /** Whether the caller may hear of this namespace. */
  covers(namespace: string): boolean;
  matches(state: ResultState): boolean;
}

export class ResultStream {
  readonly #waiting = new Map<string, LoggedChange>();
  readonly #startedMs: number;
  #lastWriteMs: number;
  #drainedMs: number;
  #summaryVersion = -1;
  #summaryMs = -Infinity;

  constructor(
    private readonly response: ServerResponse,
    private readonly log: ResultEventLog,
    readonly filter: StreamFilter,
    nowMs: number,
  ) {
    this.#startedMs = nowMs;
    this.#lastWriteMs = nowMs;
    this.#drainedMs = nowMs;
  }

  /** The first words: what the caller missed, or that it must ask for a fresh list. */
  open(lastEventId: string | undefined): void {
    let text = 'retry: 2000\n\n';
    if (lastEventId !== undefined) {
      const missed = this.log.since(lastEventId);
      if (missed === undefined) text += this.#reset('What came after this id is no longer known');
      else for (const entry of missed) if (this.filter.covers(entry.namespace)) this.add(entry);
    }
    this.response.write(text);
  }

  add(entry: LoggedChange): void {
    this.#waiting.delete(entry.uid);
    this.#waiting.set(entry.uid, entry);
  }

  /** Whether a summary of this version is news to the caller, and it is time for one. */
  wantsSummary(version: number, nowMs: number): boolean {
    return this.#summaryVersion !== version && nowMs - this.#summaryMs >= SUMMARY_MS;
  }

  /**
   * Writes one frame if there is something to say and the caller can take it.
   *
   * @param recordOf the JSON of a result that the filter accepts, or `undefined` where there is none now
   * @param summary the JSON of the summary, with its version
   * @returns false when the stream is over
   */
  tick(
    nowMs: number,
    recordOf: (uid: string) => string | undefined,
    summary: { readonly version: number; readonly json: string } | undefined,
  ): boolean {
    const { response } = this;
    if (response.writableEnded || response.destroyed) return false;
    if (response.writableLength <= HIGH_WATER) {
      this.#drainedMs = nowMs;
    } else {
      if (nowMs - this.#drainedMs < STUCK_MS) return true;
      response.destroy();
      return false;
    }
    if (nowMs - this.#startedMs > LONGEST_MS) {
      this.end();
      return false;
    }
    let text = this.#waiting.size > MAX_WAITING ? this.#tooMany() : this.#changes(recordOf);
    if (summary !== undefined) {
      this.#summaryVersion = summary.version;
      this.#summaryMs = nowMs;
      text += `event: summary\ndata: ${summary.json}\n\n`;
    }
    if (text === '' && nowMs - this.#lastWriteMs >= PING_MS) text = ': ping\n\n';
    if (text !== '') {
      this.#lastWriteMs = nowMs;
      response.write(text);
    }
    return true;
  }

  /** Says goodbye; the caller comes back after two seconds. */
  end(): void {
    this.response.end('retry: 2000\n\n');
  }

  #changes(recordOf: (uid: string) => string | undefined): string {
    const changed: string[] = [];
    const removed: string[] = [];
    let last: LoggedChange | undefined;
    for (const entry of this.#waiting.values()) {
      if (changed.length + removed.length === FRAME_CHANGES) break;
      const record = recordOf(entry.uid);
      if (record !== undefined) changed.push(record);
      else removed.push(JSON.stringify({ namespace: entry.namespace, name: entry.name, uid: entry.uid }));
      this.#waiting.delete(entry.uid);
      last = entry;
    }
    if (last === undefined) return '';
    // The id names the last change told: what still waits is newer, and would be told again from there.
    return `event: results\nid: ${this.log.idOf(last.sequence)}\ndata: {"changed":[${changed.join(',')}],"removed":[${removed.join(',')}]}\n\n`;
  }

  #tooMany(): string {
    this.#waiting.clear();
    return this.#reset('Too many changes wait to be told');
  }

  #reset(reason: string): string {
    return `event: reset\nid: ${this.log.lastEventId}\ndata: ${JSON.stringify({ reason })}\n\n`;
  }
}
