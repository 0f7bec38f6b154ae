/** The run of the demo: made before its Pods, waited for as a pipeline would, and held against what was caused. */
import type { DatapathRun } from '../../src/modules/runs/datapath-run.schema.js';
import type { ControlPlane } from '../control-plane/launcher.js';

export const RUN = 'datapath-demo';
export const RUN_LABELS = { 'datapath.observer/run': RUN };
/** Far above what a local probe takes: the demo shows a verdict, it doesn't test this machine. */
const THRESHOLD_MS = 60_000;

export interface RunOutcome {
  readonly run: DatapathRun | undefined;
  /** What `kubectl get dprun` printed. */
  readonly line: string;
  /** What isn't as it was caused. */
  readonly findings: readonly string[];
}

/** Makes the run. Of the targets some are dead on purpose, so that it says how many Pods may fail. */
export async function makeRun(plane: ControlPlane, pods: number): Promise<void> {
  await plane.kubectlOk(['apply', '-f', '-'], {
    input: JSON.stringify({
      apiVersion: 'datapath.observer/v1',
      kind: 'DatapathRun',
      metadata: { name: RUN },
      spec: {
        expectedPods: pods,
        objectives: [
          { metric: 'timeToDatapathReady', statistic: 'p99', thresholdMs: THRESHOLD_MS, maxFailedRatio: '0.5' },
          { metric: 'timeToStart', statistic: 'p50', thresholdMs: THRESHOLD_MS },
        ],
      },
    }),
  });
}

/** @param ready Pods whose target works */
export async function awaitRun(plane: ControlPlane, pods: number, ready: number): Promise<RunOutcome> {
  const waited = await plane.kubectl(['wait', '--for=condition=Complete', `dprun/${RUN}`, '--timeout=40s']);
  const line = (await plane.kubectlOk(['get', 'dprun', RUN])).trimEnd();
  if (waited.code !== 0) {
    return { run: undefined, line, findings: [`run ${RUN} is not complete: ${waited.stderr.trim()}`] };
  }
  const run = JSON.parse(await plane.kubectlOk(['get', 'dprun', RUN, '-o', 'json'])) as DatapathRun;
  const { status = {} } = run;
  const findings: string[] = [];
  const check = (what: string, found: unknown, caused: unknown): void => {
    if (found !== caused) findings.push(`run ${RUN}: ${what} is ${String(found)}, caused was ${String(caused)}`);
  };
  check('the number of Pods', status.pods, pods);
  check('the number of ready Pods', status.ready, ready);
  check('the number of failed Pods', status.failed, pods - ready);
  check('the verdict', status.verdict, 'Met');
  return { run, line, findings };
}

/** The verdict with why, a line per objective. */
export function verdictLines({ run }: RunOutcome): string[] {
  const { verdict, objectives = [] } = run?.status ?? {};
  return [
    `Verdict of run ${RUN}: ${verdict ?? 'none'}`,
    ...objectives.map(({ metric, verdict: each, message }) => `  ${each}: ${metric} ${message}`),
  ];
}
