/** A copy of the controller's sources with one fault in it, compiled by itself. */
import { transform } from '@swc/core';
import { cp, mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '../controller/deployment.js';
import type { Mutation } from './mutations.js';

export interface Mutant {
  readonly folder: string;
  /** What `node` runs. */
  readonly script: string;
}

/**
 * Nothing outside the copy is touched. Types aren't checked: a mutation is as small as it can be, and often leaves something unused.
 *
 * @param mutation without one the copy is the code as it is
 * @throws Error when the place of the mutation isn't there exactly once
 */
export async function makeMutant(mutation: Mutation | undefined): Promise<Mutant> {
  const folder = await mkdtemp(join(tmpdir(), 'datapath-mutant-'));
  await cp(join(ROOT, 'src'), join(folder, 'src'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  if (mutation !== undefined) await mutate(folder, mutation);
  for (const file of await readdir(join(folder, 'src'), { recursive: true })) {
    const isSource = file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.startsWith('reporter/');
    if (isSource) await compile(join(folder, 'src', file), join(folder, 'dist', file.replace(/\.ts$/, '.js')));
  }
  return { folder, script: join(folder, 'dist/main.js') };
}

async function mutate(folder: string, { file, search, replace }: Mutation): Promise<void> {
  const path = join(folder, file);
  const parts = (await readFile(path, 'utf8')).split(search);
  if (parts.length !== 2) {
    throw new Error(
      `${file} has ${parts.length - 1} times, not once: ${JSON.stringify(search)}; the mutation must follow`,
    );
  }
  await writeFile(path, parts.join(replace));
}

async function compile(from: string, to: string): Promise<void> {
  const { code } = await transform(await readFile(from, 'utf8'), {
    filename: from,
    module: { type: 'es6' },
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
  });
  await mkdir(dirname(to), { recursive: true });
  await writeFile(to, code);
}
