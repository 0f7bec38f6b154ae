import type { IncomingMessage } from 'node:http';
import type { Clock } from './clock.js';
import type { EventLoopBudget } from './event-loop-budget.js';
import { errorFromTransport, type KubeApiError, type KubeStatus } from './kube-api-error.js';
import { LineSplitter } from './line-splitter.js';
import type { KubeObject } from './resource.js';

/** One line of a watch, parsed. */
export interface WatchLine {
  readonly type: string;
  readonly object: KubeObject & KubeStatus;
}

/** What a stream tells its owner, in the order of the bytes: lines, then exactly one of `ended` and `failed`. */
export interface WatchStreamOwner {
  /** @param receivedAt when the bytes arrived, in nanoseconds since the Unix epoch */
  line(line: WatchLine, receivedAt: bigint): void;
  /** A line that isn't a JSON object of the right shape. Nothing follows it. */
  malformed(reason: string): void;
  /** The server ended the stream properly. */
  ended(): void;
  failed(error: KubeApiError): void;
}

interface Arrival {
  readonly chunk: Buffer;
  readonly receivedAt: bigint;
}

/**
 * Reads the bytes of a watch: splits, parses and hands over line by line, synchronously and in order.
 *
 * Guarantees: parsing stops when the turn's milliseconds are used up and goes on in the next turn; meanwhile the socket isn't
 * read, so that a burst waits in the server and not in this process. The end of the stream is told only after all that came
 * before it. After `close()` nothing is told.
 */
export class WatchStream {
  readonly #response: IncomingMessage;
  readonly #owner: WatchStreamOwner;
  readonly #clock: Clock;
  readonly #budget: EventLoopBudget;
  readonly #splitter = new LineSplitter();
  readonly #arrivals: Arrival[] = [];
  #offset = 0;
  #scheduled = false;
  #held = false;
  #paused = false;
  #closed = false;
  #finish: (() => void) | undefined;

  constructor(response: IncomingMessage, owner: WatchStreamOwner, clock: Clock, budget: EventLoopBudget) {
    this.#response = response;
    this.#owner = owner;
    this.#clock = clock;
    this.#budget = budget;
  }

  /** Starts to read. */
  open(): void {
    this.#response.on('data', (chunk: Buffer) => {
      this.#arrivals.push({ chunk, receivedAt: this.#clock.epochNs() });
      if (!this.#scheduled && !this.#held) this.#pump();
      else this.#pause();
    });
    this.#response.on('end', () => {
      const error = this.#response.complete ? undefined : errorFromTransport(cutError('the stream was cut'));
      this.#settle(() => {
        if (error !== undefined) this.#owner.failed(error);
        // Bytes after the last newline are a line that was cut; the version that is resumed from was before it.
        else this.#owner.ended();
      });
    });
    this.#response.on('error', (error) => {
      this.#settle(() => {
        this.#owner.failed(errorFromTransport(error));
      });
    });
    this.#response.on('close', () => {
      this.#settle(() => {
        this.#owner.failed(errorFromTransport(cutError('the stream was closed')));
      });
    });
  }

  /** Stops handing over lines until {@link release}. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#schedule();
  }

  /** Ends the connection; the owner hears nothing more. */
  close(): void {
    this.#closed = true;
    this.#arrivals.length = 0;
    this.#response.destroy();
  }

  #pump(): void {
    while (!this.#closed && !this.#held) {
      const arrival = this.#arrivals[0];
      if (arrival === undefined) break;
      if (this.#budget.spent()) {
        this.#pause();
        this.#schedule();
        return;
      }
      this.#takeLine(arrival);
    }
    if (this.#closed || this.#held) return;
    if (this.#finish !== undefined) {
      const finish = this.#finish;
      this.#closed = true;
      finish();
    } else if (this.#paused) {
      this.#paused = false;
      this.#response.resume();
    }
  }

  #takeLine(arrival: Arrival): void {
    let cut;
    try {
      cut = this.#splitter.next(arrival.chunk, this.#offset);
    } catch (error) {
      this.#reject(error);
      return;
    }
    if (cut === undefined) {
      this.#arrivals.shift();
      this.#offset = 0;
      return;
    }
    this.#offset = cut.next;
    if (cut.line === '') return;
    let line: unknown;
    try {
      line = JSON.parse(cut.line);
    } catch (error) {
      this.#reject(error);
      return;
    }
    if (isWatchLine(line)) this.#owner.line(line, arrival.receivedAt);
    else this.#reject(new TypeError('a line of the watch has no type or no object'));
  }

  #reject(error: unknown): void {
    this.close();
    this.#owner.malformed(error instanceof Error ? error.message : String(error));
  }

  #settle(finish: () => void): void {
    if (this.#closed || this.#finish !== undefined) return;
    this.#finish = finish;
    if (!this.#scheduled && !this.#held) this.#pump();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#response.pause();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }
}

function isWatchLine(value: unknown): value is WatchLine {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    'object' in value &&
    typeof value.object === 'object' &&
    value.object !== null
  );
}

function cutError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}
