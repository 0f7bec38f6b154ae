/** Whether a noisy measure grows. Pure. */

export interface Point {
  /** Milliseconds. */
  readonly at: number;
  readonly value: number;
}

/**
 * The least value of each of the equal windows into which the points are divided: what is left after the garbage was collected, where
 * each window is long enough for a full collection.
 *
 * @param points in the order of time
 * @param leastMs no window is shorter than this; points that last for less than two of them are one window
 */
export function floors(points: readonly Point[], leastMs: number): readonly Point[] {
  const from = points[0]?.at ?? 0;
  const span = (points.at(-1)?.at ?? 0) - from;
  const windows = Math.max(1, Math.floor(span / leastMs));
  const least = new Map<number, Point>();
  for (const point of points) {
    const window = Math.min(windows - 1, Math.floor(((point.at - from) / span) * windows));
    const known = least.get(window);
    if (known === undefined || point.value < known.value) least.set(window, point);
  }
  return [...least.values()];
}

/** Least-squares slope, per millisecond; 0 for fewer than two points. */
export function slope(points: readonly Point[]): number {
  const mean = (pick: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const at = mean((point) => point.at);
  const value = mean((point) => point.value);
  let covariance = 0;
  let variance = 0;
  for (const point of points) {
    covariance += (point.at - at) * (point.value - value);
    variance += (point.at - at) ** 2;
  }
  return variance === 0 ? 0 : covariance / variance;
}
