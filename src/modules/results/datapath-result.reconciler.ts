/**
 * Keeps one DatapathResult per Pod UID in step with what the index says of the Pod.
 *
 * Guarantees
 * - The name is made from the uid, so that two controllers can't make two results of one Pod.
 * - Two writes on the normal path: the object at first sight, the status at the end (write-plan.ts).
 * - A Pod is declared gone only when the API server itself says so, never because a cache is behind.
 */
import { Inject, Injectable, Logger } from '@nestjs/common';
import { observe, observeAbsence, observeDeadline, observeDeletion } from '../../datapath/assess.js';
import { toEpochMs } from '../../datapath/instant.js';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { isFinal } from '../../datapath/result-state.js';
import type { ResultState } from '../../datapath/result-state.js';
import type { Outcome } from '../../datapath/vocabulary.js';
import { SETTINGS } from '../../settings/settings.js';
import type { Settings } from '../../settings/settings.js';
import { systemClock } from '../kube/clock.js';
import { addFinalizer, removeFinalizer } from '../kube/finalizers.js';
import {
  isAlreadyExists,
  isConflict,
  isKubeApiError,
  isNamespaceTerminating,
  isNotFound,
} from '../kube/kube-api-error.js';
import { KubeClient } from '../kube/kube-client.js';
import { formatKey } from '../kube/resource.js';
import type { KubeObject, ObjectKey, ReflectorEvent, ResourceType, Store } from '../kube/resource.js';
import {
  EVENTS,
  InjectStore,
  OnEvent,
  Operator,
  OperatorEngine,
  PermanentError,
  reads,
  Reconcile,
  watch,
} from '../operator/index.js';
import type {
  EventSubject,
  OperatorOptions,
  ReconcileOutcome,
  ReconcileRequest,
  ReconcileResult,
} from '../operator/index.js';
import { NAMESPACES, projectNamespace } from '../pods/namespace.resource.js';
import type { NamespaceView } from '../pods/namespace.resource.js';
import { podSelection } from '../pods/pod-selection.js';
import { PODS } from '../pods/pod.resource.js';
import { carriesReporter, projectMeasuredPod, projectPod } from '../pods/project-pod.js';
import { projectWorkload, WORKLOADS } from '../pods/workload.resource.js';
import { ARCHIVE_FINALIZER, DATAPATH_RUNS, RUN_OPERATOR } from '../runs/datapath-run.resource.js';
import { RunMembership } from '../runs/run-membership.js';
import { isHeld, projectRun } from '../runs/run-view.js';
import type { RunView } from '../runs/run-view.js';
import { ChangeTimes } from './change-times.js';
import { DATAPATH_RESULTS, projectResult, resultName, toResource, toStatus } from './result-conversion.js';
import type { ResultView } from './result-conversion.js';
import { ResultIndex } from './result-index.js';
import { ResultTracker } from './result-tracker.js';
import { labelsDiffer, planStatus, saysLess } from './write-plan.js';

const NAME = 'datapath-result';
/** How often the API server is asked for a Pod that isn't watched: half its age, within these bounds. Milliseconds. */
const MIN_ASK_MS = 5_000;
const MAX_ASK_MS = 300_000;
/**
 * After how long a write is tried again that lost against one the cache doesn't show yet: the longest backoff of a watch, milliseconds. The
 * watch brings the other write and runs the key; a shorter time makes each Pod ask again and again while the watch is cut.
 */
const CACHE_BEHIND_MS = 30_000;
/** Results that are written at once while the API server is busy: those who make Pods come first, and what is written later is known here meanwhile. */
const LEAST_WRITES = 4;
const UID_AT = resultName('').length;

/** What is read and never reconciled: namespaces and runs say whose a Pod is, and owners how many there should be. */
const READ_ONLY = [
  reads({ resource: NAMESPACES, project: projectNamespace }),
  reads({ resource: DATAPATH_RUNS, project: projectRun }),
  ...WORKLOADS.map((resource) => reads({ resource, project: projectWorkload(resource) })),
];

@Operator({
  name: NAME,
  resource: DATAPATH_RESULTS,
  project: projectResult,
  watches: [
    watch({
      resource: PODS,
      project: projectMeasuredPod,
      toKeys: (pod: PodObservation) => [keyOf(pod.namespace, pod.uid)],
    }),
    ...READ_ONLY,
  ],
  access: [
    { resource: PODS, verbs: ['get'] },
    { resource: DATAPATH_RESULTS, verbs: ['create', 'patch'] },
    { resource: DATAPATH_RUNS, verbs: ['create'] },
    { resource: DATAPATH_RESULTS, subresource: 'status', verbs: ['patch'] },
    { resource: EVENTS, verbs: ['create'] },
  ],
})
@Injectable()
export class DatapathResultReconciler {
  readonly #logger = new Logger(DatapathResultReconciler.name);
  readonly #clock = systemClock;
  readonly #changeTimes = new ChangeTimes();
  /** Keys that can't go on before the cache knows their namespace. */
  readonly #awaitingNamespace = new Map<string, Set<string>>();
  readonly #tracker: ResultTracker;

  constructor(
    private readonly client: KubeClient,
    private readonly engine: OperatorEngine,
    private readonly index: ResultIndex,
    @InjectStore(PODS) private readonly pods: Store<PodObservation>,
    @InjectStore(DATAPATH_RESULTS) private readonly results: Store<ResultView>,
    @InjectStore(NAMESPACES) private readonly namespaces: Store<NamespaceView>,
    @InjectStore(DATAPATH_RUNS) private readonly runs: Store<RunView>,
    private readonly membership: RunMembership,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {
    const selectorGiven = settings.labelSelector !== '';
    this.#tracker = new ResultTracker({
      index,
      pods,
      // In a namespace that is being deleted no result can be made.
      selective: selectorGiven,
      selects: (pod) =>
        (selectorGiven || carriesReporter(pod)) && this.namespaces.get(pod.namespace)?.terminating !== true,
      runNameOf: (pod) => this.membership.runOf(pod),
      isArchived: (result) =>
        result.runName !== undefined && this.runs.get(result.runName)?.releasing.has(result.uid) === true,
    });
    index.changes.subscribe((change) => {
      // A standby writes nothing, so nothing would ever take its marks away; a new leader waits for nothing.
      if (change.next === undefined || engine.leader) this.#changeTimes.onChange(change, this.#clock.monotonicMs());
    });
  }

  /** What the flags say, over what the decorator says. */
  operatorOptions(): Partial<OperatorOptions> {
    const { namespaces, labelSelector, project } = podSelection(this.settings);
    return {
      maxConcurrentReconciles: this.settings.maxConcurrentReconciles,
      leastConcurrentReconciles: LEAST_WRITES,
      moreKeys: () => this.#unstoredKeys(),
      namespaces,
      watches: [
        watch({
          resource: PODS,
          project,
          labelSelector,
          toKeys: (pod: PodObservation) => [keyOf(pod.namespace, pod.uid)],
        }),
        ...READ_ONLY,
      ],
    };
  }

  /** Pods that came and went while this replica watched and none led: no cache names them, and their results aren't made yet. */
  *#unstoredKeys(): IterableIterator<string | undefined> {
    const { table } = this.index;
    for (const uid of table.uids()) {
      yield undefined;
      const slot = table.slotOf(uid);
      if (slot === undefined || this.pods.getByUid(uid) !== undefined) continue;
      const key = keyOf(table.text('namespace', slot) ?? '', uid);
      if (this.results.get(key) === undefined) yield key;
    }
  }

  @OnEvent(PODS)
  onPod(event: ReflectorEvent<PodObservation>): void {
    this.#tracker.onPod(event);
  }

  /** What no result can be made of any more is forgotten, or it would count in its run beside what the run keeps. */
  @OnEvent(NAMESPACES)
  onNamespace(event: ReflectorEvent<NamespaceView>): void {
    if (event.type === 'Synced') return;
    for (const key of this.#awaitingNamespace.get(event.object.name) ?? []) this.engine.enqueue(NAME, key);
    this.#awaitingNamespace.delete(event.object.name);
    if (event.type === 'Deleted' || !event.object.terminating) return;
    for (const pod of this.pods.values()) {
      if (pod.namespace !== event.object.name || this.index.get(pod.uid) === undefined) continue;
      if (this.results.get(keyOf(pod.namespace, pod.uid)) === undefined) this.#tracker.drop(pod.uid);
    }
  }

  @OnEvent(DATAPATH_RESULTS)
  onResult(event: ReflectorEvent<ResultView>): void {
    this.#tracker.onResult(event);
  }

  /** Answers at once, without a promise, when nothing is to be written: the usual case. */
  @Reconcile()
  reconcile(request: ReconcileRequest): ReconcileOutcome | Promise<ReconcileOutcome> {
    const uid = request.name.slice(UID_AT);
    const state = this.index.get(uid);
    const pod = this.pods.getByUid(uid);
    const stored = this.results.get(request.key);
    if (stored?.deletionTimestamp !== undefined) return this.#end(state, stored, pod, request);
    if (state === undefined) return undefined;

    if (!isFinal(state.outcome)) {
      if (pod === undefined) return this.#followUnwatched(state, stored, request);
      if (this.#deadlineInMs(state) === 0) {
        this.index.put(observeDeadline(state, pod, this.#clock.epochNs()));
        return this.reconcile(request);
      }
    }
    if (stored === undefined) return this.#create(state, pod, request);
    if (!isHeld(stored)) return this.#hold(stored, request);
    const storedState = stored.state;
    if (storedState !== undefined && pod !== undefined && labelsDiffer(state, storedState)) {
      return this.#relabel(state, stored, request);
    }
    const plan = planStatus(
      state,
      storedState,
      this.#changeTimes.elapsedMs(uid, this.#clock.monotonicMs()),
      pod !== undefined,
    );
    if (plan.due || stored.edited) return this.#writeStatus(state, stored, request);
    if (plan.waitMs === undefined) this.#changeTimes.settle(uid);
    return this.#later(state, plan.waitMs);
  }

  /** When to look again: the status that lingers, or the deadline. */
  #later(state: ResultState, waitMs: number | undefined): ReconcileResult | undefined {
    const deadlineInMs = isFinal(state.outcome) ? undefined : this.#deadlineInMs(state);
    const requeueAfterMs = Math.min(waitMs ?? Number.POSITIVE_INFINITY, deadlineInMs ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(requeueAfterMs) ? { requeueAfterMs } : undefined;
  }

  /** Milliseconds until the deadline, 0 when it has passed, `undefined` without one. */
  #deadlineInMs(state: ResultState): number | undefined {
    if (this.settings.deadlineMs === 0) return undefined;
    return Math.max(0, toEpochMs(state.createdAt) + this.settings.deadlineMs - this.#clock.epochMs());
  }

  async #create(
    known: ResultState,
    pod: PodObservation | undefined,
    request: ReconcileRequest,
  ): Promise<ReconcileOutcome> {
    const namespace = this.namespaces.get(known.namespace);
    if (namespace?.terminating === true) return this.#giveUp(known);
    let state = known;
    let created: KubeObject;
    try {
      if (namespace === undefined) return await this.#awaitNamespace(known.namespace, request);
      state = this.#tracker.decideRun(known, pod);
      this.index.put(state);
      await this.membership.ensure(state.runName, request.signal);
      created = await this.client.create<KubeObject>(DATAPATH_RESULTS, toResource(state), {
        signal: request.signal,
        metadataOnly: true,
      });
    } catch (error) {
      // The cache is behind: the watch will bring it, and its event runs this key again.
      if (isAlreadyExists(error)) return { requeueAfterMs: CACHE_BEHIND_MS };
      if (this.#namespaceIsEnding(error)) return this.#giveUp(state, error);
      throw error;
    }
    this.engine.recordWrite(NAME, request.key, created.metadata.resourceVersion ?? '');
    // Its event comes by the watch and runs this key again, with the status as the next step.
    return undefined;
  }

  /**
   * The watch of namespaces is behind: which run the Pod belongs to can't be said before it tells of this one.
   *
   * @throws KubeApiError when there is no such namespace (any more)
   */
  async #awaitNamespace(namespace: string, { key, signal }: ReconcileRequest): Promise<ReconcileOutcome> {
    const waiting = this.#awaitingNamespace.get(namespace) ?? new Set();
    this.#awaitingNamespace.set(namespace, waiting.add(key));
    try {
      await this.client.get(NAMESPACES, { namespace: '', name: namespace }, { signal });
    } catch (error) {
      waiting.delete(key);
      if (waiting.size === 0) this.#awaitingNamespace.delete(namespace);
      throw error;
    }
    // Its event may have come meanwhile.
    return { requeueAfterMs: this.namespaces.get(namespace) === undefined ? CACHE_BEHIND_MS : 0 };
  }

  #giveUp(state: ResultState, cause?: unknown): never {
    this.#tracker.drop(state.uid);
    throw new PermanentError(`the result can't be stored: namespace ${state.namespace} is being deleted`, { cause });
  }

  /** Somebody's result, or one that lost its finalizer: without it a deletion would take its numbers along. */
  async #hold(stored: ResultView, request: ReconcileRequest): Promise<ReconcileOutcome> {
    const held = await addFinalizer(this.client, DATAPATH_RESULTS, objectOf(stored), ARCHIVE_FINALIZER, request.signal);
    this.engine.recordWrite(NAME, request.key, held?.metadata.resourceVersion ?? '');
    return undefined;
  }

  /**
   * A result that is being deleted. While its Pod lives it is let go, and made again; where that can't be (its namespace is being
   * deleted too) or its Pod is gone, its run keeps its numbers and lets it go: see DatapathRunReconciler. What it keeps is what is
   * stored, so the end of the measurement is stored first.
   */
  async #end(
    state: ResultState | undefined,
    stored: ResultView,
    pod: PodObservation | undefined,
    request: ReconcileRequest,
  ): Promise<ReconcileOutcome> {
    if (!isHeld(stored)) return undefined;
    if (state !== undefined && pod === undefined && !isFinal(state.outcome)) {
      return this.#followUnwatched(state, stored, request);
    }
    const run = stored.runName;
    if (run !== undefined && !(await this.#isToBeMadeAgain(stored, pod, request))) {
      if (state !== undefined && isFinal(state.outcome) && saysLess(stored.state, stored.edited, state)) {
        return this.#writeStatus(state, stored, request);
      }
      // Its run may have passed it over, while the cache still had the Pod.
      this.engine.enqueue(RUN_OPERATOR, run);
      return undefined;
    }
    if (run === undefined) this.#logger.warn('a deleted result says nothing that can be kept', { result: request.key });
    else this.#tracker.keep(request.name.slice(UID_AT));
    await removeFinalizer(this.client, DATAPATH_RESULTS, objectOf(stored), ARCHIVE_FINALIZER, request.signal);
    return undefined;
  }

  /**
   * Whether its Pod lives where results can be made. The caches may be behind a Pod or a namespace that was deleted just before the
   * result, and a result that is let go and can't be made again takes its numbers along: the API server is asked.
   */
  async #isToBeMadeAgain(
    { namespace }: ResultView,
    pod: PodObservation | undefined,
    { signal }: ReconcileRequest,
  ): Promise<boolean> {
    if (pod === undefined || this.namespaces.get(namespace)?.terminating !== false) return false;
    const found = await this.#find(PODS, { namespace, name: pod.name }, signal);
    if (found?.metadata.uid !== pod.uid) return false;
    const home = await this.#find(NAMESPACES, { namespace: '', name: namespace }, signal);
    return home !== undefined && home.metadata.deletionTimestamp === undefined;
  }

  /** An object as the API server has it at this moment. */
  async #find(type: ResourceType, key: ObjectKey, signal: AbortSignal): Promise<KubeObject | undefined> {
    try {
      return await this.client.get<KubeObject>(type, key, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #writeStatus(state: ResultState, stored: ResultView, request: ReconcileRequest): Promise<ReconcileOutcome> {
    const before = stored.state?.outcome;
    const status = toStatus(state, stored, this.#clock.epochNs());
    const outcome = await this.#patch(
      stored,
      {
        metadata: { resourceVersion: stored.resourceVersion },
        // A merge patch keeps what it doesn't name: a failure that a late success ended must go.
        status: { failure: null, ...status },
      },
      request,
      'status',
    );
    // A request that lost against another one is made again.
    if (outcome === undefined && before !== state.outcome) this.#tellOf(state, before);
    return outcome;
  }

  /** What `kubectl describe pod` shows of a measurement that failed, or that became ready after all. */
  #tellOf({ namespace, name, uid, outcome, failure }: ResultState, before: Outcome | undefined): void {
    const pod: EventSubject = { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
    if (outcome === 'Failed' && failure !== undefined) {
      const message = `The datapath is not ready: ${failure.message}`;
      this.engine.recordEvent(NAME, pod, { type: 'Warning', reason: failure.class, action: 'Measuring', message });
    } else if (outcome === 'Ready' && before === 'Failed') {
      const message = 'The datapath became ready after its measurement had failed';
      this.engine.recordEvent(NAME, pod, { type: 'Normal', reason: 'DatapathReady', action: 'Measuring', message });
    }
  }

  /** The Pod's labels were changed: the result's follow, so that selectors find it by what the Pod says. */
  async #relabel(state: ResultState, stored: ResultView, request: ReconcileRequest): Promise<ReconcileOutcome> {
    const labels: Record<string, string | null> = { ...state.labels };
    for (const key of Object.keys(stored.state?.labels ?? {})) labels[key] ??= null;
    return this.#patch(stored, { metadata: { resourceVersion: stored.resourceVersion, labels } }, request);
  }

  /** One write. Where somebody else wrote meanwhile, the cache is behind: its event runs the key again, on a fresh read. */
  async #patch(
    stored: ResultView,
    body: object,
    request: ReconcileRequest,
    subresource?: 'status',
  ): Promise<ReconcileOutcome> {
    try {
      const written = await this.client.patch<KubeObject>(
        DATAPATH_RESULTS,
        { namespace: stored.namespace, name: stored.name },
        body,
        {
          kind: 'merge',
          metadataOnly: true,
          signal: request.signal,
          ...(subresource === undefined ? {} : { subresource }),
        },
      );
      this.engine.recordWrite(NAME, request.key, written.metadata.resourceVersion ?? '');
      return undefined;
    } catch (error) {
      if (!isConflict(error)) throw error;
      this.#logger.debug('a write lost against another one, and follows on a fresh read', { result: request.key });
      return { requeueAfterMs: CACHE_BEHIND_MS };
    }
  }

  /**
   * The cache has no such Pod: it is gone, or the cache is behind another replica's, or the Pod doesn't match the selector any
   * more. The API server is asked. A Pod that lives is followed by asking again now and then: its measurement began and goes on.
   */
  async #followUnwatched(
    state: ResultState,
    stored: ResultView | undefined,
    request: ReconcileRequest,
  ): Promise<ReconcileOutcome> {
    const raw = await this.#find(PODS, { namespace: state.namespace, name: state.name }, request.signal);
    const pod = raw?.metadata.uid === state.uid ? projectPod(raw) : undefined;
    // Between the question and the answer the watch may have told more.
    const current = this.index.get(state.uid);
    if (current === undefined || isFinal(current.outcome)) return { requeueAfterMs: 0 };
    const now = this.#clock.epochNs();
    if (pod === undefined) {
      const last = this.#tracker.takeDeparted(state.uid);
      if (last === undefined) {
        this.#logger.warn('a Pod is gone and its end was not seen', {
          namespace: state.namespace,
          name: state.name,
          uid: state.uid,
          stored: stored !== undefined,
        });
      }
      this.index.put(last === undefined ? observeAbsence(current, now) : observeDeletion(current, last, now));
      return { requeueAfterMs: 0 };
    }
    const next = this.#deadlineInMs(current) === 0 ? observeDeadline(current, pod, now) : observe(current, pod, now);
    this.index.put(next);
    if (isFinal(next.outcome)) return { requeueAfterMs: 0 };
    if (stored === undefined) return this.#create(next, pod, request);
    const ageMs = this.#clock.epochMs() - toEpochMs(next.createdAt);
    return this.#later(next, Math.min(MAX_ASK_MS, Math.max(MIN_ASK_MS, ageMs / 2)));
  }

  #namespaceIsEnding(error: unknown): boolean {
    // A 404 may also mean that the resource itself isn't served (any more): that passes, or is for somebody to mend.
    if (isNotFound(error) && isKubeApiError(error)) return error.status?.details?.kind === 'namespaces';
    return isNamespaceTerminating(error);
  }
}

/** As much of an object as a change of its finalizers needs. */
function objectOf({ namespace, name, uid, resourceVersion, finalizers }: ResultView): KubeObject {
  return { metadata: { namespace, name, uid, resourceVersion, finalizers } };
}

/** The key of the result of a Pod. */
function keyOf(namespace: string, podUid: string): string {
  return formatKey({ namespace, name: resultName(podUid) });
}
