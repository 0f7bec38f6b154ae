/** Reads the manifest of a DatapathRun, and checks what can be checked without the API server. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { loadYaml } from '@kubernetes/client-node';
import { apiVersionOf } from '../modules/kube/resource-path.js';
import { DATAPATH_RUNS } from '../modules/runs/datapath-run.resource.js';
import type { DatapathRun } from '../modules/runs/datapath-run.schema.js';
import { UsageError } from './options.js';

const API_VERSION = apiVersionOf(DATAPATH_RUNS);

/** @param file a path, or `-` for standard input @throws UsageError that says what is wrong with it */
export async function readManifest(file: string): Promise<DatapathRun> {
  const where = file === '-' ? 'standard input' : file;
  let manifest: Partial<DatapathRun> | null | undefined;
  try {
    manifest = loadYaml<Partial<DatapathRun> | null | undefined>(await sourceOf(file));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${where} is no YAML with one document: ${messageOf(error)}`, { cause: error });
  }
  if (manifest?.kind !== DATAPATH_RUNS.kind || manifest.apiVersion !== API_VERSION) {
    const found = `${String(manifest?.kind)} of ${String(manifest?.apiVersion)}`;
    throw new UsageError(`${where} must hold one DatapathRun of ${API_VERSION}, it holds ${found}`);
  }
  if (typeof manifest.metadata?.name !== 'string') throw new UsageError(`${where}: metadata.name is missing`);
  return manifest as DatapathRun;
}

async function sourceOf(file: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`-f ${file} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
