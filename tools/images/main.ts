/** `make images`: packs the controller and the reporter into image archives, without a registry and without a daemon. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { packImage } from '../control-plane/node/oci-image.js';
import { BILL_PATH, controllerContents, reporterContents, USER } from './image-contents.js';
import type { ImageContents } from './image-contents.js';

const ROOT = resolve(import.meta.dirname, '../..');

const HELP = `Packs the images of the controller and the reporter, without a registry and without a daemon.

Usage: make images
   or: npx tsx tools/images/main.ts [--only controller|reporter] [--out FOLDER] [--rootfs] [--json]

  --only NAME   one of the two
  --out FOLDER  where the archives go (default dist/images)
  --rootfs      write the files of the image into FOLDER/NAME instead of an archive, for a Containerfile
  --json        print what was made as JSON

An archive is an OCI layout with the manifest.json of "docker save": docker load, podman load, kind load image-archive and
ctr images import take it. The same checkout, machine libraries and compiler give the same digest.
`;

interface Packed {
  readonly name: string;
  readonly reference: string;
  readonly digest: string;
  readonly archive: string;
  readonly billOfMaterials: string;
  readonly bytes: number;
  /** What a registry would store and a node would fetch. */
  readonly compressedBytes: number;
}

function run(): void {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      out: { type: 'string', default: join(ROOT, 'dist/images') },
      rootfs: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const { only } = values;
  if (only !== undefined && only !== 'controller' && only !== 'reporter') {
    throw new Error(`--only is ${JSON.stringify(only)}, must be controller or reporter`);
  }
  const tell = (message: string): void => void process.stderr.write(`images: ${message}\n`);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const contents: ImageContents[] = [];
  if (only !== 'reporter') contents.push(controllerContents(ROOT, version, tell));
  if (only !== 'controller') contents.push(reporterContents(ROOT, version));
  mkdirSync(values.out, { recursive: true });
  if (values.rootfs) {
    for (const image of contents) writeRootfs(image, join(values.out, image.name));
    return;
  }
  const packed = contents.map((image) => pack(image, version, values.out));
  process.stdout.write(values.json ? `${JSON.stringify(packed)}\n` : table(packed));
}

function pack(image: ImageContents, version: string, out: string): Packed {
  // The full form: containerd keeps names as they are, and the kubelet asks for this one.
  const reference = `docker.io/library/${image.name}:${version}`;
  const billDigest = `sha256:${createHash('sha256').update(image.billOfMaterials).digest('hex')}`;
  const labels = {
    'org.opencontainers.image.title': image.title,
    'org.opencontainers.image.description': image.description,
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.vendor': 'datapath.observer',
    ...revision(),
  };
  const { archive, digest } = packImage({
    reference,
    entries: image.entries,
    entrypoint: image.entrypoint,
    environment: image.environment ?? [],
    user: USER,
    labels,
    annotations: { ...labels, 'observer.datapath.sbom.path': BILL_PATH, 'observer.datapath.sbom.digest': billDigest },
  });
  const path = join(out, `${image.name}-${version}.tar`);
  const billOfMaterials = join(out, `${image.name}-${version}.cdx.json`);
  writeFileSync(path, archive);
  writeFileSync(billOfMaterials, image.billOfMaterials);
  return {
    name: image.name,
    reference,
    digest,
    archive: path,
    billOfMaterials,
    bytes: archive.length,
    compressedBytes: gzipSync(archive, { level: 6 }).length,
  };
}

/** The commit, where this is a checkout and git is there. */
function revision(): Readonly<Record<string, string>> {
  try {
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
    return { 'org.opencontainers.image.revision': commit };
  } catch {
    // An archive of the sources has no commit to tell.
    return {};
  }
}

function writeRootfs(image: ImageContents, target: string): void {
  rmSync(target, { recursive: true, force: true });
  for (const entry of image.entries) {
    const path = join(target, entry.path);
    if (entry.kind === 'link') continue;
    mkdirSync(entry.kind === 'folder' ? path : dirname(path), { recursive: true });
    if (entry.kind === 'file') writeFileSync(path, entry.content);
    chmodSync(path, entry.mode);
  }
}

function table(packed: readonly Packed[]): string {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  return packed
    .map((each) =>
      [
        each.reference,
        `  digest   ${each.digest}`,
        `  archive  ${each.archive} (${megabytes(each.bytes)}, ${megabytes(each.compressedBytes)} compressed)`,
        `  SBOM     ${each.billOfMaterials}`,
        '',
      ].join('\n'),
    )
    .join('');
}

try {
  run();
} catch (error) {
  process.stderr.write(`images: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
