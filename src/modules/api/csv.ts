/**
 * CSV as RFC 4180 has it: comma, CRLF, quotes where they are needed. Texts that a spreadsheet would run as a formula get an
 * apostrophe in front, for they come from Pods, and whoever makes Pods would otherwise run formulas on the reader's machine.
 */
import type { ResultRecord } from './result-record.schema.js';

/**
 * Where a spreadsheet may begin a formula: at the start of a text, and behind what some take for the end of a cell whatever the
 * quotes say, such as the semicolon in countries with a decimal comma.
 */
const FORMULA = /^(?=[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20])|(?<=[;\t\r\n])(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/g;

type Cell = string | number | null | undefined;

const COLUMNS: readonly (readonly [string, (record: ResultRecord) => Cell])[] = [
  ['namespace', (r) => r.namespace],
  ['name', (r) => r.name],
  ['uid', (r) => r.uid],
  ['ownerKind', (r) => r.owner?.kind],
  ['ownerName', (r) => r.owner?.name],
  ['nodeName', (r) => r.nodeName],
  ['run', (r) => r.run],
  ['outcome', (r) => r.outcome],
  ['createdAt', (r) => r.createdAt],
  ['creationSource', (r) => r.creationSource],
  ['startedAt', (r) => r.startedAt],
  ['datapathReadyAt', (r) => r.datapathReadyAt],
  ['timeToStartMs', (r) => r.timeToStartMs],
  ['timeToDatapathReadyMs', (r) => r.timeToDatapathReadyMs],
  ['datapathDelayMs', (r) => r.datapathDelayMs],
  ['uncertaintyMs', (r) => r.uncertaintyMs],
  ['failureClass', (r) => r.failure?.class],
  ['failureMessage', (r) => r.failure?.message],
  ['probeTarget', (r) => r.probe?.target],
  ['probeAttempts', (r) => r.probe?.attempts],
  ['restarts', (r) => r.restarts],
  ['podDeletedAt', (r) => r.podDeletedAt],
  ['labels', (r) => labelText(r.labels)],
];

export const CSV_HEADER = `${COLUMNS.map(([name]) => name).join(',')}\r\n`;

export function csvLine(record: ResultRecord): string {
  return `${COLUMNS.map(([, cell]) => csvCell(cell(record))).join(',')}\r\n`;
}

/** A number stands as it is; a text is defused and quoted. */
export function csvCell(value: Cell): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const harmless = value.replace(FORMULA, "'");
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.keys(labels)
    .toSorted()
    .map((key) => `${key}=${labels[key] as string}`)
    .join(',');
}
