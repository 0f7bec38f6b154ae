/** Cuts a stream of bytes into texts of one JSON value each. It keeps what is unfinished at the end of a chunk. */
export interface Cutter {
  /**
   * The next value that ends in `chunk` at or after `from`, and where to go on; or nothing, when `chunk` is used up.
   *
   * @throws RangeError when a value is longer than this process takes
   */
  next(chunk: Buffer, from: number): Cut | undefined;
}

export interface Cut {
  readonly text: string;
  /** Where to go on in the same chunk. */
  readonly next: number;
}

/** Makes text of the bytes between two indices. */
export type Decode = (bytes: Buffer, from: number, to: number) => string;

export const decodeWhole: Decode = (bytes, from, to) => bytes.toString('utf8', from, to);

/** Longest value that is kept: far above the largest object that etcd takes (1.5 MiB). */
export const MAX_VALUE_BYTES = 32 * 1024 * 1024;

/** The beginning of a value whose end hasn't arrived. */
export class Remainder {
  readonly #maxBytes: number;
  readonly #decode: Decode;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(decode: Decode, maxBytes: number) {
    this.#decode = decode;
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  keep(part: Buffer): void {
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) throw new RangeError(`a value is longer than ${this.#maxBytes} bytes`);
  }

  /** The kept bytes and those of `chunk` between `from` and `to`, as text; forgets them. Without kept ones nothing is copied. */
  complete(chunk: Buffer, from: number, to: number): string {
    if (this.#parts.length === 0) return this.#decode(chunk, from, to);
    this.#parts.push(chunk.subarray(from, to));
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return this.#decode(whole, 0, whole.length);
  }
}
