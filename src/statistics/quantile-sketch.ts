/**
 * A sketch of a sample of whole milliseconds: small, mergeable, and good for any quantile within {@link SKETCH_RELATIVE_ERROR}.
 *
 * Values below 128 have a bin each and are exact. Above, bins grow by a constant factor, so that the error stays relative (Masson,
 * Rim, Lee: "DDSketch", VLDB 2019). Counts of two sketches are added bin by bin: any order of merging gives the same sketch.
 */
import { nearestRank } from './quantile.js';

/** How far an estimate may be from the value of the sample that has the rank, as a share of it. */
export const SKETCH_RELATIVE_ERROR = 0.01;

/** Below this each whole number has its own bin. */
const EXACT = 128;
/** Tighter than what is promised, since an estimate is rounded to a whole millisecond: half of one is 0.39 % of 128. */
const ALPHA = 0.006;
const LOG_GAMMA = Math.log((1 + ALPHA) / (1 - ALPHA));
const MIDDLE = 2 / (1 + (1 + ALPHA) / (1 - ALPHA));

/** The text of a sketch can't be read. */
export class SketchSyntaxError extends Error {
  override readonly name = 'SketchSyntaxError';
}

export class QuantileSketch {
  /** Counts by bin. Negative values are kept by their magnitude in bins below 0: -1 is the bin of 0's neighbour. */
  readonly #bins = new Map<number, number>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** How many bins hold something: what the size of the text depends on. */
  get size(): number {
    return this.#bins.size;
  }

  /** @param value whole milliseconds; negative where a clock was off */
  add(value: number, times = 1): void {
    const bin = binOf(value);
    this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + times);
    this.#count += times;
  }

  merge(other: QuantileSketch): void {
    for (const [bin, count] of other.#bins) this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + count);
    this.#count += other.#count;
  }

  /**
   * Quantile `q` by nearest rank, in whole milliseconds, or `null` for an empty sketch.
   *
   * @param beyond further elements that count as +∞; a quantile that falls on one of them is `null`
   */
  quantile(q: number, beyond = 0): number | null {
    const total = this.#count + beyond;
    return total === 0 ? null : this.element(nearestRank(total, q));
  }

  /** The estimate of the value with a 0-based rank, `null` beyond the last. */
  element(rank: number): number | null {
    if (rank < 0 || rank >= this.#count) return null;
    let left = rank;
    for (const [bin, count] of this.#sorted()) {
      if (left < count) return valueOf(bin);
      left -= count;
    }
    return null;
  }

  /** Each value's estimate with its count, smallest first. */
  *values(): IterableIterator<readonly [value: number, count: number]> {
    for (const [bin, count] of this.#sorted()) yield [valueOf(bin), count];
  }

  /** Bins in order as `<distance to the bin before>.<count>`, both in base 36, separated by commas; the first distance is from 0. */
  toString(): string {
    let before = 0;
    const parts: string[] = [];
    for (const [bin, count] of this.#sorted()) {
      parts.push(`${(bin - before).toString(36)}.${count.toString(36)}`);
      before = bin;
    }
    return parts.join(',');
  }

  /** The inverse of {@link toString}. @throws SketchSyntaxError */
  static parse(text: string): QuantileSketch {
    const sketch = new QuantileSketch();
    if (text === '') return sketch;
    let bin = 0;
    for (const [i, part] of text.split(',').entries()) {
      const match = /^(-?[0-9a-z]{1,4})\.([0-9a-z]{1,10})$/.exec(part);
      const distance = parseInt(match?.[1] ?? '', 36);
      const count = parseInt(match?.[2] ?? '', 36);
      if (match === null || count <= 0 || (i > 0 && distance <= 0)) {
        throw new SketchSyntaxError(`bin ${String(i + 1)} of the sketch is ${JSON.stringify(part.slice(0, 40))}`);
      }
      bin += distance;
      sketch.#bins.set(bin, count);
      sketch.#count += count;
    }
    return sketch;
  }

  /** A sketch of a sample. */
  static of(values: Iterable<number>): QuantileSketch {
    const sketch = new QuantileSketch();
    for (const value of values) sketch.add(value);
    return sketch;
  }

  #sorted(): [number, number][] {
    return [...this.#bins].sort(([a], [b]) => a - b);
  }
}

function binOf(value: number): number {
  if (value < 0) return -binOf(-value);
  if (value < EXACT) return Math.floor(value);
  return EXACT + Math.floor(Math.log(value / EXACT) / LOG_GAMMA);
}

/** The middle of a bin, by which no value of it is off by more than {@link ALPHA}, rounded. */
function valueOf(bin: number): number {
  if (bin < 0) return -valueOf(-bin);
  if (bin < EXACT) return bin;
  return Math.round(EXACT * Math.exp((bin - EXACT + 1) * LOG_GAMMA) * MIDDLE);
}
