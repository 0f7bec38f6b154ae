/** What is in an image, as a CycloneDX document (SBOM): the npm packages, and the programs and libraries beside it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SharedLibrary } from './shared-libraries.js';

export interface Component {
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly licenses?: readonly { readonly expression: string }[];
}

interface LockFile {
  readonly packages: Readonly<
    Record<
      string,
      { readonly version?: string; readonly dev?: boolean; readonly link?: boolean; readonly license?: string }
    >
  >;
}

/**
 * The npm packages of production, from the lock file. Not by `npm sbom --omit=dev`: it leaves out what a development dependency
 * needs too, such as @nestjs/core (npm 11).
 *
 * @param root the folder of package-lock.json
 */
export function npmComponents(root: string): readonly Component[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
  const components = new Map<string, Component>();
  for (const [path, { version, dev, link, license }] of Object.entries(packages)) {
    if (path === '' || version === undefined || dev === true || link === true) continue;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
    const licenses = license === undefined ? {} : { licenses: [{ expression: license }] };
    components.set(purl, { type: 'library', name, version, purl, ...licenses });
  }
  return [...components.values()];
}

export function libraryComponents(libraries: readonly SharedLibrary[]): readonly Component[] {
  const packages = new Map<string, Component>();
  for (const { path, package: from } of libraries) {
    if (from === undefined) packages.set(path, { type: 'file', name: path });
    else packages.set(from.name, { type: 'library', name: from.name, version: from.version, purl: debianUrl(from) });
  }
  return [...packages.values()];
}

/** The document; without a serial number and a date, so that the same content gives the same bytes. */
export function billOfMaterials(
  image: { readonly name: string; readonly version: string; readonly description: string },
  components: readonly Component[],
): Buffer {
  const sorted = [...components].sort((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1));
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'build' }],
      component: { type: 'container', licenses: [{ license: { id: 'Apache-2.0' } }], ...image },
    },
    components: sorted,
  };
  return Buffer.from(`${JSON.stringify(document, null, 1)}\n`);
}

function debianUrl({ name, version }: { readonly name: string; readonly version: string }): string {
  return `pkg:deb/debian/${name}@${encodeURIComponent(version)}`;
}
