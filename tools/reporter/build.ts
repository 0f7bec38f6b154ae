/**
 * Makes the reporter's executable of the image: `dist/datapath-reporter` by Bun, and beside it `dist/datapath-idle`, the static program
 * that it becomes once it has reported. Run by `npm run build:reporter:bun`; Linux on x64 or arm64, with a C compiler.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;
const PLATFORMS: Readonly<Record<string, string>> = { x64: 'bun-linux-x64', arm64: 'bun-linux-aarch64' };

function main(): void {
  const platform = process.platform === 'linux' ? PLATFORMS[process.arch] : undefined;
  if (platform === undefined)
    fail(`no build for ${process.platform} on ${process.arch}: Linux on x64 or arm64 is needed`);
  // The package's own program is put in place by an install script, which `npm ci --ignore-scripts` doesn't run.
  const bun = join(ROOT, 'node_modules/@oven', platform, 'bin/bun');
  if (!existsSync(bun)) fail(`${bun} is missing: run "npm ci --ignore-scripts"`);
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  const executable = join(ROOT, 'dist/datapath-reporter');
  const settings = [
    '--compile',
    '--minify',
    '--bytecode',
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
  ];
  run(bun, ['build', ...settings, join(ROOT, 'src/reporter/main.ts'), '--outfile', executable]);
  tell(executable);
  const idle = join(ROOT, 'dist/datapath-idle');
  run(process.env['CC'] ?? 'cc', ['-static', '-Os', '-s', '-Wall', '-o', idle, join(ROOT, 'src/reporter/idle.c')]);
  tell(idle);
}

function run(program: string, args: readonly string[]): void {
  try {
    execFileSync(program, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (error) {
    fail(`${program} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function tell(file: string): void {
  console.log(`${file} ${(statSync(file).size / 1e6).toFixed(1)} MB`);
}

function fail(message: string): never {
  console.error(`build: ${message}`);
  process.exit(1);
}

main();
