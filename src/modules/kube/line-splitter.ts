const NEWLINE = 10;

/**
 * Cuts a stream of bytes into lines. A line within one chunk isn't copied before it is decoded.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #partBytes = 0;

  /** @param maxBytes longest line that is kept. Default 32 MiB, far above the largest object that etcd takes (1.5 MiB) */
  constructor(maxBytes = 32 * 1024 * 1024) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the line that hasn't ended yet. */
  get pending(): number {
    return this.#partBytes;
  }

  /**
   * The next line that ends in `chunk` at or after `from`, and where to go on; or nothing when the rest is only a beginning, which is kept for the next chunk.
   *
   * @throws RangeError when a line is longer than the limit
   */
  next(chunk: Buffer, from: number): { readonly line: string; readonly next: number } | undefined {
    const end = chunk.indexOf(NEWLINE, from);
    if (end < 0) {
      if (from < chunk.length) this.#keep(from === 0 ? chunk : chunk.subarray(from));
      return undefined;
    }
    if (this.#parts.length === 0) return { line: chunk.toString('utf8', from, end), next: end + 1 };
    this.#parts.push(chunk.subarray(from, end));
    const line = Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#partBytes = 0;
    return { line, next: end + 1 };
  }

  #keep(part: Buffer): void {
    this.#parts.push(part);
    this.#partBytes += part.length;
    if (this.#partBytes > this.#maxBytes) throw new RangeError(`a line is longer than ${this.#maxBytes} bytes`);
  }
}
