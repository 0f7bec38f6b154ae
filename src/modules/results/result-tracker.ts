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
  /** Which Pods are measured. */
  readonly selects: (pod: PodObservation) => boolean;
  /** The run a Pod belongs to, asked once at first sight. */
  readonly runNameOf: (pod: PodObservation) => string;
}

export class ResultTracker {
  readonly #index: ResultIndex;
  readonly #pods: Pick<Store<PodObservation>, 'getByUid'>;
  readonly #selects: (pod: PodObservation) => boolean;
  readonly #runNameOf: (pod: PodObservation) => string;

  constructor(options: ResultTrackerOptions) {
    this.#index = options.index;
    this.#pods = options.pods;
    this.#selects = options.selects;
    this.#runNameOf = options.runNameOf;
  }

  onPod(event: ReflectorEvent<PodObservation>): void {
    if (event.type === 'Synced') return;
    const pod = event.object;
    const known = this.#index.get(pod.uid);
    if (known === undefined && !this.#selects(pod)) return;
    const live = event.type === 'Added' && event.live ? event.receivedAt : undefined;
    const state = known ?? firstState(pod, this.#runNameOf(pod), live);
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
      // While its Pod lives the result is made again, from what is known here.
      if (pod === undefined) this.#index.remove(stored.uid);
      return;
    }
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
