/** Reads the audit log of a control plane and judges it. The only part of the invariants that does I/O. */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseAuditLine } from './audit-event.js';
import { historyBuilder, judge } from './check.js';
import type { Expectations, Verdict } from './expectations.js';

export interface CheckOptions {
  /** `ControlPlane.auditLogPath`; the older files of a log that was rotated lie beside it. */
  readonly auditLogPath: string | undefined;
  readonly expectations: Expectations;
}

/** @throws Error when there is no log: a control plane that was started without one proves nothing */
export async function checkInvariants({ auditLogPath, expectations }: CheckOptions): Promise<Verdict> {
  if (auditLogPath === undefined) throw new Error('the control plane was started without an audit log');
  const builder = historyBuilder(expectations);
  for (const file of await filesOf(auditLogPath)) {
    const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) {
      const event = parseAuditLine(line);
      if (event !== undefined) builder.add(event);
    }
  }
  return judge(builder.build(), expectations);
}

/** The files of a rotated log, oldest first: `audit-2026-01-01T00-00-00.000.jsonl` before `audit.jsonl`. */
async function filesOf(path: string): Promise<readonly string[]> {
  const extension = extname(path);
  const stem = `${basename(path, extension)}-`;
  const names = await readdir(dirname(path));
  const older = names.filter((name) => name.startsWith(stem) && name.endsWith(extension)).sort();
  return [...older.map((name) => join(dirname(path), name)), path];
}
