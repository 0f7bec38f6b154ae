/** Whether a noisy measure grows. Pure. */

export interface Point {
  /** Milliseconds. */
  readonly at: number;
  readonly value: number;
}

/** The least value of each window: what is left after the garbage was collected. */
export function floors(points: readonly Point[], windowMs: number): readonly Point[] {
  const least = new Map<number, Point>();
  for (const point of points) {
    const window = Math.floor(point.at / windowMs);
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
