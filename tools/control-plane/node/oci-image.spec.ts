import { execFileSync } from 'node:child_process';
import { packImage, type ImageDescription } from './oci-image.js';
import { tar, type TarEntry } from './tar.js';

const file = (path: string, content: string, mode = 0o644): TarEntry => ({
  kind: 'file',
  path,
  mode,
  content: Buffer.from(content),
});

const list = (archive: Buffer): string =>
  execFileSync('tar', ['--list', '--verbose', '--numeric-owner', '--utc', '-f', '-'], { input: archive }).toString();
const extract = (archive: Buffer, path: string): Buffer =>
  execFileSync('tar', ['--extract', '--to-stdout', '-f', '-', path], { input: archive });

describe('tar', () => {
  it('is read by the system with modes, owners, links and long paths, dated 1970', () => {
    const long = `${'d'.repeat(90)}/${'f'.repeat(90)}`;
    const archive = tar([
      { kind: 'folder', path: 'a', mode: 0o1777 },
      { ...file('a/b', 'content', 0o755), uid: 65_532, gid: 65_532 },
      { kind: 'link', path: 'a/c', mode: 0o777, target: '/a/b' },
      file(long, 'long'),
    ]);
    expect(list(archive).trim().split('\n')).toEqual([
      expect.stringMatching(/^drwxrwxrwt 0\/0 +0 1970-01-01 00:00 a\/$/),
      expect.stringMatching(/^-rwxr-xr-x 65532\/65532 +7 1970-01-01 00:00 a\/b$/),
      expect.stringMatching(/^lrwxrwxrwx 0\/0 +0 1970-01-01 00:00 a\/c -> \/a\/b$/),
      expect.stringContaining(long),
    ]);
    expect(extract(archive, 'a/b').toString()).toBe('content');
  });

  it('refuses a path that the format has no room for', () => {
    expect(() => tar([file('x'.repeat(101), '')])).toThrow(RangeError);
    expect(() => tar([file(`${'y'.repeat(156)}/z`, '')])).toThrow('too long for tar');
  });
});

describe('packImage', () => {
  const description: ImageDescription = {
    reference: 'local.test/app:7',
    entries: [file('/usr/bin/app', 'program', 0o755), file('/etc/config', 'x')],
    entrypoint: ['/usr/bin/app'],
    user: '65532:65532',
    labels: { 'org.opencontainers.image.title': 'app' },
    architecture: 'amd64',
  };

  it('gives the same bytes for the same input, in whatever order its files come', () => {
    const once = packImage(description);
    const again = packImage({ ...description, entries: description.entries.toReversed() });
    expect(again.digest).toBe(once.digest);
    expect(again.archive.equals(once.archive)).toBe(true);
    const other = packImage({ ...description, entries: [file('/usr/bin/app', 'program!', 0o755)] });
    expect(other.digest).not.toBe(once.digest);
  });

  it('holds a layout whose parts have the digests that they are named by', () => {
    const { archive, digest } = packImage(description);
    const json = <T>(path: string): T => JSON.parse(extract(archive, path).toString()) as T;
    const path = (name: string): string => `blobs/${name.replace(':', '/')}`;
    interface Descriptor {
      digest: string;
      size: number;
      annotations?: Record<string, string>;
    }
    const [entry] = json<{ manifests: Descriptor[] }>('index.json').manifests;
    expect(entry).toMatchObject({ digest, annotations: { 'io.containerd.image.name': 'local.test/app:7' } });
    const manifest = json<{ config: Descriptor; layers: Descriptor[] }>(path(digest));
    const config = json<{ config: object; rootfs: { diff_ids: string[] } }>(path(manifest.config.digest));
    expect(config).toMatchObject({
      config: { Entrypoint: ['/usr/bin/app'], User: '65532:65532' },
      rootfs: { diff_ids: [manifest.layers[0]?.digest] },
    });
    const layer = extract(archive, path(manifest.layers[0]?.digest ?? ''));
    expect(layer.length).toBe(manifest.layers[0]?.size);
    expect(list(layer).trim().split('\n')).toHaveLength(5);
    expect(json('manifest.json')).toEqual([
      {
        Config: path(manifest.config.digest),
        RepoTags: ['local.test/app:7'],
        Layers: [path(manifest.layers[0]?.digest ?? '')],
      },
    ]);
  });
});
