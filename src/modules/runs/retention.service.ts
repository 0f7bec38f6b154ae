import { Inject, Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { SETTINGS } from '../../settings/settings.js';
import type { Settings } from '../../settings/settings.js';
import { sleep, systemClock } from '../kube/clock.js';
import { isConflict, isNotFound } from '../kube/kube-api-error.js';
import { KubeClient } from '../kube/kube-client.js';
import { formatKey } from '../kube/resource.js';
import type { Store } from '../kube/resource.js';
import { InjectStore, OperatorEngine } from '../operator/index.js';
import { PODS } from '../pods/pod.resource.js';
import { DATAPATH_RESULTS, resultName } from '../results/result-conversion.js';
import type { ResultView } from '../results/result-conversion.js';
import { ResultIndex } from '../results/result-index.js';
import { expiredResults } from './retention-plan.js';

/** Between two looks, milliseconds. */
const INTERVAL_MS = 1_000;
/** Results that are deleted per look: with the removal of their finalizers 200 writes a second, a fraction of what a burst costs. */
const AT_ONCE = 100;
const CONCURRENCY = 8;
/** How long a deletion is waited for before it is asked for again, milliseconds. */
const GOING_MS = 60_000;

/** Deletes results by age and number, on the leader. Their runs keep their numbers. */
@Injectable()
export class RetentionService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Logger(RetentionService.name);
  readonly #clock = systemClock;
  readonly #stopping = new AbortController();
  /** When each result was asked to go, by the uid of its Pod; monotonic milliseconds. */
  readonly #going = new Map<string, number>();
  #loop: Promise<void> | undefined;

  constructor(
    private readonly client: KubeClient,
    private readonly engine: OperatorEngine,
    private readonly index: ResultIndex,
    @InjectStore(PODS) private readonly pods: Store<PodObservation>,
    @InjectStore(DATAPATH_RESULTS) private readonly results: Store<ResultView>,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  onApplicationBootstrap(): void {
    const { resultTtlMs, maxResults } = this.settings;
    if (resultTtlMs > 0 || maxResults > 0) this.#loop = this.#run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(this.#clock, INTERVAL_MS, signal);
      if (signal.aborted || !this.engine.synced || !this.engine.leader) continue;
      try {
        await this.#deleteExpired(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn('results could not be deleted, trying again', { error: String(error) });
      }
    }
  }

  async #deleteExpired(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    for (const [uid, sinceMs] of this.#going) {
      if (nowMs - sinceMs > GOING_MS || this.index.table.slotOf(uid) === undefined) this.#going.delete(uid);
    }
    const uids = expiredResults(
      this.index.table,
      { ttlMs: this.settings.resultTtlMs, maxResults: this.settings.maxResults },
      new Set(this.#going.keys()),
      (uid) => this.pods.getByUid(uid) !== undefined,
      this.#clock.epochMs(),
      AT_ONCE,
    );
    if (uids.length === 0) return;
    const waiting = uids.values();
    const worker = async (): Promise<void> => {
      for (const uid of waiting) await this.#delete(uid, nowMs, signal);
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, uids.length) }, worker));
    this.#logger.debug('deleted results by age or number', { results: uids.length });
  }

  async #delete(podUid: string, nowMs: number, signal: AbortSignal): Promise<void> {
    const slot = this.index.table.slotOf(podUid);
    if (slot === undefined) return;
    const key = { namespace: this.index.table.text('namespace', slot) ?? '', name: resultName(podUid) };
    const stored = this.results.get(formatKey(key));
    // Not stored yet: it is about to be, and goes another time.
    if (stored === undefined) return;
    this.#going.set(podUid, nowMs);
    if (stored.deletionTimestamp !== undefined) return;
    try {
      await this.client.delete(DATAPATH_RESULTS, key, { uid: stored.uid }, { signal });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}
