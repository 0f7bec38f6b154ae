/** The statistics of a run as a table: a line per figure as CSV, a line per metric as NDJSON. */
import { csvCell } from '../../api/csv.js';
import { figuresOf } from '../run-report.js';
import type { RunReport } from '../run-report.js';

const HEADER = 'run,metric,statistic,valueMs,count,estimated\r\n';

export function statisticsCsv({ name, metrics }: RunReport): string {
  const lines = metrics.flatMap(([metric, report]) =>
    figuresOf(report).map(
      ([statistic, value]) =>
        `${[csvCell(name), metric, statistic, String(value), String(report.count), String(report.estimated)].join(',')}\r\n`,
    ),
  );
  return HEADER + lines.join('');
}

export function statisticsNdjson({ name, status, metrics }: RunReport): string {
  const { verdict, completedAt } = status;
  return metrics
    .map(([metric, report]) => {
      const { count, failed, estimated, sumMs } = report;
      const figures = Object.fromEntries(figuresOf(report));
      return `${JSON.stringify({ run: name, metric, unit: 'ms', count, failed, sumMs, estimated, ...figures, verdict, completedAt })}\n`;
    })
    .join('');
}
