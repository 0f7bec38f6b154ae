/** A run in a pipeline: the step of the documentation, and the command with its exit status. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { ROOT } from '../../tools/controller/deployment.js';
import { controlPlane, newWorkloadNamespace, startController } from '../support/controller.js';
import { newRunName, reportingPods, runIsKnown } from '../support/runs.js';
import type { Fate } from '../support/runs.js';

const COMMAND = resolve(ROOT, 'dist/cli/main.js');

let plane: ControlPlane;
let client: KubeClient;
let controller: ControllerProcess;

beforeAll(async () => {
  plane = await controlPlane();
  client = connect({ kubeconfig: plane.kubeconfig });
  controller = await startController(plane);
}, 90_000);

afterAll(async () => {
  await controller?.kill('SIGTERM');
  client?.close();
});

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

function execute(program: string, args: readonly string[], folder: string, run = ''): Promise<Ended> {
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...plane.environment(), RUN: run },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 60_000,
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  return new Promise((done, reject) => {
    child.once('error', reject);
    child.once('close', (status) => done({ status, stderr }));
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
  await runIsKnown(plane, name);
  const namespace = await newWorkloadNamespace(plane, 'pipeline');
  await reportingPods(client, namespace, fates, { labels: { 'datapath.observer/run': name } });
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
    const ended = execute('bash', ['-euc', step ?? ''], folder, name);
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
    const ended = execute(process.execPath, [COMMAND, '-f', 'run.yaml', '--export', 'junit=run.xml'], folder);
    await rollOut(name, fates);
    const { status: found, stderr } = await ended;
    expect([found, stderr]).toEqual([status, expect.stringContaining(`run ${name}`)]);
    expect(readFileSync(join(folder, 'run.xml'), 'utf8')).toContain(`<testsuite name="${name}"`);
  });

  it('ends with 2 when the run isn’t complete in time, and exports what there is', async () => {
    const { name, folder } = manifest(1_000, 5);
    const args = [COMMAND, '-f', 'run.yaml', '--timeout', '2s', '--export', 'junit=run.xml'];
    const { status, stderr } = await execute(process.execPath, args, folder);
    expect([status, stderr]).toEqual([2, expect.stringContaining(`run ${name} was not complete within 2 s`)]);
    expect(readFileSync(join(folder, 'run.xml'), 'utf8')).toContain('errors="1"');
  });

  it.each([
    ['a file that isn’t there', ['-f', 'absent.yaml'], 'absent.yaml'],
    ['a manifest of something else', ['-f', 'other.yaml'], 'must hold one DatapathRun'],
    ['an objective that the API server refuses', ['-f', 'refused.yaml'], 'thresholdMs'],
  ])('ends with 1 for %s', async (_, args, words) => {
    const { folder } = manifest(1_000, 1);
    writeFileSync(join(folder, 'other.yaml'), 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n');
    const run = readFileSync(join(folder, 'run.yaml'), 'utf8');
    writeFileSync(join(folder, 'refused.yaml'), run.replace('thresholdMs: 1000', 'thresholdMs: -1'));
    expect(await execute(process.execPath, [COMMAND, ...args], folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(words),
    });
  });
});
