/** The histogram of an answer, with the buckets that the kubelet uses for the start of Pods and finer ones below a second. */

/** Upper bounds in milliseconds, inclusive; above the last lies +∞. */
export const BUCKETS_MS: readonly number[] = [
  50, 100, 200, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000, 20_000, 30_000,
  45_000, 60_000, 120_000, 180_000, 240_000, 300_000, 360_000, 480_000, 600_000, 900_000, 1_200_000, 1_800_000,
  2_700_000, 3_600_000,
];

export interface HistogramBucket {
  /** Upper bound in milliseconds, inclusive; `null` is +∞. */
  readonly le: number | null;
  /** Values in this bucket alone. */
  readonly count: number;
}

/** The buckets of the first `n` values of an ascending sample, up to the last that holds one. */
export function histogram(sorted: ArrayLike<number>, n: number): HistogramBucket[] {
  const buckets: HistogramBucket[] = [];
  let from = 0;
  for (const le of BUCKETS_MS) {
    if (from === n) return buckets;
    const to = upperBound(sorted, n, le);
    buckets.push({ le, count: to - from });
    from = to;
  }
  if (from < n) buckets.push({ le: null, count: n - from });
  return buckets;
}

/** How many of the first `n` values of an ascending sample are at most `bound`. */
export function upperBound(sorted: ArrayLike<number>, n: number, bound: number): number {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
