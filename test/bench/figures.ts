/** The figures of a bench: for each row and subject one value per run; medians and spread where they are shown. */
import { table } from '../../tools/demo/report.js';

export interface Row {
  readonly name: string;
  readonly unit: string;
  /** What is to be reached; absent where a figure only explains another. */
  readonly atMost?: number;
}

export class Figures {
  readonly #rows = new Map<string, { readonly row: Row; readonly values: Map<string, number[]> }>();

  note(row: Row, subject: string, value: number | undefined): void {
    if (value === undefined) return;
    const known = this.#rows.get(row.name) ?? { row, values: new Map<string, number[]>() };
    this.#rows.set(row.name, known);
    known.values.set(subject, [...(known.values.get(subject) ?? []), value]);
  }

  /** A table with a row per figure: the median, and the smallest and largest where there were several runs. */
  format(subjects: readonly string[]): string {
    return table(
      ['', 'unit', 'at most', ...subjects.flatMap((subject) => [subject, 'min – max'])],
      [...this.#rows.values()].map(({ row, values }) => [
        row.name,
        row.unit,
        row.atMost === undefined ? '' : String(row.atMost),
        ...subjects.flatMap((subject) => shown(values.get(subject))),
      ]),
      2,
    );
  }

  toJSON(): readonly object[] {
    return [...this.#rows.values()].map(({ row, values }) => ({ ...row, values: Object.fromEntries(values) }));
  }
}

/** The middle value; of an even number the lower of the two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? Number.NaN;
}

function shown(values: readonly number[] | undefined): [string, string] {
  if (values === undefined) return ['-', ''];
  const spread = values.length === 1 ? '' : `${digits(Math.min(...values))} – ${digits(Math.max(...values))}`;
  return [digits(median(values)), spread];
}

function digits(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}
