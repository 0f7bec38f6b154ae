import { type Cut, type Cutter, type Decode, decodeWhole, MAX_VALUE_BYTES, Remainder } from './cutter.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const ITEMS = '"items"';

/**
 * Cuts the answer of a list into its items while it arrives, so that neither the whole page is held nor parsed in one go.
 *
 * Expects what the API server sends: one object whose member `items` is a list of objects. The rest, without the items, is its
 * {@link envelope}.
 */
export class ListSplitter implements Cutter {
  readonly #remainder: Remainder;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The last string at depth 1, with quotes; as long as `"items"` at most. */
  #key = '';
  #inItems = false;
  #inItem = false;
  #envelope = '';

  /** @param maxBytes longest item that is kept */
  constructor(decode: Decode = decodeWhole, maxBytes = MAX_VALUE_BYTES) {
    this.#remainder = new Remainder(decode, maxBytes);
  }

  /** Everything but the items: JSON of the same shape with an empty list. */
  get envelope(): string {
    return this.#envelope;
  }

  next(chunk: Buffer, from: number): Cut | undefined {
    let index = from;
    if (!this.#inItem) {
      index = this.#findItem(chunk, from);
      if (index < 0) return undefined;
    }
    const end = this.#findEnd(chunk, index);
    if (end < 0) {
      this.#remainder.keep(index === 0 ? chunk : chunk.subarray(index));
      return undefined;
    }
    return { text: this.#remainder.complete(chunk, index, end), next: end };
  }

  /** Reads what is outside of items up to the beginning of the next one. */
  #findItem(chunk: Buffer, from: number): number {
    for (let index = from; index < chunk.length; index++) {
      const byte = chunk[index] ?? 0;
      if (this.#inItems && byte === OPEN_BRACE) {
        this.#inItem = true;
        this.#depth = 0;
        return index;
      }
      if (this.#inItems && byte !== CLOSE_BRACKET) continue;
      this.#readEnvelope(byte);
    }
    return -1;
  }

  #readEnvelope(byte: number): void {
    // Outside of items the API server sends ASCII: names, versions and tokens.
    this.#envelope += String.fromCharCode(byte);
    if (this.#inString) {
      if (this.#depth === 1 && this.#key.length < ITEMS.length) this.#key += String.fromCharCode(byte);
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return;
    }
    switch (byte) {
      case QUOTE:
        this.#inString = true;
        if (this.#depth === 1) this.#key = '"';
        return;
      case OPEN_BRACE:
        this.#depth++;
        return;
      case CLOSE_BRACE:
        this.#depth--;
        return;
      case OPEN_BRACKET:
        this.#inItems = this.#depth === 1 && this.#key === ITEMS;
        if (!this.#inItems) this.#depth++;
        return;
      case CLOSE_BRACKET:
        if (this.#inItems) {
          this.#inItems = false;
          this.#depth = 1;
        } else {
          this.#depth--;
        }
        return;
      default:
    }
  }

  /** Finds the index after the end of the item, or -1 when it isn't in this chunk. */
  #findEnd(chunk: Buffer, from: number): number {
    let depth = this.#depth;
    let inString = this.#inString;
    let escaped = this.#escaped;
    for (let index = from; index < chunk.length; index++) {
      const byte = chunk[index];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === QUOTE) {
        inString = true;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth++;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth--;
        if (depth === 0) {
          this.#depth = 0;
          this.#inItem = false;
          this.#inString = false;
          this.#escaped = false;
          return index + 1;
        }
      }
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
    return -1;
  }
}
