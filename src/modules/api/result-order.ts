/** In which order results are listed. */
import { Injectable } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { Metric } from '../../datapath/vocabulary.js';
import type { ResultTable } from '../../statistics/result-table.js';
import { TopK } from '../../statistics/top-k.js';
import { Problem } from './problem.js';

export const SORTS = ['createdAt', 'name', 'timeToStart', 'timeToDatapathReady', 'datapathDelay'] as const;
export type SortKey = (typeof SORTS)[number];

export interface Sort {
  readonly by: SortKey;
  readonly descending: boolean;
}

export interface Page {
  /** Uids of results that were there when the page was made. */
  readonly uids: readonly string[];
  /** Where the next page begins, if there is more. */
  readonly next?: Place;
}

/** A place in a list that is kept. */
export interface ListPlace {
  readonly list: string;
  readonly at: number;
}

export type Place = FixedPlace | ListPlace;

/** Behind which result a page begins: its keys, so that it needn't be there any more. */
export interface FixedPlace {
  readonly createdMs: number;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * A page of the results that are marked, by a key that never changes: creation, or namespace and name. Whatever is written between
 * two pages, a result that was there all along comes exactly once.
 */
export function pageByFixedKey(
  table: ResultTable,
  marks: Uint8Array,
  { by, descending }: Sort,
  limit: number,
  after: FixedPlace | undefined,
): Page {
  const { createdMs } = table;
  const sign = descending ? -1 : 1;
  const byCreation = by === 'createdAt';
  const compare = (a: number, b: number): number => {
    if (!byCreation) return sign * table.compareNames(a, b);
    return sign * ((createdMs[a] as number) - (createdMs[b] as number) || compareText(table.uid(a), table.uid(b)));
  };
  const isBehind = (slot: number, place: FixedPlace): boolean => {
    const distance = byCreation
      ? (createdMs[slot] as number) - place.createdMs
      : compareText(table.text('namespace', slot) as string, place.namespace) ||
        compareText(table.name(slot), place.name);
    return sign * (distance || compareText(table.uid(slot), place.uid)) > 0;
  };
  const first = new TopK<number>(limit + 1, compare);
  for (let slot = 0; slot < marks.length; slot++) {
    if (marks[slot] === 1 && (after === undefined || isBehind(slot, after))) first.add(slot);
  }
  const slots = first.sorted();
  const shown = slots.slice(0, limit);
  const uids = shown.map((slot) => table.uid(slot));
  const last = shown.at(-1);
  return slots.length > limit && last !== undefined ? { uids, next: placeOf(table, last) } : { uids };
}

function placeOf(table: ResultTable, slot: number): FixedPlace {
  return {
    createdMs: table.createdMs[slot] as number,
    namespace: table.text('namespace', slot) as string,
    name: table.name(slot),
    uid: table.uid(slot),
  };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Milliseconds that a list is kept after it was last asked for. */
const KEEP_MS = 5 * 60_000;
/** Lists kept at most: each is a reference per result. */
const MAX_LISTS = 16;

interface KeptList {
  /** What was asked: a list answers that question alone, whatever a cursor claims. */
  readonly question: string;
  readonly uids: readonly string[];
  usedMs: number;
}

/**
 * Orders by a value that changes while a caller reads: kept as they were at the first page, so that the pages fit together. The
 * results themselves are shown as they are now. Ties come in the order in which they were first seen.
 */
@Injectable()
export class KeptLists {
  readonly #lists = new Map<string, KeptList>();

  /** The first page of results by a metric; those without a value come last. */
  first(
    table: ResultTable,
    marks: Uint8Array,
    { by, descending }: Sort,
    limit: number,
    question: string,
    nowMs: number,
  ): Page {
    const metric = by as Metric;
    const values = table.values(metric);
    const { slots, length } = table.order(metric);
    const uids: string[] = [];
    for (let i = 0; i < length; i++) {
      const slot = slots[descending ? length - 1 - i : i] as number;
      if (marks[slot] === 1) uids.push(table.uid(slot));
    }
    for (let slot = 0; slot < marks.length; slot++) {
      if (marks[slot] === 1 && Number.isNaN(values[slot])) uids.push(table.uid(slot));
    }
    if (uids.length <= limit) return { uids };
    this.#forgetOld(nowMs);
    const list = randomUUID();
    this.#lists.set(list, { question, uids, usedMs: nowMs });
    return { uids: uids.slice(0, limit), next: { list, at: limit } };
  }

  /** @throws Problem 410 where the list isn't kept any more, or another replica keeps it */
  next(list: string, at: number, limit: number, question: string, nowMs: number): Page {
    const kept = this.#lists.get(list);
    if (kept === undefined || kept.question !== question || nowMs - kept.usedMs > KEEP_MS) {
      throw new Problem(
        'cursor-expired',
        'The list behind this cursor is no longer kept; ask again for its first page',
      );
    }
    kept.usedMs = nowMs;
    const uids = kept.uids.slice(at, at + limit);
    return at + limit < kept.uids.length ? { uids, next: { list, at: at + limit } } : { uids };
  }

  /** Makes room for one more. */
  #forgetOld(nowMs: number): void {
    const byUse = [...this.#lists].toSorted(([, a], [, b]) => b.usedMs - a.usedMs);
    byUse.forEach(([list, { usedMs }], i) => {
      if (nowMs - usedMs > KEEP_MS || i >= MAX_LISTS - 1) this.#lists.delete(list);
    });
  }
}
