/**
 * What a reporter leaves for its successor in the same sandbox: a file in `/dev/shm`, which outlives the container, not the Pod. All
 * containers of the Pod can write there, so it is checked as foreign input, and what doesn't fit is forgotten.
 */
import { decodeReport, encodeReport } from '../datapath/report.js';
import type { Report } from '../datapath/report.js';
import type { Files } from './files.js';
import { isRecord } from './json.js';
import { messageOf } from './log.js';

export interface Memory {
  readonly report: Report;
  /** Start of the first process since the machine's boot, milliseconds. */
  readonly startUptimeMs: number;
  /** Whether a reporter here has ended of its own accord with status 0. */
  readonly completed: boolean;
}

/**
 * One file per Pod and set of targets: several reporters don't disturb each other, a restarted one finds its own.
 *
 * @param key names both
 */
export function memoryPath(dir: string, key: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return `${dir}/datapath-reporter-${(hash >>> 0).toString(16).padStart(8, '0')}.json`;
}

/**
 * @param uptimeMs of now: a memory of the future is none, since it belongs to another boot
 * @param uid a memory of another Pod is none
 */
export function recall(files: Files, path: string, uptimeMs: number, uid: string | undefined): Memory | undefined {
  const text = files.read(path, { follow: false });
  return text === undefined ? undefined : decodeMemory(text, uptimeMs, uid);
}

export function decodeMemory(text: string, uptimeMs: number, uid: string | undefined): Memory | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Cut short or foreign: as good as nothing remembered.
    return undefined;
  }
  if (!isRecord(json)) return undefined;
  const { report: encoded, startUptimeMs, completed } = json;
  if (typeof encoded !== 'string' || typeof startUptimeMs !== 'number' || !Number.isSafeInteger(startUptimeMs))
    return undefined;
  const decoded = decodeReport(encoded);
  if (!('report' in decoded)) return undefined;
  const { report } = decoded;
  const isForeign = uid !== undefined && report.uid !== undefined && report.uid !== uid;
  if (isForeign || startUptimeMs < 0 || startUptimeMs > uptimeMs) return undefined;
  return { report, startUptimeMs, completed: completed === true };
}

export function encodeMemory(memory: Memory): string {
  const { report, startUptimeMs, completed } = memory;
  return JSON.stringify({ report: encodeReport(report), startUptimeMs, completed });
}

/** @returns why it couldn't be kept */
export function remember(files: Files, path: string, memory: Memory): string | undefined {
  try {
    files.replace(path, encodeMemory(memory));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
