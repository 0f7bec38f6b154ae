/**
 * Finds the programs of a control plane, and builds what is missing.
 *
 * `KUBEBUILDER_ASSETS` comes first, as everywhere in the field. What it doesn't hold is looked up in the user's cache,
 * under a name made of the version and a hash of what the build depends on, so that checkouts share binaries and a
 * changed pin never finds an old one.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { build, buildArguments, AssetsUnavailable, type Progress } from './asset-builder.js';
import { assets, convention, versionOf, type Asset, type AssetName } from './asset-catalog.js';
import { takeBuildLock } from './build-lock.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The cache of this project: below `XDG_CACHE_HOME`, or `~/.cache`. */
export function cacheFolder(environment: Environment = process.env): string {
  const configured = environment['XDG_CACHE_HOME'];
  // The XDG specification: a relative path is invalid and to be ignored.
  const base = configured?.startsWith('/') ? configured : join(environment['HOME'] ?? homedir(), '.cache');
  return join(base, 'pod-datapath-readiness');
}

/** Where a built binary is kept: the folder's name changes with everything that its content depends on. */
export function cachedPath(asset: Asset, cache: string): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(asset.moduleFolder, file)));
  // Another asset of the same module must not land elsewhere because its package differs.
  hash.update([...buildArguments(asset, '').slice(0, -1), process.platform, process.arch].join(' '));
  const folder = `${basename(asset.moduleFolder)}-${versionOf(asset)}-${hash.digest('hex').slice(0, 12)}`;
  return join(cache, folder, asset.name);
}

/** Where an asset is now, or undefined when it has to be built. @throws AssetsUnavailable when KUBEBUILDER_ASSETS is set wrongly. */
export function find(name: AssetName, environment: Environment = process.env): string | undefined {
  const folder = environment['KUBEBUILDER_ASSETS'];
  if (folder !== undefined && folder !== '') {
    const path = join(folder, name);
    if (isExecutable(path)) return path;
    if ((convention as readonly string[]).includes(name)) {
      throw new AssetsUnavailable(
        `KUBEBUILDER_ASSETS is ${JSON.stringify(folder)}, but there is no executable ${name} in it. ` +
          `Set it to a folder with ${convention.join(', ')}, or unset it to have them built.`,
      );
    }
  }
  const cached = cachedPath(assets[name], cacheFolder(environment));
  return isExecutable(cached) ? cached : undefined;
}

/**
 * The path of every asset asked for, built where missing. Order counts: what is named first is built first.
 *
 * @throws AssetsUnavailable with what to install.
 */
export async function ensure<Name extends AssetName>(
  names: readonly Name[],
  tell: Progress,
  environment: Environment = process.env,
): Promise<Readonly<Record<Name, string>>> {
  const paths: Partial<Record<Name, string>> = {};
  for (const name of names) {
    paths[name] = find(name, environment) ?? (await ensureBuilt(assets[name], cacheFolder(environment), tell));
  }
  return paths as Record<Name, string>;
}

/** Builds one asset into the cache unless another builder has done so meanwhile. */
export async function ensureBuilt(asset: Asset, cache: string, tell: Progress): Promise<string> {
  const target = cachedPath(asset, cache);
  const lock = await takeBuildLock(join(cache, 'build.lock'), (holder) =>
    tell(`${asset.name}: waiting for the build of process ${holder.pid}`),
  );
  try {
    if (!isExecutable(target)) await build(asset, target, tell);
  } finally {
    lock.release();
  }
  return target;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
