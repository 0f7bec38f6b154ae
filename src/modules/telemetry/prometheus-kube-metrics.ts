/** What the client of Kubernetes does, with the names that client-go and controller-runtime give. */
import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { KubeMetrics } from '../kube/kube-metrics.js';

export class PrometheusKubeMetrics implements KubeMetrics {
  readonly #requests: Counter<'code' | 'method' | 'host'>;
  readonly #durations: Histogram<'verb' | 'host'>;
  readonly #connections: Counter<'host'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'rest_client_requests_total',
      help: 'Requests to the API server, by status, method and host',
      labelNames: ['code', 'method', 'host'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'rest_client_request_duration_seconds',
      help: 'Seconds of requests to the API server; of a watch, until its header came',
      labelNames: ['verb', 'host'],
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
      registers,
    });
    this.#connections = new Counter({
      name: 'rest_client_connections_opened_total',
      help: 'Connections to the API server that were opened',
      labelNames: ['host'],
      registers,
    });
  }

  requestCompleted(method: string, host: string, code: string, durationMs: number): void {
    this.#requests.inc({ code, method, host });
    this.#durations.observe({ verb: method, host }, durationMs / 1000);
  }

  connectionOpened(host: string): void {
    this.#connections.inc({ host });
  }

  // The operator engine reads these of each watch when it is asked, so that one that stands still shows too.
  watchRestarted(): void {}
  relisted(): void {}
  eventsMissed(): void {}
  verified(): void {}
}
