/** What is in each image, file by file. Nothing else is: no shell, no package manager, no certificates but the runtime's own. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import type { TarEntry } from '../control-plane/node/tar.js';
import { billOfMaterials, libraryComponents, npmComponents } from './bill-of-materials.js';
import type { Component } from './bill-of-materials.js';
import { NODE_VERSION, nodeBinary } from './node-binary.js';
import { sharedLibraries } from './shared-libraries.js';

export interface ImageContents {
  /** `datapath-controller`, as the manifests name it. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly entries: readonly TarEntry[];
  readonly entrypoint: readonly string[];
  readonly environment?: readonly string[];
  readonly billOfMaterials: Buffer;
}

/** The user of both images; the same that the manifests set. */
export const USER = '65532:65532';

/** How the controller's Node.js is started: see docs/performance.md for what each flag brings. */
export const CONTROLLER_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=4', '--heap-growing-percent=25'];

/** What the controller's C library is told: see docs/performance.md. */
export const CONTROLLER_ENVIRONMENT: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/** Where the bill of materials is in each image. */
export const BILL_PATH = '/usr/share/sbom/sbom.cdx.json';

/**
 * The controller: Node.js, one bundle, the files that it serves, and the command for pipelines.
 *
 * @param root the checkout, compiled (`npm run build`)
 * @throws Error when something isn't built
 */
export function controllerContents(root: string, version: string, tell: (message: string) => void): ImageContents {
  const bundle = built(join(root, 'dist/datapath-controller.js'), 'npm run build');
  const node = nodeBinary(tell);
  const libraries = sharedLibraries([node]);
  const identity = {
    name: 'datapath-controller',
    title: 'Pod datapath readiness: controller',
    description: 'Measures how long Pods take until their workload starts and their datapath works',
  };
  const bill = billOfMaterials({ name: identity.name, version, description: identity.description }, [
    ...npmComponents(root),
    { type: 'application', name: 'node', version: NODE_VERSION, purl: `pkg:generic/node@${NODE_VERSION}` },
    ...libraryComponents(libraries),
  ]);
  return {
    ...identity,
    entrypoint: ['/usr/local/bin/node', ...CONTROLLER_NODE_FLAGS, '/app/dist/datapath-controller.js'],
    environment: Object.entries(CONTROLLER_ENVIRONMENT).map(([name, value]) => `${name}=${value}`),
    billOfMaterials: bill,
    entries: [
      file('usr/local/bin/node', readFileSync(node), 0o755),
      file('app/package.json', `${JSON.stringify({ name: identity.name, version, type: 'module' })}\n`),
      file('app/dist/datapath-controller.js', readFileSync(bundle)),
      // The licences of what is bundled.
      file('app/dist/datapath-controller.js.LEGAL.txt', readFileSync(`${bundle}.LEGAL.txt`)),
      file('usr/local/bin/datapath-run', pipelineCommand(root), 0o755),
      ...folder(join(root, 'dist/viewer'), 'app/dist/viewer'),
      ...folder(join(root, 'dist/ui'), 'app/dist/ui'),
      ...libraries.map(({ path, file: source }) => file(path, readFileSync(source), 0o755)),
      ...common(root, bill),
    ],
  };
}

/**
 * The reporter: one executable, the C library it needs, and the tiny static program that it becomes once it has reported.
 *
 * @param root the checkout, its reporter compiled (`npm run build:reporter:bun`)
 * @throws Error when something isn't built
 */
export function reporterContents(root: string, version: string): ImageContents {
  const remedy = 'npm run build:reporter:bun';
  const reporter = built(join(root, 'dist/datapath-reporter'), remedy);
  const idle = built(join(root, 'dist/datapath-idle'), remedy);
  const libraries = sharedLibraries([reporter]);
  const identity = {
    name: 'datapath-reporter',
    title: 'Pod datapath readiness: reporter',
    description: "Tells when its Pod started and when the Pod's network first worked",
  };
  const bill = billOfMaterials({ name: identity.name, version, description: identity.description }, [
    bunComponent(root),
    ...libraryComponents(libraries),
  ]);
  return {
    ...identity,
    entrypoint: ['/usr/local/bin/datapath-reporter'],
    billOfMaterials: bill,
    entries: [
      file('usr/local/bin/datapath-reporter', readFileSync(reporter), 0o755),
      file('usr/local/bin/datapath-idle', readFileSync(idle), 0o755),
      ...libraries.map(({ path, file: source }) => file(path, readFileSync(source), 0o755)),
      ...common(root, bill),
    ],
  };
}

/** The command for pipelines, started by the image's own Node.js: there is no /usr/bin/env in it. Its licences are among the controller's. */
function pipelineCommand(root: string): string {
  const bundle = readFileSync(built(join(root, 'dist/datapath-run.js'), 'npm run build'), 'utf8');
  return bundle.replace(/^#!.*\n/, '#!/usr/local/bin/node\n');
}

function common(root: string, bill: Buffer): readonly TarEntry[] {
  return [
    file('etc/passwd', 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n'),
    file('etc/group', 'root:x:0:\nnonroot:x:65532:\n'),
    // Without it the C library asks DNS first, and localhost isn't found in /etc/hosts.
    file('etc/nsswitch.conf', 'hosts: files dns\n'),
    file('LICENSE', readFileSync(join(root, 'LICENSE'))),
    file(BILL_PATH, bill),
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
  ];
}

function bunComponent(root: string): Component {
  const require = createRequire(join(root, 'package.json'));
  const { version } = require('bun/package.json') as { version: string };
  return { type: 'application', name: 'bun', version, purl: `pkg:npm/bun@${version}` };
}

function built(path: string, remedy: string): string {
  if (!existsSync(path)) throw new Error(`${path} isn't built: run "${remedy}"`);
  return path;
}

function file(path: string, content: Buffer | string, mode = 0o644): TarEntry {
  return { kind: 'file', path, mode, content: typeof content === 'string' ? Buffer.from(content) : content };
}

/** The files of a folder, below another path; none where there is no such folder. */
function folder(source: string, target: string): readonly TarEntry[] {
  if (!existsSync(source)) return [];
  return readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name))
    .map((path) => file(join(target, relative(source, path)), readFileSync(path)));
}
