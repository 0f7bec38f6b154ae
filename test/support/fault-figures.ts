import { appendFileSync } from 'node:fs';
import { expect } from '@jest/globals';

/** Notes what a test of faults measured: the suite is run for these as much as for its verdict, and prints them at its end. */
export function noteFigures(
  table: 'reflector' | 'controller',
  figures: Readonly<Record<string, number | string>>,
): void {
  const file = process.env['FAULT_FIGURES'];
  if (file === undefined) return;
  appendFileSync(file, `${JSON.stringify({ table, test: expect.getState().currentTestName ?? '', figures })}\n`);
}
