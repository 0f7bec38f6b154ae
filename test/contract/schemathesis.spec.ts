/** Schemathesis (PyPI), which knows nothing of this code, makes requests from the description alone and judges the answers by it. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { createWorld } from './world.js';

const SECONDS = 240;
const CONFIG = fileURLToPath(new URL('schemathesis.toml', import.meta.url));
const hasSchemathesis = spawnSync('schemathesis', ['--version']).error === undefined;
const describeWithSchemathesis = hasSchemathesis ? describe : describe.skip;

/** Ends with the status of the command and what it said. */
function run(command: string, args: readonly string[], cwd: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: SECONDS * 1000 });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, output });
    });
  });
}

describeWithSchemathesis('Schemathesis', () => {
  it(
    'finds no answer that the description does not promise',
    async () => {
      const { controller } = await createWorld();
      const folder = mkdtempSync(join(tmpdir(), 'datapath-schemathesis-'));
      try {
        const { code, output } = await run(
          'schemathesis',
          [
            `--config-file=${CONFIG}`,
            'run',
            `${controller.url}/openapi.json`,
            `--url=${controller.url}`,
            '--checks=all',
            // Selectors, cursors and instants have grammars that a schema can't express: what fits the schema may still be refused.
            '--exclude-checks=positive_data_acceptance',
            // It would wait for the end of a stream.
            '--exclude-path=/api/v1/stream',
            '--max-examples=20',
            '--seed=1',
            '--no-shrink',
            '--no-color',
            '--warnings=off',
          ],
          folder,
        );
        expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
        expect(output).toMatch(/Tested: 10\b/);
        expect(controller.logTail(Infinity)).not.toContain('A request failed');
      } finally {
        await controller.kill('SIGTERM');
        rmSync(folder, { recursive: true, force: true });
      }
    },
    SECONDS * 1000 + 60_000,
  );
});
