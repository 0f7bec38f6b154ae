/** Which results an answer is about. */
import { FAILURE_CLASSES, OUTCOMES } from '../datapath/vocabulary.js';
import type { FailureClass, Outcome } from '../datapath/vocabulary.js';
import type { LabelSelector } from './label-selector.js';
import { VACANT } from './result-table.js';
import type { ResultTable, TextColumn } from './result-table.js';

/** All that is given must hold; a list holds where one of its members does. */
export interface ResultFilter {
  readonly namespaces?: readonly string[];
  readonly selector?: LabelSelector;
  readonly runs?: readonly string[];
  readonly nodes?: readonly string[];
  readonly outcomes?: readonly Outcome[];
  readonly failureClasses?: readonly FailureClass[];
  /** Created at or after this, milliseconds since the epoch. */
  readonly sinceMs?: number;
  /** Created before this, milliseconds since the epoch. */
  readonly untilMs?: number;
}

/**
 * One byte per slot below the table's limit: 1 where the filter accepts the result.
 *
 * @param marks room for them, which the answer uses
 */
export function markMatching(
  table: ResultTable,
  filter: ResultFilter,
  marks: Uint8Array = new Uint8Array(table.limit),
): Uint8Array {
  const limit = table.limit;
  const { outcomes, createdMs } = table;
  const accepted = new Uint8Array(256);
  for (const outcome of filter.outcomes ?? OUTCOMES) accepted[OUTCOMES.indexOf(outcome)] = 1;
  accepted[VACANT] = 0;
  for (let slot = 0; slot < limit; slot++) marks[slot] = accepted[outcomes[slot] as number] as number;

  if (filter.namespaces !== undefined) keepTexts(marks, table.column('namespace'), filter.namespaces);
  if (filter.runs !== undefined) keepTexts(marks, table.column('run'), filter.runs);
  if (filter.nodes !== undefined) keepTexts(marks, table.column('node'), filter.nodes);
  if (filter.failureClasses !== undefined) {
    const classes = new Uint8Array(FAILURE_CLASSES.length + 1);
    for (const name of filter.failureClasses) classes[FAILURE_CLASSES.indexOf(name) + 1] = 1;
    const { failureClasses } = table;
    for (let slot = 0; slot < limit; slot++) {
      marks[slot] = (marks[slot] as number) & (classes[failureClasses[slot] as number] as number);
    }
  }
  const { sinceMs, untilMs } = filter;
  if (sinceMs !== undefined || untilMs !== undefined) {
    const since = sinceMs ?? -Infinity;
    const until = untilMs ?? Infinity;
    for (let slot = 0; slot < limit; slot++) {
      const created = createdMs[slot] as number;
      if (created < since || created >= until) marks[slot] = 0;
    }
  }
  if (filter.selector !== undefined) table.labels.apply(filter.selector, marks, limit);
  return marks;
}

function keepTexts(marks: Uint8Array, { texts, numbers }: TextColumn, wanted: readonly string[]): void {
  const accepted = new Uint8Array(texts.limit);
  for (const text of wanted) {
    const number = texts.find(text);
    if (number !== undefined) accepted[number] = 1;
  }
  for (let slot = 0; slot < marks.length; slot++) {
    marks[slot] = (marks[slot] as number) & (accepted[numbers[slot] as number] as number);
  }
}
