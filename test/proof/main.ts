/** `make proof-runs PODS=14000 KILLS=20`: the command line of the proof, its table and its verdict. */
import { formatVerdict } from '../../tools/invariants/check.js';
import { Progress } from '../../tools/demo/progress.js';
import { table } from '../../tools/demo/report.js';
import { LEAST_PODS, RUNS } from './experiment.js';
import { proveRuns } from './proof.js';
import type { Proof } from './proof.js';

const MOST_PODS = 14_000;
const MOST_KILLS = 200;

function numberOf(name: string, fallback: number, least: number, most: number): number {
  const text = process.env[name] ?? '';
  const value = text === '' ? fallback : Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  process.stderr.write(
    `proof: ${name} is ${JSON.stringify(text)}; it must be a whole number from ${least} to ${most}\n`,
  );
  process.exit(1);
}

const pods = numberOf('PODS', MOST_PODS, LEAST_PODS, MOST_PODS);
const kills = numberOf('KILLS', 20, 0, MOST_KILLS);
const seed = numberOf('SEED', Date.now() % 1_000_000, 0, 2 ** 31);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => interrupted.abort(new Error('interrupted; everything was stopped')));
}
const progress = new Progress(process.stderr);
say(`proof: ${pods} Pods in ${RUNS} runs, ${kills} kills, SEED=${seed}`);
try {
  const proof = await proveRuns({ pods, kills, seed, signal: interrupted.signal, tell: (text) => progress.step(text) });
  progress.done();
  print(proof);
} catch (error) {
  progress.done();
  process.stderr.write(`proof: ${error instanceof Error ? error.message : String(error)} (SEED=${seed})\n`);
  process.exitCode = 1;
}

function print({ runs, verdict, findings, kills: killed, seconds }: Proof): void {
  const counts = new Map(verdict.counts.runs.map((run) => [run.name, run]));
  say('');
  say(
    table(
      ['run', '', 'Pods', 'ready', 'failed', 'delay p50', 'p90', 'p99', 'sum', 'archived', 'verdict'],
      runs.flatMap(({ planned, before, after }) =>
        [
          ['before', before],
          ['after', after],
        ].map(([when, run]) => {
          const { status = {} } = run as typeof before;
          const delay = status.metrics?.datapathDelay;
          return [
            planned.name,
            String(when),
            ...[status.pods, status.ready, status.failed].map(String),
            ...[delay?.p50Ms, delay?.p90Ms, delay?.p99Ms, delay?.sumMs].map((value) => `${String(value)} ms`),
            String(status.archive?.results ?? 0),
            `${String(status.verdict)} (${String(status.reason)})`,
          ];
        }),
      ),
      2,
    ),
  );
  say('');
  say(
    table(
      ['run', 'writes of its status', 'closest together'],
      runs.map(({ planned: { name } }) => {
        const { writes = 0, closestMs } = counts.get(name) ?? {};
        return [name, String(writes), closestMs === undefined ? '-' : `${Math.round(closestMs)} ms`];
      }),
    ),
  );
  say('');
  const lines = formatVerdict(verdict);
  for (const line of [...findings, ...lines]) say(line);
  const passed = findings.length === 0 && verdict.violations.length === 0;
  say(`proof: ${passed ? 'passed' : 'FAILED'}, ${killed} kills in ${seconds.toFixed(0)} s (SEED=${seed})`);
  process.exitCode = passed ? 0 : 1;
}
