/**
 * Keeps the status of each DatapathRun in step with its results, and keeps the numbers of those that are deleted.
 *
 * Guarantees
 * - Exactly once: the numbers of a deleted result are folded into the archive by the write that also puts its uid into
 *   `status.archive.releasing`; its finalizer is removed only after that write is seen, and the uid leaves the list only after the result
 *   is gone. Whatever crashes in between finds by the list what is folded already.
 * - A status is written at most every five seconds per run, and only where it says something new.
 */
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { isFinal } from '../../datapath/result-state.js';
import type { ResultState } from '../../datapath/result-state.js';
import { archiveOf, mergeArchives } from '../../statistics/run-archive.js';
import { SETTINGS } from '../../settings/settings.js';
import type { Settings } from '../../settings/settings.js';
import { systemClock } from '../kube/clock.js';
import { removeFinalizer } from '../kube/finalizers.js';
import { isConflict, isNotFound } from '../kube/kube-api-error.js';
import { KubeClient } from '../kube/kube-client.js';
import type { KubeObject, ReflectorEvent, Store } from '../kube/resource.js';
import {
  difference,
  EVENTS,
  InjectStore,
  OnEvent,
  Operator,
  OperatorEngine,
  PermanentError,
  Reconcile,
  subjectOf,
  watch,
} from '../operator/index.js';
import type { OperatorOptions, ReconcileOutcome, ReconcileRequest } from '../operator/index.js';
import { NAMESPACES } from '../pods/namespace.resource.js';
import type { NamespaceView } from '../pods/namespace.resource.js';
import { PODS } from '../pods/pod.resource.js';
import { DATAPATH_RESULTS, projectResult } from '../results/result-conversion.js';
import type { ResultView } from '../results/result-conversion.js';
import { ResultIndex } from '../results/result-index.js';
import type { ResultChange } from '../results/result-index.js';
import { saysLess } from '../results/write-plan.js';
import { ARCHIVE_FINALIZER, DATAPATH_RUNS, RUN_OPERATOR } from './datapath-run.resource.js';
import { MAX_RELEASING } from './datapath-run.schema.js';
import type { DatapathRunStatus } from './datapath-run.schema.js';
import { EndingResults } from './ending-results.js';
import { RunDirectory } from './run-directory.js';
import type { LeftResults } from './run-directory.js';
import { RunMembership } from './run-membership.js';
import { RunPace } from './run-pace.js';
import { planRun } from './run-plan.js';
import type { Overlap } from './run-plan.js';
import { lostRunNote, noteOf } from './run-note.js';
import { instantText } from './run-status.js';
import { isHeld, projectRun } from './run-view.js';
import type { RunView } from './run-view.js';

/** Finalizers that are removed at the same time: few enough to leave the API server to others. */
const RELEASES_AT_ONCE = 16;
/** After how long a write is tried again that lost against one that the watch hasn't brought yet, milliseconds. */
const CACHE_BEHIND_MS = 5_000;
/** A watch without a line for so long may have missed something, milliseconds. Bookmarks come about every minute. */
const SILENT_MS = 90_000;

/** Results whose numbers the next write is to keep. */
interface Batch {
  readonly views: readonly ResultView[];
  readonly states: readonly ResultState[];
}

@Operator({
  name: RUN_OPERATOR,
  resource: DATAPATH_RUNS,
  project: projectRun,
  watches: [
    watch({
      resource: DATAPATH_RESULTS,
      project: projectResult,
      toKeys: (result: ResultView) =>
        result.deletionTimestamp === undefined || result.runName === undefined ? [] : [result.runName],
    }),
  ],
  access: [
    { resource: DATAPATH_RUNS, verbs: ['delete'] },
    { resource: DATAPATH_RUNS, subresource: 'status', verbs: ['patch'] },
    // Deletion is the retention's: see RetentionService.
    { resource: DATAPATH_RESULTS, verbs: ['patch', 'delete'] },
    { resource: EVENTS, verbs: ['create'] },
  ],
})
@Injectable()
export class DatapathRunReconciler {
  readonly #logger = new Logger(DatapathRunReconciler.name);
  readonly #clock = systemClock;
  readonly #ending = new EndingResults();
  readonly #pace = new RunPace();
  #watchingSinceMs = Number.POSITIVE_INFINITY;
  /** Deleted runs of which results are left, and of which people were told. */
  readonly #lost = new Set<string>();

  constructor(
    private readonly client: KubeClient,
    private readonly engine: OperatorEngine,
    private readonly index: ResultIndex,
    private readonly directory: RunDirectory,
    private readonly membership: RunMembership,
    @InjectStore(DATAPATH_RUNS) private readonly runs: Store<RunView>,
    @InjectStore(DATAPATH_RESULTS) private readonly results: Store<ResultView>,
    @InjectStore(PODS) private readonly pods: Store<PodObservation>,
    @InjectStore(NAMESPACES) private readonly namespaces: Store<NamespaceView>,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {
    index.changes.subscribe((change) => this.#onChange(change));
  }

  operatorOptions(): Partial<OperatorOptions> {
    return this.settings.namespaces.length === 0 ? {} : { namespaces: this.settings.namespaces };
  }

  @OnEvent(DATAPATH_RUNS)
  onRun(event: ReflectorEvent<RunView>): void {
    this.membership.runsChanged();
    if (event.type === 'Deleted') this.#pace.forget(event.object.name);
    else if (event.type !== 'Synced') this.#pace.saw(event.object, this.#clock.monotonicMs(), this.#clock.epochMs());
  }

  @OnEvent(DATAPATH_RESULTS)
  onResult(event: ReflectorEvent<ResultView>): void {
    if (event.type === 'Synced') this.#watchingSinceMs = Math.min(this.#watchingSinceMs, this.#clock.epochMs());
    this.#ending.onEvent(event, this.#clock.monotonicMs());
  }

  @Reconcile()
  async reconcile(request: ReconcileRequest): Promise<ReconcileOutcome> {
    const run = this.runs.get(request.key);
    if (run === undefined) return this.#orphaned(request);
    if (run.archiveError !== undefined) {
      throw new PermanentError(
        `the archive of run ${run.name} can't be read, and isn't written over: ${run.archiveError}`,
      );
    }
    await this.#release(run, request.signal);
    const nowMs = this.#clock.monotonicMs();
    const waitMs = Math.max(this.#pace.waitMs(run.name, nowMs), this.#ending.gatherMs(run.name, nowMs));
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    this.#pace.begin(run.name);
    return this.#write(run, request);
  }

  /** The write that keeps numbers: the only one, so that folding and saying what was folded can't come apart. */
  async #write(run: RunView, request: ReconcileRequest): Promise<ReconcileOutcome> {
    const left = [...run.releasing].filter((uid) => this.results.getByUid(uid) !== undefined);
    const batch = this.#batch(run, MAX_RELEASING - left.length);
    const archive = batch.views.length === 0 ? run.archive : mergeArchives(run.archive, archiveOf(batch.states));
    const epochMs = this.#clock.epochMs();
    const podUids = batch.states.map(({ uid }) => uid);
    const plan = planRun({
      run,
      figures: this.directory.figures(run, epochMs, archive, podUids),
      archive,
      releasing: [...left, ...batch.views.map(({ uid }) => uid)],
      nowMs: epochMs,
      quietForMs: this.#pace.quietForMs(run.name, this.#clock.monotonicMs()),
      watchingSinceMs: this.#watchingSinceMs,
      watchedUntilMs: this.#watchedUntilMs(epochMs),
      overlap: this.#overlapOf(run),
      unstored: () => this.directory.unstored(run),
    });
    if (!plan.due) {
      if (plan.againInMs === 0) return this.#expire(run, request);
      return plan.againInMs === undefined ? undefined : { requeueAfterMs: plan.againInMs };
    }
    const status: DatapathRunStatus = { ...plan.status, updatedAt: instantText(epochMs) };
    let written: KubeObject;
    try {
      written = await this.client.patch<KubeObject>(
        DATAPATH_RUNS,
        { namespace: '', name: run.name },
        {
          metadata: { uid: run.uid, resourceVersion: run.resourceVersion },
          status: difference(run.status ?? {}, status),
        },
        { kind: 'merge', subresource: 'status', signal: request.signal },
      );
    } catch (error) {
      // Somebody changed the run meanwhile: the watch brings it, and what is to be written is computed from that.
      if (isConflict(error)) return { requeueAfterMs: CACHE_BEHIND_MS };
      if (isNotFound(error)) return { requeueAfterMs: 1_000 };
      throw error;
    }
    this.#pace.wrote(run.name, this.#clock.monotonicMs());
    this.engine.recordWrite(RUN_OPERATOR, request.key, written.metadata.resourceVersion ?? '');
    const note = noteOf(run.status, status);
    if (note !== undefined) this.engine.recordEvent(RUN_OPERATOR, subjectOf(DATAPATH_RUNS, written), note);
    // Its event runs this key again: what was folded is let go then.
    return plan.againInMs === undefined || plan.againInMs === 0 ? undefined : { requeueAfterMs: plan.againInMs };
  }

  /** Lets the results go whose numbers the stored archive holds. */
  async #release(run: RunView, signal: AbortSignal): Promise<void> {
    const held = [...run.releasing].flatMap((uid) => this.results.getByUid(uid) ?? []).filter(isHeld);
    await this.#removeFinalizers(held, signal);
  }

  /** Results of a run that nobody has any more: people are told, and those that are deleted go, as there is nothing to keep their numbers in. */
  async #orphaned(request: ReconcileRequest): Promise<ReconcileOutcome> {
    const left = this.#lost.has(request.key) ? [] : this.directory.leftOf(request.key);
    if (left.length === 0 && !this.#ending.has(request.key)) return undefined;
    try {
      await this.client.get(DATAPATH_RUNS, { namespace: '', name: request.key }, { signal: request.signal });
      return { requeueAfterMs: 500 };
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#tellLost(request.key, left);
    if (!this.#ending.has(request.key)) return undefined;
    const { views } = this.#batchOf(request.key, new Set(), Number.POSITIVE_INFINITY);
    this.#logger.warn('results are deleted whose run was deleted: their numbers are kept nowhere', {
      run: request.key,
      results: views.length,
    });
    await this.#removeFinalizers(views, request.signal);
    return undefined;
  }

  #tellLost(run: string, left: readonly LeftResults[]): void {
    for (const known of this.#lost) if (this.directory.orphan(known) === undefined) this.#lost.delete(known);
    if (left.length > 0) this.#lost.add(run);
    for (const { results, one } of left) {
      const { namespace, name, uid } = one;
      const subject = subjectOf(DATAPATH_RESULTS, { metadata: { namespace, name, uid } });
      this.engine.recordEvent(RUN_OPERATOR, subject, lostRunNote(run, results));
    }
  }

  async #removeFinalizers(held: readonly ResultView[], signal: AbortSignal): Promise<void> {
    const waiting = held.values();
    const worker = async (): Promise<void> => {
      for (const { namespace, name, uid, resourceVersion, finalizers } of waiting) {
        const object: KubeObject = { metadata: { namespace, name, uid, resourceVersion, finalizers } };
        await removeFinalizer(this.client, DATAPATH_RESULTS, object, ARCHIVE_FINALIZER, signal);
      }
    };
    await Promise.all(Array.from({ length: Math.min(RELEASES_AT_ONCE, held.length) }, worker));
  }

  #batch(run: RunView, limit: number): Batch {
    return this.#batchOf(run.name, run.releasing, limit);
  }

  /**
   * Deleted results whose measurement is over, who say all that is known of it, and whose Pod isn't to have another one: see
   * DatapathResultReconciler, which stores what they don't say yet.
   */
  #batchOf(run: string, folded: ReadonlySet<string>, limit: number): Batch {
    const views: ResultView[] = [];
    const states: ResultState[] = [];
    for (const key of this.#ending.keys(run)) {
      if (views.length >= limit) break;
      const view = this.results.get(key);
      if (view?.runName === undefined || folded.has(view.uid)) continue;
      const state = view.state;
      if (state === undefined) continue;
      if (saysLess(state, view.edited, this.index.get(state.uid) ?? state)) continue;
      const madeAgain =
        this.pods.getByUid(state.uid) !== undefined && this.namespaces.get(state.namespace)?.terminating !== true;
      if (madeAgain || !isFinal(state.outcome)) continue;
      views.push(view);
      states.push(state);
    }
    return { views, states };
  }

  /** Deletes a run whose time is over. That its results are left is as intended: nobody is told. */
  async #expire(run: RunView, request: ReconcileRequest): Promise<ReconcileOutcome> {
    if (run.deleting) return undefined;
    this.#lost.add(run.name);
    const { uid, resourceVersion } = run;
    try {
      await this.client.delete(
        DATAPATH_RUNS,
        { namespace: '', name: run.name },
        { uid, resourceVersion },
        { signal: request.signal },
      );
      this.#logger.log('deleted a run whose time to live is over', { run: run.name });
    } catch (error) {
      if (isConflict(error)) return { requeueAfterMs: 1_000 };
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  }

  #onChange({ previous, next }: ResultChange): void {
    const moved = next !== undefined && previous?.outcome !== next.outcome;
    const nowMs = this.#clock.monotonicMs();
    for (const name of new Set([previous?.runName, next?.runName])) {
      if (name === undefined) continue;
      if (moved) this.#pace.moved(name, nowMs);
      if (!this.#pace.touch(name)) continue;
      const waitMs = this.#pace.waitMs(name, nowMs);
      // A replica that doesn't write forgets it: whoever leads next runs every key.
      if (!this.engine.enqueue(RUN_OPERATOR, name, waitMs)) this.#pace.begin(name);
    }
  }

  /** Now, unless the watch of Pods has been silent: then its last line. Milliseconds since the epoch. */
  #watchedUntilMs(epochMs: number): number {
    const monotonicMs = this.#clock.monotonicMs();
    let silentMs = 0;
    for (const { resource, lastLineAt } of this.engine.health().watches) {
      if (resource === PODS.plural) silentMs = Math.max(silentMs, monotonicMs - (lastLineAt ?? monotonicMs));
    }
    return silentMs > SILENT_MS ? epochMs - silentMs : epochMs;
  }

  #overlapOf(run: RunView): Overlap | undefined {
    if (run.selector === undefined) return undefined;
    const { table } = this.index;
    const counts = new Map<string, number>();
    for (const pod of this.pods.values()) {
      const slot = table.slotOf(pod.uid);
      if (slot === undefined || !this.membership.wouldSelect(run, pod)) continue;
      const other = table.text('run', slot);
      if (other === undefined || other === run.name || this.runs.get(other)?.selector === undefined) continue;
      counts.set(other, (counts.get(other) ?? 0) + 1);
    }
    const [most] = [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    return most === undefined ? undefined : { run: most[0], pods: most[1] };
  }
}
