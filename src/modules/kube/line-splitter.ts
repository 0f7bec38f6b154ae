import { type Cut, type Cutter, type Decode, decodeWhole, MAX_VALUE_BYTES, Remainder } from './cutter.js';

const NEWLINE = 10;

/** Cuts the answer of a watch into its lines. */
export class LineSplitter implements Cutter {
  readonly #remainder: Remainder;

  /** @param maxBytes longest line that is kept */
  constructor(decode: Decode = decodeWhole, maxBytes = MAX_VALUE_BYTES) {
    this.#remainder = new Remainder(decode, maxBytes);
  }

  next(chunk: Buffer, from: number): Cut | undefined {
    const end = chunk.indexOf(NEWLINE, from);
    if (end >= 0) return { text: this.#remainder.complete(chunk, from, end), next: end + 1 };
    if (from < chunk.length) this.#remainder.keep(from === 0 ? chunk : chunk.subarray(from));
    return undefined;
  }
}
