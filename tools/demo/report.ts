/** What the demo prints: numbers with units, columns aligned, colours that switch off. */
import type { StatisticAnswer, StoredResult } from './verify.js';

export interface Palette {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
}

export function palette(on: boolean): Palette {
  const paint =
    (code: number) =>
    (text: string): string =>
      on ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { bold: paint(1), dim: paint(2), red: paint(31), green: paint(32) };
}

/** A table with left-aligned first column and right-aligned others. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], leftAligned = 1): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i < leftAligned ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(header), ...rows.map(line)].join('\n');
}

export function ms(value: number | null): string {
  return value === null ? '-' : `${value} ms`;
}

export function statisticsTable(rows: readonly (readonly [string, StatisticAnswer])[]): string {
  return table(
    ['', 'measured', 'failed', 'p50', 'p90', 'p99', 'worst'],
    rows.map(([title, answer]) => [
      title,
      String(answer.totalSuccessful),
      String(answer.totalFailed),
      ms(answer.p50),
      ms(answer.p90),
      ms(answer.p99),
      ms(answer.worstPods[0]?.value ?? null),
    ]),
  );
}

export function worstTable(answer: StatisticAnswer, count: number): string {
  return table(
    ['slowest Pods', 'node', 'to datapath ready'],
    answer.worstPods.slice(0, count).map((pod) => [pod.name, pod.nodeName ?? '', ms(pod.value)]),
    2,
  );
}

export function failedTable(answer: StatisticAnswer, results: readonly StoredResult[], count: number): string {
  const byUid = new Map(results.map((result) => [result.spec.podRef.uid, result]));
  return table(
    ['failed Pods', 'class', 'why'],
    answer.failedPods.slice(0, count).map((pod) => {
      const failure = byUid.get(pod.uid)?.status?.failure;
      return [pod.name, failure?.class ?? '?', failure?.message ?? '?'];
    }),
    3,
  );
}
