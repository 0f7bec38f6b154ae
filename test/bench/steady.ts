/** What the two processes that measure a steady rate of Pods agree on. */

/** The label by which Pods are asked for, several at a time. */
export const BATCH_LABEL = 'batch';

const PODS_IN_BATCH = 10;

/** The batch of the Pod `pod-<number>`. */
export function batchOf(name: string): string {
  return String(Math.floor(Number(name.slice('pod-'.length)) / PODS_IN_BATCH));
}

/** Milliseconds since the epoch with fraction: the same clock in every process. */
export function everyClockMs(): number {
  return performance.timeOrigin + performance.now();
}
