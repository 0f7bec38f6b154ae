import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../kube/clock.js';
import type { ReflectorStatus } from '../kube/reflector-status.js';
import type { ElectorPort } from './ports.js';

/** What is read when metrics are asked for. */
export interface WatchMetricsSources {
  readonly clock: Clock;
  readonly watches: () => readonly ReflectorStatus[];
  readonly elector: ElectorPort | undefined;
}

/** Reasons for which a watch is opened anew. */
const RESTARTS = [
  'closed',
  'expired',
  'rewound',
  'throttled',
  'refused',
  'status',
  'error_event',
  'malformed',
  'silence',
  'transport',
  'timeout',
];

/**
 * Metrics of the watches, the lease and the event loop, read when they are asked for. Several watches of one resource are added up; of ages
 * the greatest counts.
 *
 * @returns what ends the measuring
 */
export function registerWatchMetrics(registry: Registry, { clock, watches, elector }: WatchMetricsSources): () => void {
  const registers = [registry];
  const total = (name: string, help: string, read: (status: ReflectorStatus) => number): void => {
    new Counter({
      name,
      help,
      labelNames: ['resource'],
      registers,
      collect() {
        this.reset();
        for (const status of watches()) this.inc({ resource: status.resource }, read(status));
      },
    });
  };
  total(
    'operator_missed_events_total',
    'Changes that a watch had missed and a verification found',
    (status) => status.missedEvents,
  );
  total('operator_verifications_total', 'Comparisons of a cache with a list', (status) => status.verifications);
  total('operator_relist_total', 'Lists made anew although the cache was filled', (status) => status.relists);
  total(
    'operator_projection_errors_total',
    'Objects left out because they could not be projected',
    (status) => status.projectionErrors,
  );
  new Counter({
    name: 'operator_watch_restarts_total',
    help: 'Watches opened anew',
    labelNames: ['resource', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const { resource, restarts } of watches()) {
        for (const reason of new Set([...RESTARTS, ...Object.keys(restarts)]))
          this.inc({ resource, reason }, restarts[reason] ?? 0);
      }
    },
  });
  new Gauge({
    name: 'operator_watch_last_event_age_seconds',
    help: 'Time since the last line of a watch, bookmarks included; they come about once a minute',
    labelNames: ['resource'],
    registers,
    collect() {
      this.reset();
      const ages = new Map<string, number>();
      for (const { resource, lastLineAt } of watches()) {
        if (lastLineAt === undefined) continue;
        ages.set(resource, Math.max(ages.get(resource) ?? 0, (clock.monotonicMs() - lastLineAt) / 1000));
      }
      for (const [resource, age] of ages) this.set({ resource }, age);
    },
  });
  new Gauge({
    name: 'operator_cache_objects',
    help: 'Objects in a cache',
    labelNames: ['resource'],
    registers,
    collect() {
      this.reset();
      for (const { resource, size } of watches()) this.inc({ resource }, size);
    },
  });
  if (elector !== undefined) {
    new Gauge({
      name: 'operator_lease_margin_seconds',
      help: 'Time for which this replica may write without renewing its lease',
      registers,
      collect() {
        this.set(elector.marginMs() / 1000);
      },
    });
  }
  return registerEventLoopMetrics(registers);
}

function registerEventLoopMetrics(registers: Registry[]): () => void {
  const resolutionMs = 10;
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  new Gauge({
    name: 'operator_event_loop_delay_seconds',
    help: 'By how much the event loop was late since these metrics were last read',
    labelNames: ['quantile'],
    registers,
    collect() {
      // A timer of that resolution fires at the earliest after it: only what is beyond is delay.
      const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - resolutionMs / 1e3);
      for (const quantile of [0.5, 0.99]) {
        this.set({ quantile }, histogram.count === 0 ? 0 : late(histogram.percentile(quantile * 100)));
      }
      this.set({ quantile: 1 }, histogram.count === 0 ? 0 : late(histogram.max));
      histogram.reset();
    },
  });
  histogram.enable();
  return () => {
    histogram.disable();
  };
}
