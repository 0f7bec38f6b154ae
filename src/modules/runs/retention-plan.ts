/** Which results are deleted, for their age or since there are too many. Pure. */
import { isFinal } from '../../datapath/result-state.js';
import type { ResultTable } from '../../statistics/result-table.js';

export interface Retention {
  /** Milliseconds after the creation of its Pod that a result is kept; 0 keeps it for ever. */
  readonly ttlMs: number;
  /** Results that are kept at most; 0 keeps any number. */
  readonly maxResults: number;
}

/**
 * The uids of the Pods whose results go next, those created first before others. Only a result whose measurement is over and whose Pod is gone
 * goes: of a Pod that is still there another one would be made.
 *
 * @param going uids of those that are on their way already
 * @param podExists whether the Pod of a uid is still there
 * @param limit how many at most
 */
export function expiredResults(
  table: ResultTable,
  { ttlMs, maxResults }: Retention,
  going: ReadonlySet<string>,
  podExists: (uid: string) => boolean,
  nowMs: number,
  limit: number,
): string[] {
  let tooMany = maxResults === 0 ? 0 : table.size - going.size - maxResults;
  const bornBefore = ttlMs === 0 ? -Infinity : nowMs - ttlMs;
  const uids: string[] = [];
  const { slots, keys, length } = table.creationOrder();
  for (let i = 0; i < length && uids.length < limit; i++) {
    if (tooMany <= 0 && (keys[i] as number) >= bornBefore) break;
    const slot = slots[i] as number;
    const uid = table.uid(slot);
    if (!isFinal(table.outcome(slot)) || going.has(uid) || podExists(uid)) continue;
    uids.push(uid);
    tooMany--;
  }
  return uids;
}
