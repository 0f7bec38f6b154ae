/**
 * `make bench`: figures of the controller on real parts. It reports; it never fails a test run.
 *
 * BENCH=burst,start,query chooses parts; PODS is the size of the burst (14000); BASELINE is another controller's program, measured
 * on the same work for comparison. Prints a table and writes test-results/bench.json.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/modules/kube/connect.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import { applyManifests, controllerKubeconfig } from '../../tools/controller/deployment.js';
import { table } from '../../tools/demo/report.js';
import { benchBurst } from './burst.bench.js';
import { benchQuery, benchStart } from './query.bench.js';
import { Subject } from './subject.js';

const PARTS = ['burst', 'start', 'query'] as const;
type Part = (typeof PARTS)[number];

const chosen = (process.env['BENCH'] ?? PARTS.join(',')).split(',');
const unknown = chosen.filter((part) => !(PARTS as readonly string[]).includes(part));
const count = Number(process.env['PODS'] ?? 14_000);
if (unknown.length > 0 || !Number.isInteger(count) || count < 1) {
  process.stderr.write(`bench: BENCH takes ${PARTS.join(', ')} separated by commas; PODS a whole number from 1\n`);
  process.exit(2);
}
const wants = (part: Part): boolean => chosen.includes(part);
const tell = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

/** One row: what, its unit, and a figure for each subject. */
const rows = new Map<string, Map<string, number>>();
function note(name: string, subject: string, value: number): void {
  const row = rows.get(name) ?? new Map<string, number>();
  row.set(subject, value);
  rows.set(name, row);
}

async function measure(name: string, program: string | undefined, folder: string): Promise<void> {
  tell(`${name}: starting a control plane`);
  const plane = await startControlPlane({ audit: false });
  try {
    await applyManifests(plane);
    // A program that isn't ours has rights of its own making: it acts as administrator.
    const kubeconfig = program === undefined ? await controllerKubeconfig(plane) : plane.kubeconfig;
    const subject = new Subject({ name, program, kubeconfig, logFile: join(folder, `${name}.log`) });
    const client = connect({ kubeconfig: plane.kubeconfig });
    try {
      await subject.start();
      while ((await subject.statistic('time-to-start')) === undefined)
        await new Promise((done) => setTimeout(done, 50));
      note('idle memory, MB', name, subject.usage().rssMb);
      tell(`${name}: a burst of ${count} Pods`);
      const burst = await benchBurst(plane, client, subject, count, (text) => tell(`${name}: ${text}`));
      if (wants('burst')) {
        note(`burst of ${count} Pods, s`, name, burst.burstSeconds);
        note('all visible after the last annotation, s', name, burst.visibleSeconds);
        note('CPU of the controller, s', name, burst.cpuSeconds);
        note('memory after the burst, MB', name, burst.rssMb);
        note('memory at its peak, MB', name, burst.peakMb);
        note('writes per Pod', name, burst.writesPerPod);
      }
      if (wants('query')) {
        for (const [what, query] of [
          ['query', ''],
          ['query with a selector', '?labelSelector=app%3Dapp-3'],
        ] as const) {
          await benchQuery(subject, query, 20);
          const figures = await benchQuery(subject, query, 300);
          note(`${what}, median, ms`, name, figures.p50Ms);
          note(`${what}, p99, ms`, name, figures.p99Ms);
          note(`${what}, CPU, ms`, name, figures.cpuMsPerQuery);
          note(`memory after queries, MB`, name, figures.rssMb);
        }
      }
      if (wants('start')) {
        const start = await benchStart(subject, count);
        note(`start over ${count} results to the first right answer, s`, name, start.seconds);
        note('CPU of that start, s', name, start.cpuSeconds);
        note('memory after that start, MB', name, start.rssMb);
      }
    } finally {
      await subject.stop('SIGTERM');
      client.close();
    }
  } finally {
    await plane.stop();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const subjects: string[] = ['ours'];
await measure('ours', undefined, folder);
const baseline = process.env['BASELINE'];
if (baseline !== undefined && baseline !== '') {
  subjects.push('baseline');
  await measure('baseline', baseline, folder);
}
rmSync(folder, { recursive: true, force: true });

const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${(totalmem() / 1e9).toFixed(0)} GB, Linux ${release()}, Node ${process.version}`;
const shown = (value: number | undefined): string =>
  value === undefined ? '-' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
process.stdout.write(`${machine}\n\n`);
process.stdout.write(
  `${table(
    ['', ...subjects],
    [...rows].map(([name, row]) => [name, ...subjects.map((subject) => shown(row.get(subject)))]),
  )}\n`,
);
mkdirSync('test-results', { recursive: true });
writeFileSync(
  'test-results/bench.json',
  `${JSON.stringify({ machine, count, figures: Object.fromEntries([...rows].map(([name, row]) => [name, Object.fromEntries(row)])) }, null, 2)}\n`,
);
tell('wrote test-results/bench.json');
