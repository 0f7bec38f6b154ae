/** Applies a DatapathRun, waits until it is complete, and exports it from its status alone: only the API server is asked. */
import { constants } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sleep } from '../modules/kube/clock.js';
import type { Clock } from '../modules/kube/clock.js';
import { isKubeApiError, isNotFound } from '../modules/kube/kube-api-error.js';
import type { KubeClient } from '../modules/kube/kube-client.js';
import { DATAPATH_RESULTS } from '../modules/results/result-conversion.js';
import { exportRun } from '../modules/runs/export/formats.js';
import { DATAPATH_RUNS } from '../modules/runs/datapath-run.resource.js';
import type { DatapathRun } from '../modules/runs/datapath-run.schema.js';
import { runReport } from '../modules/runs/run-report.js';
import type { RunReport } from '../modules/runs/run-report.js';
import { readManifest } from './manifest.js';
import { UsageError } from './options.js';
import type { RunOptions } from './options.js';

/** As kube-burner's: 2 is a timeout, 4 a missed objective. */
export const EXIT = { done: 0, failed: 1, undecided: 2, missed: 4 } as const;

const POLL_MS = 1_000;
/** Between two tries where the API server can't be reached, milliseconds. */
const RETRY_MS = 2_000;
/** The longest that one question may take, milliseconds. */
const CALL_MS = 30_000;
/** How often progress is said though nothing changed, milliseconds: some pipelines end a step that is silent. */
const SAY_AGAIN_MS = 30_000;

export interface CommandPorts {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** A line of progress. */
  readonly say: (line: string) => void;
  /** The result, for programs. */
  readonly print: (text: string) => void;
}

/**
 * @returns the exit status
 * @throws UsageError for a manifest or an export that can't be, KubeApiError where the API server refuses
 */
export async function runCommand(options: RunOptions, ports: CommandPorts): Promise<number> {
  const manifest = await readManifest(options.file);
  await checkExports(options);
  const { name } = manifest.metadata;
  const uid = await apply(manifest, ports);
  const run = await untilComplete(name, uid, options.timeoutMs, ports);
  if (run === undefined) {
    ports.say(`run ${name} was not complete within ${String(options.timeoutMs / 1000)} s`);
    return EXIT.undecided;
  }
  const report = runReport(run);
  await writeExports(options, report, ports);
  if (options.json) ports.print(jsonOf(run));
  if (!report.complete) {
    ports.say(`run ${name} was not complete within ${String(options.timeoutMs / 1000)} s`);
    return EXIT.undecided;
  }
  for (const { metric, message, verdict } of report.status.objectives ?? [])
    ports.say(`${verdict}: ${metric} ${message}`);
  const { verdict, reason } = report.status;
  if (verdict === undefined) ports.say(`run ${name} is complete; it has no objectives`);
  else ports.say(`run ${name}: ${verdict} (${String(reason)})`);
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

/**
 * @returns the uid of the run
 * @throws UsageError where a run of that name was complete before, or was deleted and left results: a verdict over those would say
 *   nothing of what is tested now
 */
async function apply(manifest: DatapathRun, { client, say }: CommandPorts): Promise<string> {
  const { name } = manifest.metadata;
  const known = await client.get<DatapathRun>(DATAPATH_RUNS, { namespace: '', name }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  const completedAt = known?.status?.completedAt;
  if (completedAt !== undefined) {
    throw new UsageError(
      `run ${name} is there already, and was complete at ${completedAt}: give this one another name`,
    );
  }
  if (known === undefined) await refuseLeftResults(name, client, say);
  const applied = await client.patch<DatapathRun>(DATAPATH_RUNS, { namespace: '', name }, manifest, {
    kind: 'apply',
    fieldManager: 'datapath-run',
    force: true,
  });
  return applied.metadata.uid ?? '';
}

async function refuseLeftResults(name: string, client: KubeClient, say: (line: string) => void): Promise<void> {
  const fieldSelector = `spec.runName=${name}`;
  try {
    const { items } = await client.list(DATAPATH_RESULTS, { fieldSelector, limit: 1, metadataOnly: true });
    if (items[0] === undefined) return;
  } catch (error) {
    if (!isKubeApiError(error) || error.code !== 403) throw error;
    say(`whether results are left of an earlier run ${name} can't be asked: ${error.message}`);
    return;
  }
  throw new UsageError(
    `run ${name} was deleted, but results of it are left, and would count: give this one another name`,
  );
}

/** The run when it is complete, or as it is at the end of the time; `undefined` where it couldn't be read then. */
async function untilComplete(
  name: string,
  uid: string,
  timeoutMs: number,
  { client, clock, say }: CommandPorts,
): Promise<DatapathRun | undefined> {
  const startedMs = clock.monotonicMs();
  const deadline = startedMs + timeoutMs;
  let shown = '';
  let shownMs = startedMs;
  for (;;) {
    const run = await readRun(client, clock, name, deadline, say);
    if (run === undefined) return undefined;
    if (run.metadata.uid !== uid) throw new Error(`run ${name} was deleted meanwhile, and made again by somebody else`);
    const nowMs = clock.monotonicMs();
    // Of a run that was changed, what the status says may be of the time before.
    const isCurrent = run.status?.observedGeneration === run.metadata.generation;
    const line = progressOf(runReport(run));
    if (line !== shown || nowMs - shownMs >= SAY_AGAIN_MS) {
      say(`[${String(Math.round((nowMs - startedMs) / 1000)).padStart(4)} s] ${line}`);
      shown = line;
      shownMs = nowMs;
    }
    if ((isCurrent && runReport(run).complete) || nowMs >= deadline) return run;
    await sleep(clock, Math.min(POLL_MS, deadline - nowMs));
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
    const timeoutMs = Math.min(CALL_MS, Math.max(POLL_MS, deadline - clock.monotonicMs()));
    try {
      return await client.get<DatapathRun>(DATAPATH_RUNS, { namespace: '', name }, { timeoutMs });
    } catch (error) {
      if (isNotFound(error)) throw new Error(`run ${name} was deleted meanwhile`, { cause: error });
      const passing = isKubeApiError(error) && (error.code === 0 || error.code === 429 || error.code >= 500);
      if (!passing) throw error;
      say(`the API server can't be asked, trying again: ${error.message}`);
      if (clock.monotonicMs() >= deadline) return undefined;
      await sleep(clock, RETRY_MS);
    }
  }
}

function progressOf({ name, complete, completeReason, status }: RunReport): string {
  if (status.conditions === undefined) return `run ${name}: no controller has seen it yet`;
  const { pods = 0, ready = 0, failed = 0, aborted = 0, pending = 0, started = 0 } = status;
  const state = complete ? 'complete' : completeReason;
  const ends = `${String(ready)} ready, ${String(failed)} failed${aborted === 0 ? '' : `, ${String(aborted)} aborted`}`;
  return `run ${name}: ${String(pods)} Pods, ${ends}, ${String(pending + started)} pending (${state})`;
}

/** As kubectl prints it: without the record of who wrote which field. */
function jsonOf({ metadata, ...run }: DatapathRun): string {
  const { managedFields: _, ...kept } = metadata as DatapathRun['metadata'] & { readonly managedFields?: unknown };
  return `${JSON.stringify({ ...run, metadata: kept }, null, 2)}\n`;
}

/** Before anything is waited for: a file that can't be written is found out now. */
async function checkExports({ exports }: RunOptions): Promise<void> {
  for (const { file } of exports) {
    if (file === '-') continue;
    try {
      await access(dirname(file), constants.W_OK);
    } catch (error) {
      throw new UsageError(`--export: ${dirname(file)} is no folder that can be written to`, { cause: error });
    }
  }
}

async function writeExports({ exports }: RunOptions, report: RunReport, { say, print }: CommandPorts): Promise<void> {
  for (const { format, file } of exports) {
    if (file === '-') {
      print(exportRun(report, format));
      continue;
    }
    await writeFile(file, exportRun(report, format));
    say(`wrote ${file} (${format})`);
  }
}
