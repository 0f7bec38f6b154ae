/** The images that `make images` made: the same bytes again, no root, labelled, and loadable by what people have. */
import { describe, expect, it } from '@jest/globals';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onPath } from '../../tools/control-plane/node/prerequisites.js';
import { ROOT } from '../../tools/controller/deployment.js';
import { IMAGES } from './cluster.js';

interface Packed {
  readonly name: string;
  readonly digest: string;
  readonly archive: string;
  readonly billOfMaterials: string;
}

interface Descriptor {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface ImageConfig {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Env: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
}

const names = ['datapath-controller', 'datapath-reporter'] as const;
const isMade = IMAGES.every((image) => existsSync(image));
if (!isMade) process.stderr.write('the images are skipped: "make images" has not made them\n');

const run = async (program: string, args: readonly string[]): Promise<string> =>
  (await promisify(execFile)(program, [...args], { cwd: ROOT, timeout: 120_000, maxBuffer: 1 << 26 })).stdout;
const member = (archive: string, path: string): Buffer =>
  execFileSync('tar', ['-xOf', archive, path], { maxBuffer: 1 << 28 });
const json = <T>(archive: string, path: string): T => JSON.parse(member(archive, path).toString('utf8')) as T;
const blob = (digest: string): string => `blobs/${digest.replace(':', '/')}`;
const pack = async (out: string): Promise<readonly Packed[]> =>
  JSON.parse(await run('node_modules/.bin/tsx', ['tools/images/main.ts', '--json', '--out', out])) as Packed[];

/** What the archive of `make images` says of itself. */
function configOf(name: string): ImageConfig {
  const archive = join(ROOT, `dist/images/${name}-0.1.0.tar`);
  const [entry] = json<{ manifests: Descriptor[] }>(archive, 'index.json').manifests;
  const manifest = json<{ config: Descriptor }>(archive, blob(entry?.digest ?? ''));
  return json<{ config: ImageConfig }>(archive, blob(manifest.config.digest)).config;
}

(isMade ? describe : describe.skip)('the images', () => {
  it('are the same when they are packed again, byte for byte', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'images-'));
    try {
      const [first, second] = [await pack(join(folder, '1')), await pack(join(folder, '2'))];
      expect(first.map(({ name }) => name)).toEqual(names);
      expect(second.map(({ digest }) => digest)).toEqual(first.map(({ digest }) => digest));
      for (const [i, { archive }] of first.entries()) {
        const sum = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
        expect(sum(second[i]?.archive ?? '')).toBe(sum(archive));
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 240_000);

  it.each(names)('%s is an OCI layout and a docker archive in one, with every digest true', (name) => {
    const archive = join(ROOT, `dist/images/${name}-0.1.0.tar`);
    const index = json<{ manifests: Descriptor[] }>(archive, 'index.json');
    const [entry] = index.manifests;
    expect(entry?.annotations).toEqual({
      'io.containerd.image.name': `docker.io/library/${name}:0.1.0`,
      'org.opencontainers.image.ref.name': '0.1.0',
    });
    const manifest = json<{ config: Descriptor; layers: Descriptor[] }>(archive, blob(entry?.digest ?? ''));
    for (const { digest } of [entry, manifest.config, ...manifest.layers] as Descriptor[]) {
      const content = member(archive, blob(digest));
      expect(`sha256:${createHash('sha256').update(content).digest('hex')}`).toBe(digest);
    }
    expect(json(archive, 'manifest.json')).toEqual([
      {
        Config: blob(manifest.config.digest),
        RepoTags: [`docker.io/library/${name}:0.1.0`],
        Layers: manifest.layers.map(({ digest }) => blob(digest)),
      },
    ]);
  });

  it.each(names)('%s runs as no root, says what it is, and carries its bill of materials', (name) => {
    const archive = join(ROOT, `dist/images/${name}-0.1.0.tar`);
    const [entry] = json<{ manifests: Descriptor[] }>(archive, 'index.json').manifests;
    const manifest = json<{ config: Descriptor; layers: Descriptor[]; annotations: Record<string, string> }>(
      archive,
      blob(entry?.digest ?? ''),
    );
    const { User, Labels } = configOf(name);
    expect(User).toBe('65532:65532');
    expect(Labels).toMatchObject({
      'org.opencontainers.image.title': expect.stringContaining(name.replace('datapath-', '')),
      'org.opencontainers.image.version': '0.1.0',
      'org.opencontainers.image.licenses': 'Apache-2.0',
    });
    const bill = readFileSync(archive.replace(/\.tar$/, '.cdx.json'));
    expect(manifest.annotations['observer.datapath.sbom.digest']).toBe(
      `sha256:${createHash('sha256').update(bill).digest('hex')}`,
    );
    const { bomFormat, components } = JSON.parse(bill.toString('utf8')) as {
      bomFormat: string;
      components: { name: string }[];
    };
    expect(bomFormat).toBe('CycloneDX');
    const listed = components.map((each) => each.name);
    expect(listed).toEqual(expect.arrayContaining(name === 'datapath-reporter' ? ['bun'] : ['node', '@nestjs/core']));
  });

  const buildah = onPath('buildah');
  if (buildah === undefined) process.stderr.write('the Containerfiles are skipped: this machine lacks buildah\n');

  (buildah === undefined || process.getuid?.() !== 0 ? it.skip : it).each(names)(
    '%s is built by buildah from its Containerfile as the archive is',
    async (name) => {
      const folder = mkdtempSync(join(tmpdir(), 'containerfile-'));
      const store = ['--storage-driver=vfs', `--root=${folder}/store`, `--runroot=${folder}/run`];
      const kind = name.replace('datapath-', '');
      try {
        const rootfs = join(folder, 'rootfs');
        const packing = ['tools/images/main.ts', '--only', kind, '--rootfs', '--out', rootfs];
        await run('node_modules/.bin/tsx', packing);
        const options = ['--isolation=chroot', '--target=from-folder', `--build-arg=ROOT=${name}`, `--tag=${name}`];
        await run(buildah ?? '', [...store, 'build', ...options, `--file=tools/images/Containerfile.${kind}`, rootfs]);
        const said = await run(buildah ?? '', [...store, 'inspect', '--type=image', name]);
        const { OCIv1 } = JSON.parse(said) as { OCIv1: { config: ImageConfig } };
        const { User, Entrypoint, Labels, Env } = configOf(name);
        expect(OCIv1.config).toMatchObject({ User, Entrypoint });
        expect(OCIv1.config.Env).toEqual(expect.arrayContaining(Env.filter((each) => !each.startsWith('PATH='))));
        for (const label of ['title', 'licenses'].map((each) => `org.opencontainers.image.${each}`)) {
          expect(OCIv1.config.Labels[label]).toBe(Labels[label]);
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    180_000,
  );
});
