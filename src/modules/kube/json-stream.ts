import type { IncomingMessage } from 'node:http';
import type { Clock, Timer } from './clock.js';
import type { EventLoopBudget } from './event-loop-budget.js';
import type { Cutter } from './cutter.js';
import { errorFromTransport, type KubeApiError } from './kube-api-error.js';

/** What a stream tells its owner, in the order of the bytes: values, then exactly one of the others. */
export interface JsonStreamOwner {
  /** @param receivedAt when the last of its bytes arrived, in nanoseconds since the Unix epoch */
  value(value: unknown, receivedAt: bigint): void;
  /** What arrived isn't JSON, or is too long. */
  malformed(reason: string): void;
  /** The server ended the answer properly. */
  ended(): void;
  failed(error: KubeApiError): void;
}

/**
 * What arrives within so many milliseconds after values were handed over is handed over together: woken for every single event, a process on a busy
 * machine spends more on waking up than on the event. Each keeps the instant of its own arrival.
 */
const GATHER_MS = 8;
/** Bytes that aren't waited with: a list. */
const GATHER_BYTES = 64 * 1024;

interface Arrival {
  readonly chunk: Buffer;
  readonly receivedAt: bigint;
}

/**
 * Reads an answer while it arrives: cuts it, parses and hands over value by value, synchronously and in order.
 *
 * Guarantees: parsing stops when the turn's milliseconds are used up and goes on in the next turn; meanwhile the socket isn't
 * read, so that a burst waits in the server and not in this process. The end of the stream is told only after all that came
 * before it. After `close()` nothing is told.
 */
export class JsonStream {
  readonly #response: IncomingMessage;
  readonly #owner: JsonStreamOwner;
  readonly #clock: Clock;
  readonly #budget: EventLoopBudget;
  readonly #cutter: Cutter;
  readonly #arrivals: Arrival[] = [];
  #offset = 0;
  #waitingBytes = 0;
  #pumpedAt = Number.NEGATIVE_INFINITY;
  #gathering: Timer | undefined;
  #scheduled = false;
  #held = false;
  #paused = false;
  #closed = false;
  #finish: (() => void) | undefined;

  constructor(
    response: IncomingMessage,
    cutter: Cutter,
    owner: JsonStreamOwner,
    clock: Clock,
    budget: EventLoopBudget,
  ) {
    this.#response = response;
    this.#cutter = cutter;
    this.#owner = owner;
    this.#clock = clock;
    this.#budget = budget;
  }

  /** Starts to read. */
  open(): void {
    this.#response.on('data', (chunk: Buffer) => {
      this.#arrivals.push({ chunk, receivedAt: this.#clock.epochNs() });
      this.#waitingBytes += chunk.length;
      if (this.#scheduled || this.#held) this.#pause();
      else this.#gather();
    });
    this.#response.on('end', () => {
      const error = this.#response.complete ? undefined : errorFromTransport(cutError('the stream was cut'));
      this.#settle(() => {
        if (error !== undefined) this.#owner.failed(error);
        // Bytes that are left over are a value that was cut; a watch resumes from a version before it.
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

  /** Stops handing over values until {@link release}. */
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
    this.#gathering?.cancel();
    this.#arrivals.length = 0;
    this.#response.destroy();
  }

  #gather(): void {
    const waitMs = this.#pumpedAt + GATHER_MS - this.#clock.monotonicMs();
    if (waitMs <= 0 || this.#waitingBytes >= GATHER_BYTES) this.#pump();
    else
      this.#gathering ??= this.#clock.setTimer(() => {
        if (!this.#scheduled) this.#pump();
      }, waitMs);
  }

  #pump(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    this.#pumpedAt = this.#clock.monotonicMs();
    while (!this.#closed && !this.#held) {
      const arrival = this.#arrivals[0];
      if (arrival === undefined) break;
      if (this.#budget.spent()) {
        this.#pause();
        this.#schedule();
        return;
      }
      this.#takeValue(arrival);
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

  #takeValue(arrival: Arrival): void {
    let cut;
    try {
      cut = this.#cutter.next(arrival.chunk, this.#offset);
    } catch (error) {
      this.#reject(error);
      return;
    }
    if (cut === undefined) {
      this.#arrivals.shift();
      this.#waitingBytes -= arrival.chunk.length;
      this.#offset = 0;
      return;
    }
    this.#offset = cut.next;
    if (cut.text === '') return;
    let value: unknown;
    try {
      value = JSON.parse(cut.text);
    } catch (error) {
      this.#reject(error);
      return;
    }
    this.#owner.value(value, arrival.receivedAt);
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

function cutError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}
