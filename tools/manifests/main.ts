/**
 * `npm run manifests` writes the generated files; `npm run manifests -- --check` changes nothing and fails, with the difference,
 * where one isn't what its source makes of it.
 *
 * Exit status: 0 done; 1 a file drifted; 2 a wrong argument.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from './generated-files.js';
import { lineDiff } from './line-diff.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg !== '--check');
  if (unknown !== undefined) {
    process.stderr.write(`unknown argument ${JSON.stringify(unknown)}; usage: npm run manifests [-- --check]\n`);
    return 2;
  }
  const check = args.includes('--check');
  let drifted = 0;
  for (const { file, content } of generatedFiles) {
    const wanted = await content();
    const present = await readFile(join(ROOT, file), 'utf8').catch(ignoreMissing);
    if (present === wanted) {
      process.stderr.write(`unchanged ${file}\n`);
    } else if (check) {
      drifted++;
      process.stderr.write(
        present === undefined ? `missing ${file}\n` : `drifted ${file}\n${lineDiff(present, wanted)}\n`,
      );
    } else {
      await mkdir(dirname(join(ROOT, file)), { recursive: true });
      await writeFile(join(ROOT, file), wanted);
      process.stderr.write(`written ${file}\n`);
    }
  }
  if (drifted > 0) process.stderr.write(`${drifted} generated file(s) drifted: run "make manifests" and commit\n`);
  return drifted > 0 ? 1 : 0;
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}

process.exitCode = await main(process.argv.slice(2));
