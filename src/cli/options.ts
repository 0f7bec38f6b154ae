/** The command line of `datapath-run`. */
import { parseArgs } from 'node:util';
import { EXPORT_FORMATS } from '../modules/runs/export/formats.js';
import type { ExportFormat } from '../modules/runs/export/formats.js';

export interface RunOptions {
  /** The manifest of a DatapathRun; `-` is standard input. */
  readonly file: string;
  readonly kubeconfig: string | undefined;
  readonly timeoutMs: number;
  /** Whether the run is printed as JSON at the end. */
  readonly json: boolean;
  /** The file `-` is standard output, of which there is one only. */
  readonly exports: readonly { readonly format: ExportFormat; readonly file: string }[];
}

export const HELP = `Applies a DatapathRun, waits until it is complete, exports it, and ends with its verdict.

Usage: datapath-run -f FILE [--timeout 15m] [--export FORMAT=FILE]... [--json] [--kubeconfig FILE]

  -f, --filename FILE   manifest of a DatapathRun, YAML or JSON; - reads standard input
  --timeout DURATION    how long to wait, such as 90s, 15m or 1h30m (default 15m)
  --export FORMAT=FILE  write the run as ${EXPORT_FORMATS.join(', ')}; may be repeated; - is standard output
  --json                print the DatapathRun as JSON at the end, on standard output; progress goes to standard error
  --kubeconfig FILE     kubeconfig to use (else KUBECONFIG, ~/.kube/config, the Pod's service account)

The name must be a new one: a run that was complete before is refused, and one of which results are left though it was deleted, since
its verdict would be that of another test.

Exit status: 0 Met, or complete without objectives; 1 wrong use, or an error of the API; 2 timeout or Inconclusive; 4 Missed;
130 and 143 interrupted (the run goes on in the cluster).
`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** @throws UsageError that says what is wrong and what is allowed */
export function readOptions(args: readonly string[]): RunOptions | 'help' {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        filename: { type: 'string', short: 'f' },
        timeout: { type: 'string', default: '15m' },
        export: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
        kubeconfig: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (values.help === true) return 'help';
  if (values.filename === undefined) throw new UsageError('-f FILE is missing: the manifest of a DatapathRun');
  const exports = values.export.map(readExport);
  if (exports.filter(({ file }) => file === '-').length + Number(values.json) > 1) {
    throw new UsageError('standard output is asked for twice: one --export FORMAT=- or --json may have it');
  }
  return {
    file: values.filename,
    kubeconfig: values.kubeconfig,
    timeoutMs: readDuration(values.timeout),
    json: values.json,
    exports,
  };
}

function readDuration(text: string): number {
  const parts = [...text.matchAll(/(\d{1,6})([smh])/g)];
  const total = parts.reduce((sum, [, digits = '', unit = '']) => sum + Number(digits) * (UNITS[unit] ?? 0), 0);
  if (total === 0 || parts.map(([part]) => part).join('') !== text) {
    throw new UsageError(`--timeout is ${JSON.stringify(text)}; it must be a duration such as 90s, 15m or 1h30m`);
  }
  return total;
}

function readExport(text: string): { format: ExportFormat; file: string } {
  const at = text.indexOf('=');
  const format = EXPORT_FORMATS.find((each) => each === text.slice(0, at));
  const file = text.slice(at + 1);
  if (at < 0 || format === undefined || file === '') {
    throw new UsageError(
      `--export is ${JSON.stringify(text)}; it must be FORMAT=FILE with one of ${EXPORT_FORMATS.join(', ')}`,
    );
  }
  return { format, file };
}
