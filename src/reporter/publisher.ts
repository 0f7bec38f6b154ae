/**
 * Brings the newest report to the API server, beside the probe and never before it. Calls follow one another; a report that is
 * overtaken by a newer one while it waits is not sent. Failures are retried with jittered back-off as long as they may pass.
 */
import type { ApiClient, PatchResult } from './api-client.js';
import type { Timers } from './clock.js';
import type { Identity } from './identity.js';
import type { Logger } from './log.js';

export type PublishState = 'idle' | 'sending' | 'waiting' | 'refused';
export type Settlement = 'written' | 'refused' | 'gaveUp';

export interface PublisherOptions {
  readonly client: Pick<ApiClient, 'patchPod' | 'close'>;
  readonly identity: Identity;
  readonly timers: Timers;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly logger: Logger;
  /** Whether the Pod's spec is needed, to know the reporter's place in it. */
  readonly wantsPod: boolean;
}

const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 5000;
const MAX_UNAUTHORIZED = 5;

type Annotations = Readonly<Record<string, string>>;

export class Publisher {
  /** The Pod as the first successful patch returned it. */
  pod: unknown;
  private pending: Annotations | undefined;
  private state: PublishState = 'idle';
  private failures = 0;
  private unauthorized = 0;
  private cancelWait: () => void = () => undefined;
  private waiters: ((settlement: Settlement) => void)[] = [];

  constructor(private readonly options: PublisherOptions) {}

  /** Takes a report's annotations; those of an earlier one that wasn't sent yet are replaced. */
  publish(annotations: Annotations): void {
    this.pending = annotations;
    if (this.state === 'sending') return;
    this.cancelWait();
    this.send(annotations);
  }

  /** Resolves when the newest report has been written or refused, at the latest after `withinMs`. */
  settled(withinMs: number): Promise<Settlement> {
    if (this.pending === undefined) return Promise.resolve('written');
    if (this.state === 'refused') return Promise.resolve('refused');
    return new Promise((resolve) => {
      const cancel = this.options.timers.after(withinMs, () => resolve('gaveUp'));
      this.waiters.push((settlement) => {
        cancel();
        resolve(settlement);
      });
    });
  }

  stop(): void {
    this.cancelWait();
    this.options.client.close();
  }

  private send(annotations: Annotations): void {
    this.state = 'sending';
    const wantsPod = this.options.wantsPod && this.pod === undefined;
    // patchPod never rejects: each failure is a result.
    void this.options.client
      .patchPod(this.options.identity, { annotations, wantsPod })
      .then((result) => this.settle(annotations, result));
  }

  private settle(sent: Annotations, result: PatchResult): void {
    const { logger } = this.options;
    switch (result.kind) {
      case 'written':
        this.failures = 0;
        this.unauthorized = 0;
        this.pod ??= result.pod;
        this.state = 'idle';
        if (this.pending === sent) {
          this.pending = undefined;
          this.tell('written');
        } else if (this.pending !== undefined) this.send(this.pending);
        return;
      case 'refused':
        logger.warn('the API server refused the report; it stays in the termination message', {
          code: result.code,
          reason: result.message,
        });
        this.state = 'refused';
        // A right may have been given since: the report of readiness gets its own try.
        if (this.pending !== sent && this.pending !== undefined) this.send(this.pending);
        else this.tell('refused');
        return;
      case 'retry': {
        this.unauthorized += result.code === 401 ? 1 : 0;
        if (this.unauthorized > MAX_UNAUTHORIZED) {
          this.settle(sent, { kind: 'refused', code: result.code, message: result.message });
          return;
        }
        const delayMs = Math.max(result.afterMs ?? 0, backoffMs(this.failures, this.options.random()));
        this.failures += 1;
        logger.warn('the API server did not take the report; trying again', {
          code: result.code,
          reason: result.message,
          delayMs: Math.round(delayMs),
        });
        this.state = 'waiting';
        this.cancelWait = this.options.timers.after(delayMs, () => {
          if (this.pending !== undefined) this.send(this.pending);
        });
        return;
      }
      default: {
        const exhaustiveCheck: never = result;
        return exhaustiveCheck;
      }
    }
  }

  private tell(settlement: Settlement): void {
    const { waiters } = this;
    this.waiters = [];
    for (const waiter of waiters) waiter(settlement);
  }
}

/** Doubling from 200 ms to 5 s, each between half and the whole of that, so that a thousand Pods don't come back as one wave. */
export function backoffMs(failures: number, random: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 10)) * (0.5 + random / 2);
}
