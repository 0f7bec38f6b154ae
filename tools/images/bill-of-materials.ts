/** What is in an image, as a CycloneDX document (SBOM): npm's list of the packages, and the programs and libraries beside it. */
import { execFileSync } from 'node:child_process';
import type { SharedLibrary } from './shared-libraries.js';

export interface Component {
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
}

interface Document {
  readonly components?: readonly Component[];
  readonly dependencies?: readonly unknown[];
}

/**
 * @param root the folder of package.json
 * @returns the npm packages of production, as `npm sbom` lists them
 */
export function npmComponents(root: string): readonly Component[] {
  const said = execFileSync('npm', ['sbom', '--sbom-format=cyclonedx', '--omit=dev', '--package-lock-only'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: 'pipe',
  });
  return (JSON.parse(said) as Document).components ?? [];
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
