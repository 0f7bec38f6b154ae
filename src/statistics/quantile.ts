/**
 * Quantiles of a sorted sample, by three rules.
 *
 * - `nearest-rank`: the smallest value that at least `q` of the sample doesn't exceed, `a[ceil(n·q) − 1]`: always a value that
 *   was measured, and the rule of the scalability tests of Kubernetes.
 * - `linear`: interpolates between neighbours at `(n − 1)·q`, as NumPy, R (type 7) and spreadsheets do.
 * - `legacy`: `a[floor((n − 1)·q)]`, the rule of the first controller of this kind, which reads low; kept to compare with old figures.
 */
export const QUANTILE_METHODS = ['nearest-rank', 'linear', 'legacy'] as const;
export type QuantileMethod = (typeof QUANTILE_METHODS)[number];

/** The 0-based rank of quantile `q` in a sample of `n`, for the rules that name one element. */
export function nearestRank(n: number, q: number): number {
  return Math.min(n - 1, Math.max(0, Math.ceil(share(n, q)) - 1));
}

/**
 * n·q. That of a decimal fraction may come out a hair beside the whole number it stands for (0.07 · 100 = 7.000000000000001), by the
 * rounding of q and of the product; a product of six decimal digits that stands for no whole number is much further from one.
 */
function share(n: number, q: number): number {
  const product = n * q;
  const rounded = Math.round(product);
  return Math.abs(product - rounded) <= 4 * Number.EPSILON * rounded ? rounded : product;
}

/**
 * Quantile `q` of the first `n` elements of an ascending sample, or `null` for an empty one.
 *
 * `beyond` further elements are taken as +∞ and lie above the sample; a quantile that falls on one of them is `null`. So a failed
 * Pod counts as never ready.
 *
 * @param at the element of a rank, ascending
 * @param q 0 to 1
 */
export function quantileAt(
  at: (rank: number) => number,
  n: number,
  q: number,
  method: QuantileMethod = 'nearest-rank',
  beyond = 0,
): number | null {
  const total = n + beyond;
  if (total === 0) return null;
  switch (method) {
    case 'nearest-rank': {
      const rank = nearestRank(total, q);
      return rank < n ? at(rank) : null;
    }
    case 'legacy': {
      const rank = Math.floor((total - 1) * q);
      return rank < n ? at(rank) : null;
    }
    case 'linear': {
      const position = share(total - 1, q);
      const lower = Math.floor(position);
      const upper = Math.ceil(position);
      if (upper >= n) return null;
      const low = at(lower);
      const high = at(upper);
      const value = lower === upper ? low : low + (high - low) * (position - lower);
      // An interpolation carries no more than the measurement's millisecond; three digits keep it comparable.
      return Math.round(value * 1000) / 1000;
    }
    default: {
      const exhaustiveCheck: never = method;
      return exhaustiveCheck;
    }
  }
}

/** {@link quantileAt} of a sorted array. */
export function quantile(
  sorted: ArrayLike<number>,
  q: number,
  method: QuantileMethod = 'nearest-rank',
  beyond = 0,
): number | null {
  return quantileAt((rank) => sorted[rank] as number, sorted.length, q, method, beyond);
}

/** The element of a rank in two ascending lists taken together, found by halving. */
export function elementOfTwo(a: ArrayLike<number>, b: ArrayLike<number>, rank: number): number {
  if (b.length === 0) return a[rank] as number;
  // How many of the first `rank` elements come from `a`: the fewest for which the next of `a` isn't below the last of `b`.
  let low = Math.max(0, rank - b.length);
  let high = Math.min(rank, a.length);
  while (low < high) {
    const fromA = (low + high) >>> 1;
    if ((a[fromA] as number) < (b[rank - fromA - 1] as number)) low = fromA + 1;
    else high = fromA;
  }
  const left = low < a.length ? (a[low] as number) : Infinity;
  const right = rank - low < b.length ? (b[rank - low] as number) : Infinity;
  return Math.min(left, right);
}
