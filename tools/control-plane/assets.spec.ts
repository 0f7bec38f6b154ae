import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { AssetsUnavailable } from './asset-builder.js';
import { assets, versionOf, type Asset } from './asset-catalog.js';
import { cacheFolder, cachedPath, ensureBuilt, find } from './assets.js';

const hasGo = spawnSync('go', ['version']).status === 0;
const withGo = hasGo ? it : it.skip;

describe('assets', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'assets-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A module whose build takes a moment instead of minutes. */
  function smallAsset(goVersion = '1.20', source = 'package main\n\nfunc main() { println("hello") }\n'): Asset {
    const moduleFolder = join(folder, 'module');
    mkdirSync(moduleFolder, { recursive: true });
    writeFileSync(join(moduleFolder, 'go.sum'), '');
    writeFileSync(join(moduleFolder, 'main.go'), source);
    writeFileSync(
      join(moduleFolder, 'go.mod'),
      `module small.test\n\ngo ${goVersion}\n\nreplace other.test v1.2.3 => ./none\n`,
    );
    return { name: 'small', moduleFolder, versionOf: 'replace other.test', package: 'small.test', coldBuildSeconds: 1 };
  }

  it('pins the versions that the documentation names', () => {
    expect(versionOf(assets['kube-apiserver'])).toBe('v1.37.2');
    expect(versionOf(assets.etcd)).toBe('v3.7.3');
    expect(versionOf(assets.kwok)).toBe('v0.8.0');
    expect(versionOf(assets.coredns)).toBe('v1.15.0');
  });

  it('keeps the programs of one module together and changes the folder with what they depend on', () => {
    const cache = join(folder, 'cache');
    expect(dirname(cachedPath(assets.kubectl, cache))).toBe(dirname(cachedPath(assets['kube-apiserver'], cache)));
    const before = cachedPath(smallAsset(), cache);
    expect(cachedPath(smallAsset('1.21'), cache)).not.toBe(before);
    expect(cachedPath({ ...smallAsset(), tags: 'other' }, cache)).not.toBe(before);
  });

  it('uses the cache of XDG unless its path is relative', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/elsewhere', HOME: '/home/a' })).toBe('/elsewhere/pod-datapath-readiness');
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative', HOME: '/home/a' })).toBe('/home/a/.cache/pod-datapath-readiness');
  });

  it('takes KUBEBUILDER_ASSETS first, and says what is missing in it', () => {
    const environment = { KUBEBUILDER_ASSETS: folder, HOME: folder };
    expect(() => find('kubectl', environment)).toThrow(AssetsUnavailable);
    expect(() => find('kubectl', environment)).toThrow(`but there is no executable kubectl in it`);
    writeFileSync(join(folder, 'kubectl'), '#!/bin/sh\n');
    chmodSync(join(folder, 'kubectl'), 0o755);
    expect(find('kubectl', environment)).toBe(join(folder, 'kubectl'));
    // The convention knows nothing of it: it is built.
    expect(find('kube-scheduler', environment)).toBeUndefined();
  });

  withGo('builds what is missing, and heals what an interrupted build has left', async () => {
    const asset = smallAsset();
    const cache = join(folder, 'cache');
    const target = cachedPath(asset, cache);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(`${target}.4194305.draft`, 'half a binary');
    writeFileSync(join(cache, 'build.lock'), JSON.stringify({ pid: 4_194_305, startTime: '1' }));
    const told: string[] = [];
    expect(await ensureBuilt(asset, cache, (message) => told.push(message))).toBe(target);
    expect(spawnSync(target).stderr.toString()).toBe('hello\n');
    expect(readdirSync(dirname(target))).toEqual(['small']);
    expect(existsSync(join(cache, 'build.lock'))).toBe(false);
    expect(told.map((message) => message.replace(/\d+ s$/, 'N s'))).toEqual([
      'small: building replace other.test v1.2.3 (about 1 s when cold)',
      'small: built in N s',
    ]);
  });

  withGo('leaves nothing behind when the compiler fails, and says what it said', async () => {
    const asset = smallAsset('1.20', 'package main\n\nfunc main() { nonsense() }\n');
    const cache = join(folder, 'cache');
    await expect(ensureBuilt(asset, cache, () => undefined)).rejects.toThrow('undefined: nonsense');
    expect(readdirSync(dirname(cachedPath(asset, cache)))).toEqual([]);
    expect(existsSync(join(cache, 'build.lock'))).toBe(false);
  });

  withGo('asks for a newer Go where the one at hand is too old', async () => {
    const before = process.env['GOTOOLCHAIN'];
    process.env['GOTOOLCHAIN'] = 'local';
    try {
      const build = ensureBuilt(smallAsset('1.999.0'), join(folder, 'cache'), () => undefined);
      await expect(build).rejects.toThrow('small needs a newer Go than the one on the PATH: install Go 1.999.0');
    } finally {
      if (before === undefined) delete process.env['GOTOOLCHAIN'];
      else process.env['GOTOOLCHAIN'] = before;
    }
  });

  it('says what to install where there is no Go', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = join(folder, 'nothing');
    try {
      const build = ensureBuilt(smallAsset(), join(folder, 'cache'), () => undefined);
      await expect(build).rejects.toThrow(/there is no "go" on the PATH to build it\. Install Go 1\.20 or newer/);
    } finally {
      process.env['PATH'] = path;
    }
  });

  withGo('lets two builders at once end with one binary', async () => {
    const asset = smallAsset();
    const cache = join(folder, 'cache');
    const told: string[] = [];
    const both = [1, 2].map(() => ensureBuilt(asset, cache, (message) => told.push(message)));
    const [first, second] = await Promise.all(both);
    expect(first).toBe(second);
    expect(told.filter((message) => message.includes('built in'))).toHaveLength(1);
    expect(
      execFileSync('sh', ['-c', `"${first}" 2>&1`], { env: { PATH: `/bin${delimiter}/usr/bin` } }).toString(),
    ).toBe('hello\n');
  });
});
