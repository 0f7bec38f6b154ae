import { mkdtempSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Prints what the tests of faults noted (`noteFigures`), as one table for reflectors and one for whole controllers. */
export default class FaultFigures {
  #folder = mkdtempSync(join(tmpdir(), 'fault-figures-'));
  #file = join(this.#folder, 'figures.jsonl');

  constructor() {
    // Workers inherit it.
    process.env['FAULT_FIGURES'] = this.#file;
  }

  onRunComplete() {
    const lines = existsSync(this.#file) ? readFileSync(this.#file, 'utf8').trim().split('\n') : [];
    const notes = lines.map((line) => JSON.parse(line));
    for (const name of new Set(notes.map(({ table }) => table))) {
      const own = notes.filter(({ table }) => table === name);
      const columns = [...new Set(own.flatMap(({ figures }) => Object.keys(figures)))];
      const rows = own.map(({ test, figures }) => [test, ...columns.map((column) => shown(figures[column]))]);
      process.stderr.write(`\n${aligned([[name, ...columns], ...rows])}\n`);
    }
    rmSync(this.#folder, { recursive: true });
  }
}

function shown(value) {
  if (typeof value === 'number' && !Number.isInteger(value)) return value.toFixed(2);
  return String(value ?? '');
}

function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return rows.map(line).join('\n');
}
