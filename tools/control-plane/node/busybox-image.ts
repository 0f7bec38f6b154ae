/** Images made of Debian's busybox-static: a shell with httpd, wget and nc for tests, and the sandbox of every Pod. */
import { readFileSync } from 'node:fs';
import { NodeUnavailable, onPath } from './prerequisites.js';
import { packImage } from './oci-image.js';
import type { TarEntry } from './tar.js';

export const pauseReference = 'local.test/pause:1';
export const busyboxReference = 'local.test/busybox:1';

function busybox(): TarEntry {
  const path = onPath('busybox');
  if (path === undefined) throw new NodeUnavailable('the Debian package busybox-static is missing');
  return { kind: 'file', path: 'bin/busybox', mode: 0o755, content: readFileSync(path) };
}

const text = (path: string, content: string): TarEntry => ({
  kind: 'file',
  path,
  mode: 0o644,
  content: Buffer.from(content),
});

/** The image of a Pod's sandbox: something that holds the namespaces and does nothing. */
export function pauseImage(): Buffer {
  return packImage({
    reference: pauseReference,
    entries: [busybox()],
    entrypoint: ['/bin/busybox', 'sleep', 'infinity'],
    user: '65535:65535',
  }).archive;
}

/** A shell and the usual tools. `/tmp` is writable; `/www` is empty. */
export function busyboxImage(): Buffer {
  const tools = ['sh', 'cat', 'date', 'echo', 'env', 'hostname', 'httpd', 'id', 'ip', 'kill', 'ls', 'mkdir', 'nc'];
  const more = ['nslookup', 'printf', 'ps', 'sleep', 'tail', 'test', 'touch', 'true', 'false', 'vi', 'wget', 'yes'];
  return packImage({
    reference: busyboxReference,
    entries: [
      busybox(),
      ...[...tools, ...more].map((tool): TarEntry => ({
        kind: 'link',
        path: `bin/${tool}`,
        mode: 0o777,
        target: '/bin/busybox',
      })),
      { kind: 'folder', path: 'tmp', mode: 0o1777 },
      { kind: 'folder', path: 'www', mode: 0o755 },
      text('etc/passwd', 'root:x:0:0:root:/:/bin/sh\n'),
      // A statically linked program crashes where it looks up a service or a host and finds no files for it.
      text('etc/services', 'domain 53/udp\nhttp 80/tcp\nhttps 443/tcp\n'),
      text('etc/nsswitch.conf', 'hosts: files dns\nservices: files\n'),
    ],
    entrypoint: ['/bin/sh'],
  }).archive;
}
