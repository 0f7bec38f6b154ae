/** Examples of answers about runs for the documentation, computed by the code that answers, over made-up results. */
import { formatInstant, fromEpochMs } from '../../datapath/instant.js';
import { markMatching } from '../../statistics/result-filter.js';
import type { ResultTable } from '../../statistics/result-table.js';
import { runFigures } from '../../statistics/run-figures.js';
import type { RunFigures } from '../../statistics/run-figures.js';
import type { KubeObject } from '../kube/resource.js';
import { exportRun, MEDIA_TYPES } from './export/formats.js';
import type { ExportFormat } from './export/formats.js';
import { differencesOf, liveReport, runComparison, runDetail, runSummary } from './run-answer.js';
import { projectRun } from './run-view.js';
import type { RunView } from './run-view.js';

function exampleRun(name: string, day: string): KubeObject {
  return {
    metadata: {
      name,
      uid: `uid-of-${name}`,
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: `${day}T11:59:00Z`,
    },
    spec: { expectedPods: 3 },
  } as KubeObject;
}

export const EXAMPLE_RUNS: readonly RunView[] = [
  projectRun(exampleRun('nightly-41', '2026-01-30')),
  projectRun(exampleRun('nightly-42', '2026-01-31')),
];

/** The formats of the examples: one for each media type. */
export const EXAMPLE_FORMATS: readonly ExportFormat[] = ['perfdata', 'junit', 'csv', 'ndjson'];

/** What the example question of an operation about runs is answered with, or `undefined` for other operations. */
export function runExample(operationId: string, mediaType: string, table: ResultTable, nowMs: number): unknown {
  const times = { generatedAt: formatInstant(fromEpochMs(nowMs)), synced: true };
  const figures = (run: RunView): RunFigures =>
    runFigures(table, markMatching(table, { runs: [run.name] }), run.archive, nowMs);
  const [before, run] = EXAMPLE_RUNS as readonly [RunView, RunView];
  switch (operationId) {
    case 'listRuns':
      return { items: EXAMPLE_RUNS.map((each) => runSummary(each, figures(each))), ...times };
    case 'getRun':
      return runDetail(run, figures(run), nowMs, true);
    case 'compareRuns':
      return {
        ...runComparison([before, figures(before)], [run, figures(run)], 0.05, [
          ...differencesOf(figures(before), figures(run), 0.05),
        ]),
        ...times,
      };
    case 'exportRun': {
      const format = EXAMPLE_FORMATS.find((each) => MEDIA_TYPES[each] === mediaType) ?? 'perfdata';
      const text = exportRun(liveReport(run, figures(run)), format);
      return mediaType === 'application/json' ? (JSON.parse(text) as unknown) : text;
    }
    default:
      return undefined;
  }
}
