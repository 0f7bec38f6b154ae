/** What is measured of the API itself. */
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

/** The route of a request that found none. */
export const NO_ROUTE = 'none';

export class ApiMetrics {
  readonly #requests: Counter<'route' | 'method' | 'code'>;
  readonly #durations: Histogram<'route'>;

  /** @param streams how many listen to the stream now */
  constructor(registry: Registry, streams: () => number) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'datapath_api_requests_total',
      help: 'Requests that were answered, by route, method and status',
      labelNames: ['route', 'method', 'code'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'datapath_api_request_duration_seconds',
      help: 'Seconds from the header of a request to the end of its answer; streams are left out',
      labelNames: ['route'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    new Gauge({
      name: 'datapath_api_streams',
      help: 'Callers who listen to the stream now',
      registers,
      collect() {
        this.set(streams());
      },
    });
  }

  answered(route: string, method: string, code: number, durationMs: number): void {
    this.#requests.inc({ route, method, code: String(code) });
    if (!route.endsWith('/stream')) this.#durations.observe({ route }, durationMs / 1000);
  }
}
