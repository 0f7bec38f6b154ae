/**
 * What is measured of Pods, as Prometheus metrics (seconds, base units). No label ever names a Pod: their number has no bound.
 *
 * Counters and histograms count what happens while this process watches. Results that were there before it started are counted in the
 * gauges alone, so that a restart looks like no burst.
 */
import { setImmediate } from 'node:timers/promises';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { metricOf } from '../../datapath/result-state.js';
import type { ResultState } from '../../datapath/result-state.js';
import { FAILURE_CLASSES, METRICS, OUTCOMES } from '../../datapath/vocabulary.js';
import type { Metric } from '../../datapath/vocabulary.js';
import type { ResultTable } from '../../statistics/result-table.js';
import type { RunFigures } from '../../statistics/run-figures.js';
import type { KnownRun } from '../api/read-model.js';
import type { MetricsLabel } from '../../settings/settings.js';
import type { ResultChange } from '../results/result-index.js';

/** The buckets of `kubelet_pod_start_sli_duration_seconds`, so that the two join, and finer ones below a second. */
export const DURATION_BUCKETS = [
  0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600,
  900, 1200, 1800, 2700, 3600,
];

/** Namespaces with series of their own; what is measured in others is counted together. */
export const MAX_NAMESPACES = 100;
/** Sets of label values with series of their own, where there are labels beside `namespace`. */
export const MAX_LABEL_SETS = 1000;
export const OTHER = '_other';
/** Runs with series of their own: the newest. */
export const MAX_RUNS = 20;
const RUN_QUANTILES = [0.5, 0.9, 0.95, 0.99, 1];

const HISTOGRAMS: Readonly<Record<Metric, { readonly name: string; readonly help: string }>> = {
  timeToStart: {
    name: 'datapath_time_to_start_seconds',
    help: 'Seconds from the creation of a Pod to the start of its workload',
  },
  timeToDatapathReady: {
    name: 'datapath_time_to_ready_seconds',
    help: 'Seconds from the creation of a Pod to its first successful probe',
  },
  datapathDelay: {
    name: 'datapath_delay_seconds',
    help: 'Seconds from the start of a workload to its first successful probe, by one monotonic clock',
  },
};

/** What is read when metrics are asked for. */
export interface DatapathMetricsSource {
  readonly table: ResultTable;
  /** Whether the caches are filled. */
  readonly synced: () => boolean;
  /** The runs that were made last, at most so many. */
  readonly newestRuns: (limit: number) => readonly KnownRun[];
  /** Milliseconds since the epoch. */
  readonly epochMs: () => number;
  /** What histograms are divided by, beside namespaces. */
  readonly extraLabels: readonly MetricsLabel[];
}

type Label = 'namespace' | MetricsLabel;

export class DatapathMetrics {
  readonly #source: DatapathMetricsSource;
  readonly #labels: readonly Label[];
  readonly #histograms: Readonly<Record<Metric, Histogram<Label>>>;
  readonly #pods: Counter<'outcome'>;
  readonly #failures: Counter<'class'>;
  readonly #labelSets = new Set<string>();

  constructor(registry: Registry, source: DatapathMetricsSource) {
    this.#source = source;
    this.#labels = ['namespace', ...source.extraLabels];
    const registers = [registry];
    const histogram = (metric: Metric): Histogram<Label> =>
      new Histogram({ ...HISTOGRAMS[metric], labelNames: this.#labels, buckets: DURATION_BUCKETS, registers });
    this.#histograms = {
      timeToStart: histogram('timeToStart'),
      timeToDatapathReady: histogram('timeToDatapathReady'),
      datapathDelay: histogram('datapathDelay'),
    };
    this.#pods = new Counter({
      name: 'datapath_pods_total',
      help: 'Pods that reached an outcome; one that fails and is ready after all counts in both',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of OUTCOMES) this.#pods.inc({ outcome }, 0);
    this.#failures = new Counter({
      name: 'datapath_failures_total',
      help: 'Pods that failed or were given up, by the class of the reason',
      labelNames: ['class'],
      registers,
    });
    for (const name of FAILURE_CLASSES) this.#failures.inc({ class: name }, 0);
    this.#registerResults(registers);
    this.#registerRuns(registers);
  }

  /** Counts one change of the index. */
  onChange({ previous, next }: ResultChange): void {
    if (next === undefined || (previous === undefined && !this.#source.synced())) return;
    if (next.outcome !== previous?.outcome) this.#pods.inc({ outcome: next.outcome });
    if (next.failure !== undefined && next.failure.class !== previous?.failure?.class) {
      this.#failures.inc({ class: next.failure.class });
    }
    let labels: Record<Label, string> | undefined;
    for (const metric of METRICS) {
      const value = metricOf(next, metric);
      if (value === undefined || (previous !== undefined && metricOf(previous, metric) !== undefined)) continue;
      // A clock that is off makes negative times; the sum of a histogram may not fall.
      this.#histograms[metric].observe((labels ??= this.#labelsOf(next)), Math.max(0, value) / 1000);
    }
  }

  #labelsOf(state: ResultState): Record<Label, string> {
    const values = { namespace: state.namespace, run: state.runName, node: state.nodeName ?? '' };
    const labels = Object.fromEntries(this.#labels.map((label) => [label, values[label]])) as Record<Label, string>;
    const set = Object.values(labels).join('/');
    if (this.#labelSets.has(set)) return labels;
    const most = this.#labels.length === 1 ? MAX_NAMESPACES : MAX_LABEL_SETS;
    if (this.#labelSets.size >= most) {
      return Object.fromEntries(this.#labels.map((label) => [label, OTHER])) as Record<Label, string>;
    }
    this.#labelSets.add(set);
    return labels;
  }

  #registerResults(registers: Registry[]): void {
    const { table } = this.#source;
    new Gauge({
      name: 'datapath_results',
      help: 'Results that are known now, by outcome',
      labelNames: ['outcome'],
      registers,
      collect() {
        for (const outcome of OUTCOMES) this.set({ outcome }, table.outcomeCount(outcome));
      },
    });
  }

  #registerRuns(registers: Registry[]): void {
    // All gauges of runs are asked for in one go: one computation serves them.
    let scrape: Promise<readonly RunGauges[]> | undefined;
    const runs = (): Promise<readonly RunGauges[]> =>
      (scrape ??= gaugesOf(this.#source.newestRuns(MAX_RUNS), this.#source.epochMs()).finally(() => {
        scrape = undefined;
      }));
    new Gauge({
      name: 'datapath_run_quantile_seconds',
      help: `Quantiles of the newest ${String(MAX_RUNS)} runs: exact, and within 1 % once results of the run were deleted`,
      labelNames: ['run', 'metric', 'quantile'],
      registers,
      async collect() {
        const all = await runs();
        this.reset();
        for (const { run, figures } of all) {
          for (const metric of METRICS) {
            for (const q of RUN_QUANTILES) {
              const value = q === 1 ? figures.metrics[metric].maxMs : figures.metrics[metric].quantile(q);
              if (value !== null) this.set({ run, metric, quantile: String(q) }, value / 1000);
            }
          }
        }
      },
    });
    new Gauge({
      name: 'datapath_run_pods',
      help: `Pods of the newest ${String(MAX_RUNS)} runs, by outcome`,
      labelNames: ['run', 'outcome'],
      registers,
      async collect() {
        const all = await runs();
        this.reset();
        for (const { run, figures } of all) {
          for (const outcome of OUTCOMES) this.set({ run, outcome }, figures.outcomes[outcome]);
        }
      },
    });
    new Gauge({
      name: 'datapath_run_objective_met',
      help: '1 where a complete run met an objective, 0 where it missed it or where that cannot be told',
      labelNames: ['run', 'objective'],
      registers,
      async collect() {
        const all = await runs();
        this.reset();
        for (const { run, objectives } of all) {
          for (const { metric, statistic, thresholdMs, verdict } of objectives) {
            const objective = `${metric} ${statistic} <= ${String(thresholdMs)}ms`;
            this.set({ run, objective }, verdict === 'Met' ? 1 : 0);
          }
        }
      },
    });
  }
}

interface RunGauges {
  readonly run: string;
  readonly figures: RunFigures;
  readonly objectives: KnownRun['objectives'];
}

/** The figures of each run, with a turn for others in between. */
async function gaugesOf(runs: readonly KnownRun[], nowMs: number): Promise<RunGauges[]> {
  const gauges: RunGauges[] = [];
  for (const { name, objectives, figures } of runs) {
    gauges.push({ run: name, objectives, figures: figures(nowMs) });
    await setImmediate();
  }
  return gauges;
}
