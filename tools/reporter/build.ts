/**
 * Makes the reporter's executable of the image: `dist/datapath-reporter` by Bun, and beside it `dist/datapath-idle`, the static program
 * that it becomes once it has reported. Run by `npm run build:reporter:bun`; Linux on x64 or arm64, with a C compiler.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compileExecutable } from './compile.js';

const ROOT = new URL('../..', import.meta.url).pathname;

function main(): void {
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  const executable = join(ROOT, 'dist/datapath-reporter');
  compileExecutable(join(ROOT, 'src/reporter/main.ts'), executable);
  tell(executable);
  const idle = join(ROOT, 'dist/datapath-idle');
  const settings = ['-static', '-Os', '-s', '-Wall', '-o', idle, join(ROOT, 'src/reporter/idle.c')];
  execFileSync(process.env['CC'] ?? 'cc', settings, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  tell(idle);
}

function tell(file: string): void {
  console.log(`${file} ${(statSync(file).size / 1e6).toFixed(1)} MB`);
}

try {
  main();
} catch (error) {
  console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
