/** Into which groups the results of a question fall. */
import { FAILURE_CLASSES } from '../datapath/vocabulary.js';
import type { LabelValues } from './label-table.js';
import type { ResultTable } from './result-table.js';
import { TopK } from './top-k.js';

/** How many groups an answer has at most; those with the most results are kept. */
export const MAX_GROUPS = 1000;

/** By what results are grouped. */
export type GroupKey = 'node' | 'namespace' | 'owner' | 'run' | 'zone' | 'failureClass' | `label:${string}`;

/** The label with which Kubernetes names the zone of a Pod's node on the Pod (KEP-4742). */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';

export interface Grouping {
  /** Per slot: the group, or -1 for a result that isn't asked about or whose group isn't shown. */
  readonly groupOf: Int32Array;
  /** Largest group first, ties by key; `null` for results that lack what is grouped by. */
  readonly keys: readonly (string | null)[];
  /** How many groups there are, shown or not. */
  readonly count: number;
}

/**
 * @param marks one byte per slot, 1 for the results asked about
 * @param groupOf room for as many numbers, which the answer uses
 */
export function groupResults(
  table: ResultTable,
  marks: Uint8Array,
  groupBy: GroupKey,
  groupOf: Int32Array = new Int32Array(marks.length),
): Grouping {
  const limit = marks.length;
  const { fill, text, limit: valueLimit } = groupValues(table, groupBy);
  fill(groupOf, limit);

  const counts = new Int32Array(valueLimit);
  for (let slot = 0; slot < limit; slot++) {
    const value = groupOf[slot] as number;
    counts[value] = (counts[value] as number) + (marks[slot] as number);
  }
  let count = 0;
  const largest = new TopK<number>(MAX_GROUPS, (a, b) => {
    const bySize = (counts[b] as number) - (counts[a] as number);
    if (bySize !== 0) return bySize;
    const [keyA, keyB] = [text(a), text(b)];
    // A label may be there and empty: that is another group than those that lack it.
    if (keyA === undefined || keyB === undefined) return keyA === keyB ? 0 : keyA === undefined ? -1 : 1;
    return keyA < keyB ? -1 : keyA === keyB ? 0 : 1;
  });
  for (let value = 0; value < valueLimit; value++) {
    if (counts[value] === 0) continue;
    count++;
    largest.add(value);
  }
  const shown = largest.sorted();
  const groupOfValue = new Int32Array(valueLimit).fill(-1);
  shown.forEach((value, group) => {
    groupOfValue[value] = group;
  });
  for (let slot = 0; slot < limit; slot++) {
    groupOf[slot] = marks[slot] === 0 ? -1 : (groupOfValue[groupOf[slot] as number] as number);
  }
  return { groupOf, keys: shown.map((value) => text(value) ?? null), count };
}

function groupValues(table: ResultTable, groupBy: GroupKey): LabelValues {
  switch (groupBy) {
    case 'node':
    case 'namespace':
    case 'owner':
    case 'run': {
      const { texts, numbers } = table.column(groupBy);
      return {
        fill: (to, limit) => {
          to.set(numbers.subarray(0, limit));
        },
        text: (value) => texts.text(value),
        limit: texts.limit,
      };
    }
    case 'failureClass': {
      const classes = table.failureClasses;
      return {
        fill: (to, limit) => {
          for (let slot = 0; slot < limit; slot++) to[slot] = classes[slot] as number;
        },
        text: (value) => FAILURE_CLASSES[value - 1],
        limit: FAILURE_CLASSES.length + 1,
      };
    }
    case 'zone':
      return table.labels.values(ZONE_LABEL);
    default:
      return table.labels.values(groupBy.slice('label:'.length));
  }
}
