/**
 * Builds one program from its pinned Go module. The binary appears under its final name only when it is complete, so
 * that a build that was cut off leaves nothing that a later one could take for a binary.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { versionOf, type Asset } from './asset-catalog.js';

/** Told what is going on, in whole sentences for people. */
export type Progress = (message: string) => void;

/** What the user has to do before a program can be built or found. The message is complete as it is. */
export class AssetsUnavailable extends Error {
  override readonly name = 'AssetsUnavailable';
}

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const tellEveryMs = 15_000;

/** Builds `asset` to `target`. @throws AssetsUnavailable without a fitting Go, or when the compiler fails. */
export async function build(asset: Asset, target: string, tell: Progress): Promise<void> {
  const started = performance.now();
  const elapsed = (): string => `${Math.round((performance.now() - started) / 1000)} s`;
  mkdirSync(dirname(target), { recursive: true });
  removeDrafts(target);
  const draft = `${target}.${process.pid}.draft`;
  tell(`${asset.name}: building ${asset.versionOf} ${versionOf(asset)} (about ${asset.coldBuildSeconds} s when cold)`);
  const ticker = setInterval(
    () => tell(`${asset.name}: still building, ${elapsed()} of about ${asset.coldBuildSeconds} s`),
    tellEveryMs,
  );
  try {
    await runGo(asset, draft);
    chmodSync(draft, 0o755);
    renameSync(draft, target);
  } finally {
    clearInterval(ticker);
    rmSync(draft, { force: true });
  }
  tell(`${asset.name}: built in ${elapsed()}`);
}

/** The arguments of `go build`: reproducible paths, no symbols, the version stamped in. */
export function buildArguments(asset: Asset, output: string): readonly string[] {
  const stamp = Object.entries(asset.stamp?.(versionOf(asset)) ?? {}).map(([key, value]) => `-X ${key}=${value}`);
  return [
    'build',
    '-mod=readonly',
    '-trimpath',
    ...(asset.tags === undefined ? [] : ['-tags', asset.tags]),
    '-ldflags',
    ['-s', '-w', ...stamp].join(' '),
    '-o',
    output,
    asset.package,
  ];
}

async function runGo(asset: Asset, output: string): Promise<void> {
  const go = spawn('go', buildArguments(asset, output), {
    cwd: asset.moduleFolder,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A compiler that outlives its impatient user would go on eating both cores.
  const endWithUs = (signal: NodeJS.Signals): void => {
    go.kill('SIGTERM');
    stopListening();
    process.kill(process.pid, signal);
  };
  const stopListening = (): void => endings.forEach((signal) => process.removeListener(signal, endWithUs));
  endings.forEach((signal) => process.on(signal, endWithUs));
  let said = '';
  const keep = (chunk: Buffer): void => {
    said = (said + chunk.toString('utf8')).slice(-8_192);
  };
  go.stdout.on('data', keep);
  go.stderr.on('data', keep);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      go.once('error', reject);
      go.once('close', resolve);
    });
    if (code !== 0) throw new AssetsUnavailable(explain(asset, said));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new AssetsUnavailable(
      `${asset.name} isn't built yet, and there is no "go" on the PATH to build it. Install Go ${goVersionOf(asset)} or newer ` +
        `(https://go.dev/dl/), or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl.`,
    );
  } finally {
    stopListening();
  }
}

function explain(asset: Asset, output: string): string {
  if (/requires go >= |GOTOOLCHAIN|toolchain not available/.test(output)) {
    return (
      `${asset.name} needs a newer Go than the one on the PATH: install Go ${goVersionOf(asset)} or newer (https://go.dev/dl/), ` +
      `or let Go fetch it with GOTOOLCHAIN=auto. Go says: ${output.trim()}`
    );
  }
  return `building ${asset.name} failed; in ${asset.moduleFolder}, go says:\n${output.trim()}`;
}

/** The Go that the module asks for in its `go` line. */
function goVersionOf(asset: Asset): string {
  const text = readFileSync(join(asset.moduleFolder, 'go.mod'), 'utf8');
  return /^go (\S+)$/m.exec(text)?.[1] ?? 'of a recent release';
}

/** What builds that were cut off have left. Only the holder of the cache's lock is here. */
function removeDrafts(target: string): void {
  const prefix = `${basename(target)}.`;
  for (const entry of readdirSync(dirname(target))) {
    if (entry.startsWith(prefix) && entry.endsWith('.draft')) rmSync(join(dirname(target), entry), { force: true });
  }
}
