/** What the proof of runs does and what must come of it: four runs whose Pods, values and verdicts are known beforehand. Pure. */
import type { DatapathRunSpec } from '../../src/modules/runs/datapath-run.schema.js';
import { quantile } from '../../src/statistics/quantile.js';
import type { Fate } from '../support/runs.js';

export const RUNS = 4;
/** Every so manieth Pod fails in the runs in which some do. */
const FAILS_EACH = 25;
/** Fewer Pods, and no Pod of a run would fail. */
export const LEAST_PODS = RUNS * 10;
/** Delays lie between these, milliseconds, spread evenly over the orders of magnitude. */
const [SHORTEST_MS, LONGEST_MS] = [20, 20_000];

export interface PlannedRun {
  /** Of the run and of its namespace. */
  readonly name: string;
  readonly fates: readonly Fate[];
  readonly spec: DatapathRunSpec;
  readonly verdict: 'Met' | 'Missed';
  readonly reason: string;
  /** The delays of the Pods that become ready, ascending, milliseconds. */
  readonly delays: Float64Array;
}

/** @param random 0 to 1, as `Math.random` */
export function planRuns(pods: number, random: () => number): readonly PlannedRun[] {
  return Array.from({ length: RUNS }, (_, k) => {
    const count = Math.floor(pods / RUNS) + (k < pods % RUNS ? 1 : 0);
    const someFail = k === 1 || k === 2;
    const fates = Array.from({ length: count }, (_unused, i): Fate => {
      const delayMs = Math.round(SHORTEST_MS * (LONGEST_MS / SHORTEST_MS) ** random());
      return someFail && i % FAILS_EACH === 7 ? 'failed' : { delayMs };
    });
    const delays = Float64Array.from(fates.flatMap((fate) => (typeof fate === 'object' ? fate.delayMs : []))).sort();
    return { name: `proof-${k + 1}`, fates, delays, ...goalOf(k, count, delays) };
  });
}

/** Kept; kept though some fail, which it allows; missed since some fail; missed by its median. */
function goalOf(
  k: number,
  expectedPods: number,
  delays: Float64Array,
): Pick<PlannedRun, 'spec' | 'verdict' | 'reason'> {
  const metric = 'datapathDelay';
  const far = { metric, statistic: 'p99', thresholdMs: 2 * LONGEST_MS } as const;
  switch (k) {
    case 0:
      return { spec: { expectedPods, objectives: [far] }, verdict: 'Met', reason: 'WithinThreshold' };
    case 1: {
      const objectives = [{ ...far, maxFailedRatio: '0.1' }];
      return { spec: { expectedPods, objectives }, verdict: 'Met', reason: 'WithinThreshold' };
    }
    case 2:
      return { spec: { expectedPods, objectives: [far] }, verdict: 'Missed', reason: 'FailedPods' };
    default: {
      const thresholdMs = Math.floor((quantile(delays, 0.5) ?? 0) / 2);
      const objectives = [{ metric, statistic: 'p50', thresholdMs } as const];
      return { spec: { expectedPods, objectives }, verdict: 'Missed', reason: 'AboveThreshold' };
    }
  }
}
