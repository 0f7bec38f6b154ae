/** A run in a pipeline: the step of the documentation, and the command with its exit status. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ROOT } from '../../tools/controller/deployment.js';
import { newWorkloadNamespace } from '../support/controller.js';
import { deleteRun, newRunName, readRun, reportingPods, runIsKnown } from '../support/runs.js';
import type { Fate } from '../support/runs.js';
import { runsWorld } from '../support/runs-world.js';

const COMMAND = resolve(ROOT, 'dist/datapath-run.js');

const world = runsWorld();

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Step {
  readonly run?: string;
  readonly kubeconfig?: string;
  /** Told of each part of standard error. */
  readonly onProgress?: (child: ChildProcess, stderr: string) => void;
}

function execute(program: string, args: readonly string[], folder: string, step: Step = {}): Promise<Ended> {
  const { run = '', kubeconfig, onProgress } = step;
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...world.plane.environment(), RUN: run, ...(kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => {
    said.stderr += chunk.toString('utf8');
    onProgress?.(child, said.stderr);
  });
  return new Promise((done, reject) => {
    child.once('error', reject);
    child.once('close', (status) => done({ status, ...said }));
  });
}

/** Writes the manifest of a run that bounds the delay, as `run.yaml` of a folder of its own. */
function manifest(thresholdMs: number | undefined, expectedPods: number): { name: string; folder: string } {
  const name = newRunName('pipeline');
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-'));
  const objectives =
    thresholdMs === undefined
      ? ''
      : `  objectives:\n    - {metric: datapathDelay, statistic: p99, thresholdMs: ${thresholdMs}}\n`;
  writeFileSync(
    join(folder, 'run.yaml'),
    `apiVersion: datapath.observer/v1\nkind: DatapathRun\nmetadata:\n  name: ${name}\nspec:\n  expectedPods: ${expectedPods}\n${objectives}`,
  );
  return { name, folder };
}

/** Pods of the run once a controller knows it. */
async function rollOut(name: string, fates: readonly Fate[]): Promise<void> {
  await runIsKnown(world.plane, name);
  const namespace = await newWorkloadNamespace(world.plane, 'pipeline');
  await reportingPods(world.client, namespace, fates, { labels: { 'datapath.observer/run': name } });
}

describe('the step of the documentation', () => {
  const step = /<!-- pipeline:[^\n]*-->\s*```sh\n(.*?)```/s.exec(
    readFileSync(resolve(ROOT, 'docs/runs.md'), 'utf8'),
  )?.[1];

  it.each([
    [1_000, 0],
    [10, 1],
  ])('with a bound of %d ms ends with %d', async (thresholdMs, status) => {
    expect(step).toBeDefined();
    const { name, folder } = manifest(thresholdMs, 1);
    const ended = execute('bash', ['-euc', step ?? ''], folder, { run: name });
    await rollOut(name, [{ delayMs: 100 }]);
    expect((await ended).status).toBe(status);
  });
});

describe('the command', () => {
  it.each([
    ['Met', 1_000, [{ delayMs: 100 }], 0],
    ['Missed', 10, [{ delayMs: 100 }], 4],
    ['no objectives', undefined, ['failed'], 0],
  ] as const)('ends by the verdict: %s', async (_, thresholdMs, fates, status) => {
    const { name, folder } = manifest(thresholdMs, fates.length);
    const ended = execute(process.execPath, [COMMAND, '-f', 'run.yaml', '--export', 'junit=run.xml', '--json'], folder);
    await rollOut(name, fates);
    const { status: found, stdout, stderr } = await ended;
    expect([found, stderr]).toEqual([status, expect.stringContaining(`run ${name}: 1 Pods`)]);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'DatapathRun', metadata: { name }, status: { pods: 1 } });
    expect(readFileSync(join(folder, 'run.xml'), 'utf8')).toContain(`<testsuite name="${name}"`);
  });

  it('ends with 2 when the run isn’t complete in time, and exports what there is', async () => {
    const { name, folder } = manifest(1_000, 5);
    const args = [COMMAND, '-f', 'run.yaml', '--timeout', '2s', '--export', 'junit=run.xml', '--export', 'csv=-'];
    const { status, stderr, stdout } = await execute(process.execPath, args, folder);
    expect([status, stderr]).toEqual([2, expect.stringContaining(`run ${name} was not complete within 2 s`)]);
    expect(stdout).toMatch(/^run,metric,statistic,/);
    expect(readFileSync(join(folder, 'run.xml'), 'utf8')).toContain('errors="1"');
  });

  it('takes no verdict of another test: a run that was complete before is refused', async () => {
    const { name, folder } = manifest(1_000, 1);
    const first = execute(process.execPath, [COMMAND, '-f', 'run.yaml'], folder);
    await rollOut(name, [{ delayMs: 10 }]);
    expect((await first).status).toBe(0);
    const second = await execute(process.execPath, [COMMAND, '-f', 'run.yaml'], folder);
    expect([second.status, second.stderr]).toEqual([1, expect.stringContaining(`run ${name} is there already`)]);
    await deleteRun(world.plane, name);
    const third = await execute(process.execPath, [COMMAND, '-f', 'run.yaml'], folder);
    expect([third.status, third.stderr]).toEqual([1, expect.stringContaining('results of it are left')]);
    expect(await readRun(world.plane, name)).toBeUndefined();
  });

  it('says when its run is deleted meanwhile', async () => {
    const { name, folder } = manifest(1_000, 1);
    let deleted = false;
    const onProgress = (): void => {
      if (!deleted) void world.plane.kubectlOk(['delete', 'dprun', name]);
      deleted = true;
    };
    const ended = await execute(process.execPath, [COMMAND, '-f', 'run.yaml'], folder, { onProgress });
    expect([ended.status, ended.stderr]).toEqual([1, expect.stringContaining(`run ${name} was deleted meanwhile`)]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends on %s with %d, and its run goes on', async (signal, status) => {
    const { name, folder } = manifest(1_000, 1);
    let sent = false;
    const onProgress = (child: ChildProcess): void => void (sent ||= child.kill(signal));
    const ended = await execute(process.execPath, [COMMAND, '-f', 'run.yaml'], folder, { onProgress });
    expect([ended.status, ended.stderr]).toEqual([status, expect.stringContaining('interrupted; the run goes on')]);
    await runIsKnown(world.plane, name);
  });

  it('ends with 1 where the API server can’t be reached, and says so', async () => {
    const { folder } = manifest(1_000, 1);
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(
      kubeconfig,
      readFileSync(world.plane.kubeconfig, 'utf8').replaceAll(world.plane.server, 'https://127.0.0.1:1'),
    );
    const ended = await execute(process.execPath, [COMMAND, '-f', 'run.yaml'], folder, { kubeconfig });
    expect([ended.status, ended.stderr]).toEqual([1, expect.stringContaining("the API server can't be reached")]);
  });

  it.each([
    ['a file that isn’t there', ['-f', 'absent.yaml'], "-f absent.yaml can't be read"],
    ['a manifest of something else', ['-f', 'other.yaml'], 'it holds ConfigMap of v1'],
    ['a file that is empty', ['-f', '/dev/null'], '/dev/null is no YAML with one document'],
    ['a field that is mistyped', ['-f', 'mistyped.yaml'], '.spec.expectedPod: field not declared'],
    ['a name that is none', ['-f', 'misnamed.yaml'], 'RFC 1123'],
    ['an export that can’t be written', ['-f', 'run.yaml', '--export', 'junit=absent/x.xml'], 'no folder'],
    ['a wrong flag', ['-f', 'run.yaml', '--timeout', '5'], '--timeout is "5"'],
    ['an objective that the API server refuses', ['-f', 'refused.yaml'], 'thresholdMs'],
  ])('ends with 1 for %s', async (_, args, words) => {
    const { folder } = manifest(1_000, 1);
    writeFileSync(join(folder, 'other.yaml'), 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n');
    const run = readFileSync(join(folder, 'run.yaml'), 'utf8');
    writeFileSync(join(folder, 'mistyped.yaml'), run.replace('expectedPods', 'expectedPod'));
    writeFileSync(join(folder, 'misnamed.yaml'), run.replace(/name: .*/, 'name: Not_A_Name'));
    writeFileSync(join(folder, 'refused.yaml'), run.replace('thresholdMs: 1000', 'thresholdMs: -1'));
    expect(await execute(process.execPath, [COMMAND, ...args], folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(words),
    });
  });
});
