import { type KubeMetrics, noMetrics } from '../../src/modules/kube/kube-metrics.js';

/** Counts what a client does, with the time of each request, so that a hot loop shows. */
export class RequestCounter implements KubeMetrics {
  /** When each request ended, in milliseconds of the monotonic clock, and how. */
  readonly requests: { readonly at: number; readonly code: string }[] = [];
  connections = 0;
  missed = 0;
  verifications = 0;

  readonly watchRestarted = noMetrics.watchRestarted;
  readonly relisted = noMetrics.relisted;

  requestCompleted(_method: string, _host: string, code: string): void {
    this.requests.push({ at: performance.now(), code });
  }

  connectionOpened(): void {
    this.connections++;
  }

  eventsMissed(_resource: string, count: number): void {
    this.missed += count;
  }

  verified(): void {
    this.verifications++;
  }

  /** The most requests within any window of this length, in milliseconds. */
  busiest(windowMs: number): number {
    let most = 0;
    let from = 0;
    for (let to = 0; to < this.requests.length; to++) {
      while ((this.requests[to]?.at ?? 0) - (this.requests[from]?.at ?? 0) > windowMs) from++;
      most = Math.max(most, to - from + 1);
    }
    return most;
  }

  codes(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { code } of this.requests) counts[code] = (counts[code] ?? 0) + 1;
    return counts;
  }
}
