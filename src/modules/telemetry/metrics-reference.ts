/** The reference of all metrics, read from the code that makes them. */
import { Registry } from 'prom-client';
import { ResultTable } from '../../statistics/result-table.js';
import { systemClock } from '../kube/clock.js';
import { OperatorMetrics } from '../operator/operator-metrics.js';
import { registerWatchMetrics } from '../operator/watch-metrics.js';
import { ApiMetrics } from './api-metrics.js';
import {
  DatapathMetrics,
  DURATION_BUCKETS,
  MAX_LABEL_SETS,
  MAX_NAMESPACES,
  MAX_RUNS,
  OTHER,
} from './datapath-metrics.js';
import { PrometheusKubeMetrics } from './prometheus-kube-metrics.js';
import { registerBuildInfo } from './telemetry.module.js';

interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string | number;
  readonly labelNames?: readonly string[];
}

/** The page docs/metrics.md. */
export function metricsReference(): string {
  return [
    '# Metrics',
    '',
    '`/metrics` gives these to Prometheus, on a port of its own (`--metrics-bind-address`). Who scrapes needs a token that may `get` the',
    'path `/metrics` (`config/prometheus/metrics-reader.yaml`), unless it comes through `kubectl port-forward`.',
    '',
    'Times are in seconds. No label names a Pod, and the number of series is bounded: the first',
    `${String(MAX_NAMESPACES)} namespaces have series of their own, what is measured in others is in \`${OTHER}\`; the newest ${String(MAX_RUNS)} runs have gauges.`,
    'Counters and histograms count what happens while the process watches, so that a restart looks like no burst; every replica counts',
    'all, so take the `max` of replicas and not their sum.',
    '',
    ...section('What is measured of Pods', (registry) => {
      new DatapathMetrics(registry, {
        table: new ResultTable(),
        synced: () => true,
        newestRuns: () => [],
        epochMs: () => 0,
        extraLabels: [],
      });
      registerBuildInfo(registry, '');
    }),
    '`--metrics-labels=run,node` divides the histograms by run, by node, or by both too: a series for each set of values that occurs, up',
    `to ${String(MAX_LABEL_SETS)} sets; what is measured beyond them is in \`${OTHER}\`.`,
    '',
    `The histograms have the buckets of \`kubelet_pod_start_sli_duration_seconds\` and finer ones below a second: ${DURATION_BUCKETS.join(', ')}.`,
    '',
    ...section('The API', (registry) => {
      new ApiMetrics(registry, () => 0);
    }),
    ...section('The operator engine, with the names of controller-runtime', (registry) => {
      new OperatorMetrics(registry, systemClock);
      registerWatchMetrics(registry, { clock: systemClock, watches: () => [], elector: undefined })();
    }),
    ...section('The client of Kubernetes, with the names of client-go', (registry) => {
      new PrometheusKubeMetrics(registry);
    }),
    'The process and the runtime are described by the metrics `process_*` and `nodejs_*` of prom-client.',
    '',
  ].join('\n');
}

function section(title: string, register: (registry: Registry) => void): string[] {
  const registry = new Registry();
  register(registry);
  const metrics = (registry.getMetricsAsArray() as unknown as Described[]).toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  return [
    `## ${title}`,
    '',
    '| metric | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...metrics.map(({ name, type, help, labelNames = [] }) => {
      const labels = labelNames.filter((label) => label !== 'le').map((label) => `\`${label}\``);
      return `| \`${name}\` | ${String(type)} | ${labels.join(', ')} | ${help} |`;
    }),
    '',
  ];
}
