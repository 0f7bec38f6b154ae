/** Compiles a program into an executable of its own by Bun, with the settings of the reporter. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;
const PLATFORMS: Readonly<Record<string, string>> = { x64: 'bun-linux-x64', arm64: 'bun-linux-aarch64' };
const SETTINGS = [
  '--compile',
  '--minify',
  '--bytecode',
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
];

/** @throws Error where there is no Bun for this platform, or it isn't installed, or it fails */
export function compileExecutable(entry: string, outfile: string): void {
  const platform = process.platform === 'linux' ? PLATFORMS[process.arch] : undefined;
  if (platform === undefined)
    throw new Error(`no build for ${process.platform} on ${process.arch}: Linux on x64 or arm64 is needed`);
  // The package's own program is put in place by an install script, which `npm ci --ignore-scripts` doesn't run.
  const bun = join(ROOT, 'node_modules/@oven', platform, 'bin/bun');
  if (!existsSync(bun)) throw new Error(`${bun} is missing: run "npm ci --ignore-scripts"`);
  execFileSync(bun, ['build', ...SETTINGS, entry, '--outfile', outfile], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
