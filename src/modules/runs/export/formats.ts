/** The formats in which a run is exported. */
import type { RunReport } from '../run-report.js';
import { junitXml } from './junit.js';
import { kubeBurnerDocuments } from './kube-burner.js';
import { perfData } from './perf-data.js';
import { statisticsCsv, statisticsNdjson } from './statistics-table.js';

export const EXPORT_FORMATS = ['perfdata', 'kube-burner', 'junit', 'csv', 'ndjson'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const MEDIA_TYPES = {
  perfdata: 'application/json',
  'kube-burner': 'application/json',
  junit: 'application/xml',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
} as const satisfies Record<ExportFormat, string>;

export function exportRun(report: RunReport, format: ExportFormat): string {
  switch (format) {
    case 'perfdata':
      return `${JSON.stringify(perfData(report), null, 2)}\n`;
    case 'kube-burner':
      return `${JSON.stringify(kubeBurnerDocuments(report), null, 2)}\n`;
    case 'junit':
      return junitXml(report);
    case 'csv':
      return statisticsCsv(report);
    case 'ndjson':
      return statisticsNdjson(report);
    default: {
      const exhaustiveCheck: never = format;
      return exhaustiveCheck;
    }
  }
}
