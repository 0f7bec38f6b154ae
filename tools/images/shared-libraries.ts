/** The shared libraries that a program needs, as this machine's dynamic linker finds them, with the packages they are from. */
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';

export interface SharedLibrary {
  /** Where the program looks for it: the path in the image. */
  readonly path: string;
  /** The file on this machine, links resolved. */
  readonly file: string;
  readonly package?: { readonly name: string; readonly version: string };
}

/** @throws Error when a library is missing here, or the machine's C library isn't glibc: the programs are built for that one */
export function sharedLibraries(programs: readonly string[]): readonly SharedLibrary[] {
  const found = new Map<string, SharedLibrary>();
  for (const program of programs) {
    const lines = execFileSync('ldd', [program], { encoding: 'utf8' }).split('\n');
    for (const line of lines) {
      if (line.includes('not found')) throw new Error(`${program} needs ${line.trim()}`);
      const path = /(?:=>\s+)?(\/\S+) \(0x/.exec(line)?.[1];
      if (path === undefined || found.has(path)) continue;
      const file = realpathSync(path);
      const from = debianPackage(path) ?? debianPackage(file);
      found.set(path, { path, file, ...(from === undefined ? {} : { package: from }) });
    }
  }
  if (![...found.keys()].some((path) => path.includes('/ld-linux'))) {
    throw new Error(
      'the images need the libraries of a machine with glibc, such as Debian; this one has another C library',
    );
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function debianPackage(path: string): SharedLibrary['package'] {
  // Where /lib is a link to /usr/lib the package may have registered either.
  for (const candidate of [path, `/usr${path}`, path.replace(/^\/usr/, '')]) {
    try {
      const owner = execFileSync('dpkg', ['-S', candidate], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      const name = owner.split(':')[0] ?? '';
      const version = execFileSync('dpkg-query', ['-W', '-f=${Version}\n', name], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      return { name, version: version.split('\n')[0] ?? '' };
    } catch {
      // Not registered under this path, or no Debian: the bill of materials then names the file alone.
    }
  }
  return undefined;
}
