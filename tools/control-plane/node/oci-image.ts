/**
 * Packs files into an image archive without a daemon and without a registry: an OCI layout (image-spec 1.1) in a tar,
 * with the `manifest.json` of `docker save` beside it for older loaders. The same input gives the same bytes.
 */
import { createHash } from 'node:crypto';
import { tar, type TarEntry } from './tar.js';

export interface ImageDescription {
  /** The full name under which Pods ask for it, such as `local.test/busybox:1`. */
  readonly reference: string;
  /** Files by absolute path in the image; the folders above them are made. */
  readonly entries: readonly TarEntry[];
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  /** Variables beside PATH, as `NAME=value`. */
  readonly environment?: readonly string[];
  /** Such as `65532:65532`. Default: root. */
  readonly user?: string;
  readonly workingFolder?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** As Go names it: `amd64`, `arm64`. Default: this machine's. */
  readonly architecture?: string;
}

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly content: Buffer;
}

/** The archive and the digest of its manifest. */
export function packImage(image: ImageDescription): { readonly archive: Buffer; readonly digest: string } {
  const layer = blob('application/vnd.oci.image.layer.v1.tar', tar(withParents(image.entries)));
  const config = jsonBlob('application/vnd.oci.image.config.v1+json', {
    architecture: image.architecture ?? (process.arch === 'x64' ? 'amd64' : process.arch),
    os: 'linux',
    config: {
      Entrypoint: image.entrypoint,
      ...(image.command === undefined ? {} : { Cmd: image.command }),
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(image.environment ?? [])],
      ...(image.user === undefined ? {} : { User: image.user }),
      WorkingDir: image.workingFolder ?? '/',
      ...(image.labels === undefined ? {} : { Labels: image.labels }),
    },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created_by: 'packed from files' }],
  });
  const manifest = jsonBlob('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor(config),
    layers: [descriptor(layer)],
    ...(image.annotations === undefined ? {} : { annotations: image.annotations }),
  });
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        ...descriptor(manifest),
        annotations: {
          'io.containerd.image.name': image.reference,
          'org.opencontainers.image.ref.name': image.reference.replace(/^.*:/, ''),
        },
      },
    ],
  };
  const dockerManifest = [{ Config: blobPath(config), RepoTags: [image.reference], Layers: [blobPath(layer)] }];
  const json = (path: string, document: unknown): TarEntry => ({
    kind: 'file',
    path,
    mode: 0o644,
    content: Buffer.from(JSON.stringify(document)),
  });
  const archive = tar([
    { kind: 'folder', path: 'blobs', mode: 0o755 },
    { kind: 'folder', path: 'blobs/sha256', mode: 0o755 },
    ...[layer, config, manifest].map((each): TarEntry => ({
      kind: 'file',
      path: blobPath(each),
      mode: 0o644,
      content: each.content,
    })),
    json('index.json', index),
    json('manifest.json', dockerManifest),
    json('oci-layout', { imageLayoutVersion: '1.0.0' }),
  ]);
  return { archive, digest: manifest.digest };
}

/** Folders before what is in them, each once, everything in the order of its path. */
function withParents(entries: readonly TarEntry[]): readonly TarEntry[] {
  const all = new Map<string, TarEntry>();
  for (const entry of entries) {
    const path = entry.path.replace(/^\/+/, '');
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join('/');
      if (!all.has(folder)) all.set(folder, { kind: 'folder', path: folder, mode: 0o755 });
    }
    all.set(path, { ...entry, path });
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function blob(mediaType: string, content: Buffer): Blob {
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  return { mediaType, digest, size: content.length, content };
}

function jsonBlob(mediaType: string, document: unknown): Blob {
  return blob(mediaType, Buffer.from(JSON.stringify(document)));
}

const descriptor = ({ mediaType, digest, size }: Blob): Omit<Blob, 'content'> => ({ mediaType, digest, size });
const blobPath = ({ digest }: Blob): string => `blobs/${digest.replace(':', '/')}`;
