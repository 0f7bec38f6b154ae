import { Injectable } from '@nestjs/common';
import { archivedCount, emptyArchive, mergeArchives } from '../../statistics/run-archive.js';
import type { RunArchive } from '../../statistics/run-archive.js';
import { isFinal } from '../../datapath/result-state.js';
import { formatKey } from '../kube/resource.js';
import { markMatching } from '../../statistics/result-filter.js';
import { runFigures } from '../../statistics/run-figures.js';
import type { RunFigures } from '../../statistics/run-figures.js';
import type { Store } from '../kube/resource.js';
import { InjectStore } from '../operator/index.js';
import { DATAPATH_RESULTS, resultName } from '../results/result-conversion.js';
import type { ResultView } from '../results/result-conversion.js';
import { ResultIndex } from '../results/result-index.js';
import { DATAPATH_RUNS } from './datapath-run.resource.js';
import { projectRun } from './run-view.js';
import type { RunView } from './run-view.js';

/** What is left of a run in one namespace: how many results are stored, and one of them. */
export interface LeftResults {
  readonly results: number;
  readonly one: ResultView;
}

/** The runs and their figures, from the caches of this replica. A result counts once: as living, or in the archive of its run. */
@Injectable()
export class RunDirectory {
  constructor(
    private readonly index: ResultIndex,
    @InjectStore(DATAPATH_RUNS) private readonly runs: Store<RunView>,
    @InjectStore(DATAPATH_RESULTS) private readonly results: Store<ResultView>,
  ) {}

  get(name: string): RunView | undefined {
    return this.runs.get(name);
  }

  /** Every run, also those that were deleted while results of them are left; by name. */
  all(): RunView[] {
    const { texts } = this.index.table.column('run');
    const orphans = [...texts.entries()].flatMap(([name]) => this.orphan(name) ?? []);
    return [...this.runs.values(), ...orphans].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * A run whose DatapathRun was deleted while results of it are left: they say so by being here. What had been archived went with it.
   */
  orphan(name: string): RunView | undefined {
    const { texts } = this.index.table.column('run');
    if (this.runs.get(name) !== undefined || texts.find(name) === undefined) return undefined;
    return projectRun({ metadata: { name } });
  }

  /** What is stored of a run's results, by namespace, whether the run is there or not. */
  leftOf(name: string): LeftResults[] {
    const { table } = this.index;
    const marks = markMatching(table, { runs: [name] });
    const left = new Map<string, { results: number; readonly one: ResultView }>();
    for (let slot = 0; slot < marks.length; slot++) {
      if (marks[slot] === 0) continue;
      const one = this.#storedAt(slot);
      if (one === undefined) continue;
      const known = left.get(one.namespace);
      if (known === undefined) left.set(one.namespace, { results: 1, one });
      else known.results += 1;
    }
    return [...left.values()];
  }

  /**
   * @param nowMs milliseconds since the epoch: the age of pending Pods is counted up to here
   * @param archive in place of the stored one, together with the Pods whose results it holds beyond those
   */
  figures(
    run: RunView,
    nowMs: number,
    archive: RunArchive = run.archive,
    archivedPods: Iterable<string> = [],
  ): RunFigures {
    const { table } = this.index;
    const marks = this.livingMarks([run]);
    for (const podUid of archivedPods) unmark(marks, table.slotOf(podUid));
    return runFigures(table, marks, archive, nowMs);
  }

  /**
   * Results of the run whose Pod has an end that no stored result says yet. Costs a look into the store for each Pod of the run that
   * has an end.
   */
  unstored(run: RunView): number {
    const { table } = this.index;
    const marks = this.livingMarks([run]);
    let unstored = 0;
    for (let slot = 0; slot < marks.length; slot++) {
      if (marks[slot] === 0) continue;
      const outcome = table.outcome(slot);
      if (!isFinal(outcome)) continue;
      if (this.#storedAt(slot)?.outcome !== outcome) unstored += 1;
    }
    return unstored;
  }

  /** What these runs keep of deleted results; `undefined` where they keep nothing. */
  kept(names: readonly string[]): { readonly archive: RunArchive; readonly slots: readonly number[] } | undefined {
    const runs = [...new Set(names)].flatMap((name) => this.runs.get(name) ?? []);
    const archive = runs.map((run) => run.archive).reduce(mergeArchives, emptyArchive());
    return archivedCount(archive) === 0 ? undefined : { archive, slots: this.archivedSlots(runs) };
  }

  /** One byte per slot of the table, 1 for each result of these runs that isn't in an archive. */
  livingMarks(runs: readonly RunView[]): Uint8Array {
    const { table } = this.index;
    const marks = markMatching(table, { runs: runs.map(({ name }) => name) });
    for (const slot of this.archivedSlots(runs)) unmark(marks, slot);
    return marks;
  }

  /** Slots of results that are still there though an archive has their numbers. */
  archivedSlots(runs: Iterable<RunView> = this.runs.values()): number[] {
    const slots: number[] = [];
    for (const { releasing } of runs) {
      for (const uid of releasing) {
        const podUid = this.results.getByUid(uid)?.podUid;
        const slot = podUid === undefined ? undefined : this.index.table.slotOf(podUid);
        if (slot !== undefined) slots.push(slot);
      }
    }
    return slots;
  }

  /** The stored result of the Pod in a slot of the table. */
  #storedAt(slot: number): ResultView | undefined {
    const { table } = this.index;
    const namespace = table.text('namespace', slot) ?? '';
    return this.results.get(formatKey({ namespace, name: resultName(table.uid(slot)) }));
  }
}

function unmark(marks: Uint8Array, slot: number | undefined): void {
  if (slot !== undefined && slot < marks.length) marks[slot] = 0;
}
