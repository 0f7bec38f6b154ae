/** Applies a DatapathRun, waits until it is complete, and exports it from its status alone: only the API server is asked. */
import { readFile, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { loadYaml } from '@kubernetes/client-node';
import { sleep } from '../modules/kube/clock.js';
import type { Clock } from '../modules/kube/clock.js';
import { isKubeApiError } from '../modules/kube/kube-api-error.js';
import type { KubeClient } from '../modules/kube/kube-client.js';
import { exportRun } from '../modules/runs/export/formats.js';
import { DATAPATH_RUNS } from '../modules/runs/datapath-run.resource.js';
import type { DatapathRun } from '../modules/runs/datapath-run.schema.js';
import { runReport } from '../modules/runs/run-report.js';
import type { RunReport } from '../modules/runs/run-report.js';
import { UsageError } from './options.js';
import type { RunOptions } from './options.js';

/** As kube-burner's: 2 is a timeout, 4 a missed objective. */
export const EXIT = { done: 0, failed: 1, undecided: 2, missed: 4 } as const;

const POLL_MS = 1_000;
/** Between two tries where the API server can't be reached, milliseconds. */
const RETRY_MS = 2_000;

export interface CommandPorts {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly say: (line: string) => void;
}

/**
 * @returns the exit status
 * @throws UsageError for a manifest that is none, KubeApiError where the API server refuses
 */
export async function runCommand(options: RunOptions, { client, clock, say }: CommandPorts): Promise<number> {
  const manifest = await readManifest(options.file);
  const { name } = manifest.metadata;
  const applied = await client.patch<DatapathRun>(DATAPATH_RUNS, { namespace: '', name }, manifest, {
    kind: 'apply',
    fieldManager: 'datapath-run',
    force: true,
  });
  const deadline = clock.monotonicMs() + options.timeoutMs;
  let shown = '';
  let report: RunReport;
  for (;;) {
    const run = await readRun(client, clock, name, deadline, say);
    if (run === undefined) return EXIT.undecided;
    if (run.metadata.uid !== applied.metadata.uid) {
      throw new Error(`run ${name} was deleted meanwhile, and made again by somebody else`);
    }
    report = runReport(run);
    const line = progressOf(report);
    if (line !== shown) say(line);
    shown = line;
    // Of a run that was changed, what the status says may be of the time before.
    if (report.complete && run.status?.observedGeneration === run.metadata.generation) break;
    if (clock.monotonicMs() >= deadline) {
      say(`run ${name} was not complete within ${String(options.timeoutMs / 1000)} s`);
      await writeExports(options, report, say);
      return EXIT.undecided;
    }
    await sleep(clock, POLL_MS);
  }
  await writeExports(options, report, say);
  for (const { metric, message, verdict } of report.status.objectives ?? []) say(`${verdict}: ${metric} ${message}`);
  const { verdict } = report.status;
  say(verdict === undefined ? `run ${name} is complete; it has no objectives` : `run ${name}: ${verdict}`);
  switch (verdict) {
    case undefined:
    case 'Met':
      return EXIT.done;
    case 'Missed':
      return EXIT.missed;
    case 'Inconclusive':
      return EXIT.undecided;
    default: {
      const exhaustiveCheck: never = verdict;
      return exhaustiveCheck;
    }
  }
}

/** The run, or `undefined` when it couldn't be read until the deadline: a short outage is no verdict. */
async function readRun(
  client: KubeClient,
  clock: Clock,
  name: string,
  deadline: number,
  say: (line: string) => void,
): Promise<DatapathRun | undefined> {
  for (;;) {
    try {
      return await client.get<DatapathRun>(DATAPATH_RUNS, { namespace: '', name });
    } catch (error) {
      const passing = isKubeApiError(error) && (error.code === 0 || error.code === 429 || error.code >= 500);
      if (!passing) throw error;
      say(`the API server can't be asked, trying again: ${error.message}`);
      if (clock.monotonicMs() >= deadline) return undefined;
      await sleep(clock, RETRY_MS);
    }
  }
}

async function readManifest(file: string): Promise<DatapathRun> {
  const source = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  let manifest: Partial<DatapathRun> | undefined;
  try {
    manifest = loadYaml<Partial<DatapathRun> | undefined>(source);
  } catch (error) {
    throw new UsageError(`${file} is no YAML: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (manifest?.kind !== DATAPATH_RUNS.kind || manifest.apiVersion !== 'datapath.observer/v1') {
    throw new UsageError(`${file} must hold one DatapathRun of datapath.observer/v1`);
  }
  if (typeof manifest.metadata?.name !== 'string') throw new UsageError(`${file}: metadata.name is missing`);
  return manifest as DatapathRun;
}

function progressOf({ name, complete, completeReason, status }: RunReport): string {
  const { pods = 0, ready = 0, failed = 0, pending = 0, started = 0 } = status;
  const state = complete ? 'complete' : completeReason;
  return `run ${name}: ${String(pods)} Pods, ${String(ready)} ready, ${String(failed)} failed, ${String(pending + started)} pending (${state})`;
}

async function writeExports({ exports }: RunOptions, report: RunReport, say: (line: string) => void): Promise<void> {
  for (const { format, file } of exports) {
    await writeFile(file, exportRun(report, format));
    say(`wrote ${file} (${format})`);
  }
}
