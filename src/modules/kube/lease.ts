import { BehaviorSubject, distinctUntilChanged, type Observable } from 'rxjs';
import { type Clock, type Random, sleep, type Timer } from './clock.js';
import { isAlreadyExists, isConflict, isNotFound, NotLeaderError } from './kube-api-error.js';
import type { KubeClient } from './kube-client.js';
import { KubeLeaseLock, type LeaseCall, type LeaseLock, type LeaseRecord, type LeaseSpec } from './lease-lock.js';
import type { StructuredLogger } from './logger.js';
import type { ObjectKey } from './resource.js';

/** Times of an election, in milliseconds. client-go's defaults: 15 s, 10 s, 2 s. */
export interface LeaseSettings {
  /** How long others wait after the last renewal they saw before they take the lease. Default 15,000; whole seconds. */
  readonly leaseDurationMs: number;
  /** How long after its last renewal a leader may still write. Default 10,000: the rest is the margin for a write under way. */
  readonly renewDeadlineMs: number;
  /** Between two attempts to take or renew, before jitter. Default 2,000. */
  readonly retryPeriodMs: number;
  /** The part of the retry period that chance may add. Default 0.2. */
  readonly jitter: number;
}

export const DEFAULT_LEASE_SETTINGS: LeaseSettings = {
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
  jitter: 0.2,
};

interface ElectionOptions {
  /** Unique among the replicas. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: StructuredLogger;
  readonly settings?: Partial<LeaseSettings> | undefined;
}

/** What is competed for: a Lease of the API server, by its key, or any other record with the same promises. */
export type LeaderElectorOptions = ElectionOptions &
  ({ readonly client: KubeClient; readonly lease: ObjectKey } | { readonly lock: LeaseLock });

/**
 * Elects one leader among the replicas, on a Lease.
 *
 * Guarantees
 * - Two electors never both answer true to `isLeader()`, as long as the monotonic clocks of their machines run at the same rate: a leader counts from before
 *   its renewal was sent and stops 5 s before others, who count from when they saw it, may begin.
 * - `isLeader()` reads the clock when it is asked. A process that was frozen or whose event loop stalled past the deadline gets `false`, whether or not its timers
 *   have run.
 * - Losing the lease isn't an end: the elector goes on trying.
 * - `stop()` gives the lease back, so that another replica leads within its retry period.
 *
 * Caveats: a write that was sent while leading may arrive after the lease passed on. The clock doesn't run while a machine is suspended.
 */
export class LeaderElector {
  /** Whether this replica leads: the present answer, then every change. */
  readonly leading$: Observable<boolean>;

  readonly #options: ElectionOptions;
  readonly #lock: LeaseLock;
  readonly #settings: LeaseSettings;
  readonly #leading = new BehaviorSubject(false);
  readonly #abort = new AbortController();
  #run: Promise<void> | undefined;
  #held: LeaseRecord | undefined;
  /** When the last successful renewal was sent, in milliseconds of the monotonic clock. */
  #renewedAt = Number.NEGATIVE_INFINITY;
  #deadline: Timer | undefined;
  /** The last lease of somebody else, and when it was first seen in that version. */
  #observedVersion = '';
  #observedAt = 0;
  #holder: string | undefined;
  #failures = 0;

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.#lock = 'lock' in options ? options.lock : new KubeLeaseLock(options.client, options.lease);
    this.#settings = { ...DEFAULT_LEASE_SETTINGS, ...options.settings };
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.#settings;
    if (!(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > retryPeriodMs && retryPeriodMs > 0)) {
      throw new RangeError(
        `a lease needs duration > renew deadline > retry period > 0, not ${leaseDurationMs}, ${renewDeadlineMs} and ${retryPeriodMs} ms`,
      );
    }
    this.leading$ = this.#leading.pipe(distinctUntilChanged());
  }

  get identity(): string {
    return this.#options.identity;
  }

  /** Who holds the lease, as far as is known. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /** Attempts to take or renew that failed since the start. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether this replica may write at this moment. */
  isLeader(): boolean {
    return this.marginMs() > 0;
  }

  /** Milliseconds for which this replica may still write without another renewal; 0 when it may not. */
  marginMs(): number {
    if (this.#held === undefined) return 0;
    const elapsed = this.#options.clock.monotonicMs() - this.#renewedAt;
    return Math.max(0, this.#settings.renewDeadlineMs - elapsed);
  }

  /** @throws NotLeaderError when this replica may not write at this moment: for `KubeClient.fenceWrites` */
  assertLeader(): void {
    if (!this.isLeader()) throw new NotLeaderError();
  }

  start(): void {
    this.#run ??= this.#loop();
  }

  /** Stops the election and gives the lease back. Resolves when that was tried; a lease that can't be given back expires. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#run;
    this.#deadline?.cancel();
    const held = this.isLeader() ? this.#held : undefined;
    this.#stepDown('stopped');
    if (held !== undefined) await this.#release(held);
    this.#leading.complete();
  }

  async #loop(): Promise<void> {
    const { clock, random, logger } = this.#options;
    const { retryPeriodMs, jitter } = this.#settings;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#attempt();
      } catch (error) {
        if (signal.aborted) break;
        this.#failures++;
        logger.warn('the lease could not be taken or renewed', { lease: this.#lock.name, error });
      }
      if (this.#held !== undefined && !this.isLeader()) this.#stepDown('not renewed in time');
      await sleep(clock, retryPeriodMs * (1 + jitter * random()), signal);
    }
  }

  async #attempt(): Promise<void> {
    const sentAt = this.#options.clock.monotonicMs();
    if (this.#held !== undefined && this.isLeader()) {
      await this.#renew(this.#held, sentAt);
      return;
    }
    const lease = await this.#lock.read(this.#call());
    if (lease === undefined) {
      await this.#take(sentAt, () => this.#lock.create(this.#specAfter(undefined), this.#call()));
      return;
    }
    const holder = lease.spec.holderIdentity ?? '';
    this.#holder = holder === '' ? undefined : holder;
    if (holder !== '' && holder !== this.identity && !this.#isExpired(lease)) return;
    await this.#take(sentAt, () => this.#lock.replace(lease, this.#specAfter(lease), this.#call()));
  }

  async #renew(held: LeaseRecord, sentAt: number): Promise<void> {
    try {
      this.#holds(await this.#lock.replace(held, { renewTime: this.#microTime() }, this.#call()), sentAt);
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error;
      // Somebody else wrote the lease, or removed it: read it before anything else is believed.
      const lease = await this.#lock.read(this.#call());
      if (lease !== undefined && lease.spec.holderIdentity === this.identity) {
        // It was this replica's own renewal, whose answer got lost.
        const againAt = this.#options.clock.monotonicMs();
        this.#holds(await this.#lock.replace(lease, { renewTime: this.#microTime() }, this.#call()), againAt);
        return;
      }
      this.#holder = lease?.spec?.holderIdentity ?? undefined;
      this.#stepDown('taken by another');
    }
  }

  /** Takes the lease; losing the race for it is no failure. */
  async #take(sentAt: number, write: () => Promise<LeaseRecord>): Promise<void> {
    try {
      this.#holds(await write(), sentAt);
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error) && !isNotFound(error)) throw error;
    }
  }

  #holds(lease: LeaseRecord, sentAt: number): void {
    this.#held = lease;
    this.#renewedAt = sentAt;
    this.#holder = this.identity;
    this.#deadline?.cancel();
    const { clock, logger } = this.#options;
    const margin = this.marginMs();
    if (margin <= 0) return;
    // Says it in time even while a renewal hangs.
    this.#deadline = clock.setTimer(() => {
      if (!this.isLeader()) this.#stepDown('not renewed in time');
    }, margin);
    if (this.#leading.value) return;
    logger.log('this replica leads', { lease: this.#lock.name, identity: this.identity });
    this.#leading.next(true);
  }

  #stepDown(reason: string): void {
    this.#held = undefined;
    this.#deadline?.cancel();
    if (!this.#leading.value) return;
    this.#options.logger.warn('this replica no longer leads', { lease: this.#lock.name, reason });
    this.#leading.next(false);
  }

  /** Whether the holder's time is over, counted from when this replica first saw this version: no foreign clock is trusted. */
  #isExpired(lease: LeaseRecord): boolean {
    const now = this.#options.clock.monotonicMs();
    const version = `${lease.uid}/${lease.version}`;
    if (version !== this.#observedVersion) {
      this.#observedVersion = version;
      this.#observedAt = now;
    }
    const durationMs = (lease.spec.leaseDurationSeconds ?? this.#settings.leaseDurationMs / 1000) * 1000;
    return now - this.#observedAt >= durationMs;
  }

  async #release(held: LeaseRecord): Promise<void> {
    const spec = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: this.#microTime() };
    try {
      await this.#lock.replace(held, spec, { ...this.#call(), signal: new AbortController().signal });
    } catch (error) {
      this.#options.logger.warn('the lease could not be given back and will expire', {
        lease: this.#lock.name,
        error,
      });
    }
  }

  #call(): LeaseCall {
    return { signal: this.#abort.signal, timeoutMs: this.#settings.renewDeadlineMs / 2 };
  }

  #specAfter(lease: LeaseRecord | undefined): LeaseSpec {
    const previous = lease?.spec;
    const again = previous?.holderIdentity === this.identity;
    const time = this.#microTime();
    return {
      holderIdentity: this.identity,
      leaseDurationSeconds: Math.ceil(this.#settings.leaseDurationMs / 1000),
      acquireTime: again ? (previous.acquireTime ?? time) : time,
      renewTime: time,
      leaseTransitions: lease === undefined ? 0 : (previous?.leaseTransitions ?? 0) + (again ? 0 : 1),
    };
  }

  /** `metav1.MicroTime`: RFC 3339 with exactly six digits. */
  #microTime(): string {
    return new Date(this.#options.clock.epochMs()).toISOString().replace('Z', '000Z');
  }
}
