/**
 * Probes all targets until it is known how they stand. Attempts start on a grid of `PROBE_INTERVAL` from the start and overlap, so
 * that one which hangs doesn't hold up the next; the first success of a target counts. So readiness is late by one interval at most,
 * be the packets refused or dropped in silence.
 */
import type { ProbePhases } from '../datapath/report.js';
import type { ProbeErrorKind } from '../datapath/vocabulary.js';
import { Attempt } from './attempt.js';
import type { AttemptResult, ProbeIo } from './attempt.js';
import type { ProbeFailure } from './probe-failure.js';
import type { ProbeSettings } from './settings.js';
import type { Target } from './target.js';

export interface ProbeOutcome {
  readonly state: 'Ready' | 'TimedOut' | 'Breached';
  /** Monotonic nanoseconds: of the last success needed, of the breach, or of the window's end. */
  readonly at: bigint;
  readonly phases: ProbePhases | undefined;
}

export interface ProbeTally {
  readonly attempts: number;
  readonly errors: Readonly<Partial<Record<ProbeErrorKind, number>>>;
  readonly lastError: ProbeFailure | undefined;
}

/** Attempts of one target that may hang at once; the oldest is given up for a new one. */
const MAX_IN_FLIGHT = 64;

interface TargetProgress {
  readonly target: Target;
  readonly inFlight: Set<Attempt>;
  cancelNext: () => void;
  succeeded: boolean;
  /** Whether an attempt came further than its name: only then an unreachable target says anything of a policy. */
  resolved: boolean;
  lastError: ProbeFailure | undefined;
}

export class Prober {
  private readonly progress: readonly TargetProgress[];
  private readonly errors: Partial<Record<ProbeErrorKind, number>> = {};
  private attempts = 0;
  private latest: TargetProgress | undefined;
  private began = 0n;
  private cancelDeadline: () => void = () => undefined;
  private ended = false;

  constructor(
    private readonly settings: ProbeSettings,
    private readonly io: ProbeIo,
    private readonly on: {
      /** Once, unless stopped. */
      readonly finished: (outcome: ProbeOutcome) => void;
      /** After each failed attempt. */
      readonly failed?: () => void;
    },
  ) {
    this.progress = settings.targets.map((target) => ({
      target,
      inFlight: new Set(),
      cancelNext: () => undefined,
      succeeded: false,
      resolved: target.protocol === 'dns',
      lastError: undefined,
    }));
  }

  get tally(): ProbeTally {
    return { attempts: this.attempts, errors: { ...this.errors }, lastError: this.lastError() };
  }

  /** Starts the first attempt of each target before it returns. */
  start(): void {
    this.began = this.io.clock.monotonic();
    for (const each of this.progress) this.attempt(each, 0);
    this.cancelDeadline = this.io.timers.after(this.settings.timeoutMs, () => this.deadline());
  }

  /** Ends all attempts without an outcome. */
  stop(): void {
    this.ended = true;
    this.cancelDeadline();
    for (const each of this.progress) this.rest(each);
  }

  private attempt(each: TargetProgress, slot: number): void {
    if (this.ended || each.succeeded) return;
    this.scheduleAfter(each, slot);
    if (each.inFlight.size >= MAX_IN_FLIGHT) each.inFlight.values().next().value?.expire();
    this.attempts += 1;
    const attempt = new Attempt(each.target, this.settings, this.io, (result) => {
      each.inFlight.delete(attempt);
      this.settle(each, result);
    });
    each.inFlight.add(attempt);
  }

  /** The grid keeps its beat: a timer that came late moves no later slot, and slots that were missed are left out. */
  private scheduleAfter(each: TargetProgress, slot: number): void {
    const elapsedMs = Number(this.io.clock.monotonic() - this.began) / 1e6;
    const next = Math.max(slot + 1, Math.ceil(elapsedMs / this.settings.intervalMs));
    each.cancelNext = this.io.timers.after(next * this.settings.intervalMs - elapsedMs, () => this.attempt(each, next));
  }

  private settle(each: TargetProgress, result: AttemptResult): void {
    if (result.ok || result.phase !== 'dns') each.resolved = true;
    if (!result.ok) {
      each.lastError = result.failure;
      this.latest = each;
      this.errors[result.failure.kind] = (this.errors[result.failure.kind] ?? 0) + 1;
      if (!this.ended) this.on.failed?.();
      return;
    }
    if (this.ended || each.succeeded) return;
    each.succeeded = true;
    this.rest(each);
    if (this.settings.expect === 'blocked') {
      this.latest = each;
      each.lastError = { kind: 'other', message: `${each.target.text} answered, though it must be blocked` };
      this.finish({ state: 'Breached', at: result.at, phases: result.phases });
    } else if (this.progress.every(({ succeeded }) => succeeded)) {
      this.finish({ state: 'Ready', at: result.at, phases: result.phases });
    }
  }

  private deadline(): void {
    const at = this.io.clock.monotonic();
    this.ended = true;
    // Attempts that the end cuts short say nothing, unless nothing else was learned of their target.
    for (const each of this.progress) if (each.lastError === undefined) each.inFlight.values().next().value?.expire();
    const blocked = this.settings.expect === 'blocked' && this.progress.every(({ resolved }) => resolved);
    this.finish({ state: blocked ? 'Ready' : 'TimedOut', at, phases: undefined });
  }

  private finish(outcome: ProbeOutcome): void {
    this.stop();
    this.on.finished(outcome);
  }

  private rest(each: TargetProgress): void {
    each.cancelNext();
    for (const attempt of each.inFlight) attempt.abandon();
    each.inFlight.clear();
  }

  /** The newest error, of a target that still fails where there is one. */
  private lastError(): ProbeFailure | undefined {
    const failing = this.progress.filter(({ succeeded, lastError }) => !succeeded && lastError !== undefined);
    const chosen = failing.includes(this.latest as TargetProgress) ? this.latest : (failing[0] ?? this.latest);
    if (chosen?.lastError === undefined || this.progress.length === 1) return chosen?.lastError;
    return { kind: chosen.lastError.kind, message: `${chosen.target.text}: ${chosen.lastError.message}` };
  }
}
