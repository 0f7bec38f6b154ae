/**
 * Turns the events of two watches (Pods and stored results) into the {@link ResultIndex}. Every replica runs it, so that every
 * replica can answer; only the leader writes what it finds.
 *
 * The stored result is the memory: what it says of creation, start and readiness stands (first wins), and an observation is taken
 * in on top of it. So the order in which the two lists arrive doesn't matter.
 */
import { firstState, observe, observeAbsence, observeDeletion } from '../../datapath/assess.js';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { isFinal, isLegalMove } from '../../datapath/result-state.js';
import type { ResultState } from '../../datapath/result-state.js';
import type { Instant } from '../../datapath/instant.js';
import type { ReflectorEvent, Store } from '../kube/resource.js';
import type { ResultView } from './result-conversion.js';
import type { ResultIndex } from './result-index.js';

export interface ResultTrackerOptions {
  readonly index: ResultIndex;
  /** The Pods of the watch, by uid. */
  readonly pods: Pick<Store<PodObservation>, 'getByUid'>;
  /** Whether the watch is narrowed by a selector: then a deletion may only mean that the Pod doesn't match any more. */
  readonly selective: boolean;
  /** Which Pods are measured. */
  readonly selects: (pod: PodObservation) => boolean;
  /** The run a Pod belongs to, asked at first sight, and once more before its result is created. */
  readonly runNameOf: (pod: PodObservation) => string;
  /** Whether the numbers of a stored result are kept in its run already. */
  readonly isArchived: (result: ResultView) => boolean;
}

export class ResultTracker {
  readonly #index: ResultIndex;
  readonly #pods: Pick<Store<PodObservation>, 'getByUid'>;
  readonly #selective: boolean;
  /** The last state of Pods that left a narrowed watch, until the API server says whether they live. */
  readonly #departed = new Map<string, PodObservation>();
  readonly #selects: (pod: PodObservation) => boolean;
  readonly #runNameOf: (pod: PodObservation) => string;
  readonly #isArchived: (result: ResultView) => boolean;
  /** Pods whose run may still change, since no result says it. */
  readonly #undecided = new Set<string>();
  /** Pods whose result was let go to be made again. */
  readonly #keeping = new Set<string>();

  constructor(options: ResultTrackerOptions) {
    this.#index = options.index;
    this.#pods = options.pods;
    this.#selective = options.selective;
    this.#selects = options.selects;
    this.#runNameOf = options.runNameOf;
    this.#isArchived = options.isArchived;
  }

  /**
   * The state with the run that the caches give by now. At first sight they may be behind: the Pod's namespace, or the run that
   * selects it, may be told of by a watch that is later. Once a result says the run, it stays.
   */
  decideRun(state: ResultState, pod: PodObservation | undefined): ResultState {
    if (!this.#undecided.delete(state.uid) || pod === undefined) return state;
    const runName = this.#runNameOf(pod);
    return runName === state.runName ? state : { ...state, runName };
  }

  /** Remembers that the result of a Pod that is still there is let go, and is to be made again even if the Pod ends meanwhile. */
  keep(podUid: string): void {
    this.#keeping.add(podUid);
  }

  /** Forgets a Pod whose result can't be stored. */
  drop(podUid: string): void {
    this.#undecided.delete(podUid);
    this.#departed.delete(podUid);
    this.#index.remove(podUid);
  }

  /** The last state of a Pod that left a narrowed watch and is gone, once. */
  takeDeparted(podUid: string): PodObservation | undefined {
    const last = this.#departed.get(podUid);
    this.#departed.delete(podUid);
    return last;
  }

  onPod(event: ReflectorEvent<PodObservation>): void {
    if (event.type === 'Synced') return;
    const pod = event.object;
    const known = this.#index.get(pod.uid);
    if (known === undefined && !this.#selects(pod)) return;
    const live = event.type === 'Added' && event.live ? event.receivedAt : undefined;
    if (known === undefined) this.#undecided.add(pod.uid);
    const state = known ?? firstState(pod, this.#runNameOf(pod), live);
    if (event.type === 'Deleted' && this.#selective && !isFinal(state.outcome)) {
      if (!event.stale) this.#departed.set(pod.uid, pod);
      this.#index.put(observe(state, pod, event.receivedAt));
      return;
    }
    this.#departed.delete(pod.uid);
    this.#index.put(
      event.type === 'Deleted'
        ? endOf(state, pod, event.receivedAt, event.stale)
        : observe(state, pod, event.receivedAt),
    );
  }

  onResult(event: ReflectorEvent<ResultView>): void {
    if (event.type === 'Synced') return;
    const stored = event.object.state;
    if (stored === undefined) return;
    const pod = this.#pods.getByUid(stored.uid);
    if (event.type === 'Deleted') {
      const keep = this.#keeping.delete(stored.uid);
      // While its Pod lives the result is made again, from what is known here; unless its numbers are kept elsewhere by now.
      if (this.#isArchived(event.object) || (pod === undefined && !keep)) this.#index.remove(stored.uid);
      return;
    }
    this.#undecided.delete(stored.uid);
    if (isFinal(stored.outcome)) this.#departed.delete(stored.uid);
    const known = this.#index.get(stored.uid);
    if (known !== undefined && continues(stored, known)) return;
    this.#index.put(pod === undefined ? stored : observe(stored, pod, event.receivedAt));
  }
}

function endOf(state: ResultState, pod: PodObservation, at: Instant, stale: boolean): ResultState {
  return stale ? observeAbsence(observe(state, pod, at), at) : observeDeletion(state, pod, at);
}

/** Whether `known` says everything that the stored result says, and perhaps more. */
function continues(stored: ResultState, known: ResultState): boolean {
  return (
    stored.createdAt === known.createdAt &&
    stored.creationSource === known.creationSource &&
    stored.runName === known.runName &&
    (stored.startedAt === undefined || stored.startedAt === known.startedAt) &&
    (stored.datapathReadyAt === undefined || stored.datapathReadyAt === known.datapathReadyAt) &&
    isLegalMove(stored.outcome, known.outcome) &&
    (!isFinal(stored.outcome) || stored.failure?.class === known.failure?.class || known.outcome === 'Ready')
  );
}
