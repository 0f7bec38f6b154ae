/**
 * One run of the reporter. The order of its steps is what keeps the measurement clean: the first attempts are on their way before
 * anything is written, and the API server's turn (loading TLS, a handshake) comes between attempts or after the last.
 */
import { overwriteFile } from './files.js';
import type { Report } from '../datapath/report.js';
import { encodeReport } from '../datapath/report.js';
import type { ProbeIo } from './attempt.js';
import { EXIT } from './exit-codes.js';
import type { Logger } from './log.js';
import { messageOf } from './log.js';
import { memoryPath, recall, remember } from './memory.js';
import type { Memory } from './memory.js';
import { afterReport, placeOf } from './pod-place.js';
import { Prober } from './prober.js';
import type { ProbeOutcome } from './prober.js';
import type { Publisher, Settlement } from './publisher.js';
import { annotationsOf, buildReport } from './report-builder.js';
import type { Settings } from './settings.js';

/** How the process ends. */
export type Ending = { readonly action: 'exit'; readonly code: number } | { readonly action: 'idle' };

export interface ReporterOptions {
  readonly settings: Settings;
  /** Whether `TERMINATION_LOG` was given: only then the file may be made. */
  readonly createTerminationLog: boolean;
  readonly io: ProbeIo;
  readonly logger: Logger;
  readonly uid: string | undefined;
  /** Absent where the Pod has no token or no API server: the report goes into the termination message alone. */
  readonly publisher: Publisher | undefined;
}

/** How long after a first attempt its answer may take before the API server gets its turn, at most half an interval. */
const HEAD_START_MS = 50;

/** What is on disk is at most this much older than what is known, for a process that is killed. */
const SAVE_EVERY_NS = 1_000_000_000n;

/** The last write after SIGTERM: well within the 30 s that a Pod has by default. */
const LAST_WRITE_MS = 2000;

export class Reporter {
  private readonly prober: Prober;
  private readonly memoryFile: string;
  private readonly targetText: string;
  private memory: Memory | undefined;
  private outcome: ProbeOutcome | undefined;
  private stopped = false;
  private savedAt = 0n;
  private cancelHeadStart: () => void = () => undefined;
  private end: (ending: Ending) => void = () => undefined;
  private readonly warned = new Set<string>();

  constructor(private readonly options: ReporterOptions) {
    const { probe, memoryDir } = options.settings;
    this.targetText = probe.targets.map(({ text }) => text).join(',');
    this.memoryFile = memoryPath(memoryDir, `${probe.expect} ${this.targetText}`);
    this.prober = new Prober(probe, options.io, {
      finished: (outcome) => void this.finish(outcome),
      failed: () => this.saveNowAndThen(),
    });
  }

  /** Resolves once, with what the process shall do next. The first attempts have begun when this returns. */
  run(): Promise<Ending> {
    const { io, settings, uid, publisher } = this.options;
    return new Promise((resolve) => {
      this.end = resolve;
      this.memory = recall(this.memoryFile, io.clock.monotonic(), uid);
      const before = this.memory?.report.state;
      if (before === 'Ready' || before === 'Breached') {
        void this.resume();
        return;
      }
      this.prober.start();
      this.save(false);
      const headStart = Math.min(HEAD_START_MS, settings.probe.intervalMs / 2);
      this.cancelHeadStart = io.timers.after(headStart, () => publisher?.publish(annotationsOf(this.report())));
    });
  }

  /** SIGTERM: leaves a true report and ends. */
  terminate(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.cancelHeadStart();
    this.prober.stop();
    const code = this.isKnown() ? EXIT.done : EXIT.terminated;
    this.save(false);
    void this.publish(LAST_WRITE_MS).then(() => this.end({ action: 'exit', code }));
  }

  /** A predecessor has measured already: its result stands, and is delivered once more with the count of restarts. */
  private async resume(): Promise<void> {
    this.save(this.memory?.completed === true);
    await this.leave();
  }

  private async finish(outcome: ProbeOutcome): Promise<void> {
    this.outcome = outcome;
    this.cancelHeadStart();
    this.save(false);
    const report = this.report();
    this.options.logger.info('the probe ended', {
      state: report.state,
      delayMs: report.delayMs,
      attempts: report.attempts,
      restarts: report.restarts,
      lastError: report.lastError === undefined ? undefined : `${report.lastError.kind}: ${report.lastError.message}`,
    });
    await this.leave();
  }

  private async leave(): Promise<void> {
    const { settings, publisher } = this.options;
    const settlement = await this.publish(settings.reportTimeoutMs);
    if (this.stopped) return;
    const state = this.report().state;
    const failed = settings.onTimeout === 'fail' && state !== 'Ready';
    if (failed) {
      this.end({ action: 'exit', code: state === 'Breached' ? EXIT.breached : EXIT.timeout });
      return;
    }
    const place = placeOf(publisher?.pod);
    const action = afterReport(settings.afterReport, place, this.memory?.completed === true);
    this.options.logger.info(action === 'idle' ? 'idling until SIGTERM' : 'done', { place, written: settlement });
    if (action === 'exit') this.save(true);
    this.end(action === 'exit' ? { action, code: EXIT.done } : { action });
  }

  private async publish(withinMs: number): Promise<Settlement | 'unavailable'> {
    const { publisher, logger } = this.options;
    if (publisher === undefined) return 'unavailable';
    publisher.publish(annotationsOf(this.report()));
    const settlement = await publisher.settled(withinMs);
    if (settlement === 'gaveUp')
      logger.warn('the API server could not be reached in time; the report stays in the termination message');
    return settlement;
  }

  private isKnown(): boolean {
    const state = this.report().state;
    return state === 'Ready' || state === 'Breached' || state === 'TimedOut';
  }

  private report(): Report {
    const { memory, outcome } = this;
    const { io, uid } = this.options;
    const before = memory?.report;
    if (before !== undefined && (before.state === 'Ready' || before.state === 'Breached')) {
      return { ...before, restarts: before.restarts + 1 };
    }
    return buildReport({
      state: outcome?.state ?? (this.stopped ? 'Stopped' : 'Probing'),
      clock: io.clock,
      target: this.targetText,
      uid,
      memory,
      tally: this.prober.tally,
      outcome,
    });
  }

  private saveNowAndThen(): void {
    if (this.options.io.clock.monotonic() - this.savedAt >= SAVE_EVERY_NS) this.save(false);
  }

  /** Writes the termination message and the memory, so that even a killed process leaves what was true a second ago. */
  private save(completed: boolean): void {
    const { settings, io, createTerminationLog } = this.options;
    this.savedAt = io.clock.monotonic();
    const report = this.report();
    try {
      overwriteFile(settings.terminationLog, encodeReport(report), createTerminationLog);
    } catch (error) {
      this.warnOnce('the termination message could not be written', messageOf(error));
    }
    const failure = remember(this.memoryFile, {
      report,
      monotonicStart: this.memory?.monotonicStart ?? io.clock.monotonicStart,
      completed: completed || this.memory?.completed === true,
    });
    if (failure !== undefined) this.warnOnce('nothing can be remembered for a restart', failure);
  }

  private warnOnce(message: string, reason: string): void {
    if (this.warned.has(message)) return;
    this.warned.add(message);
    this.options.logger.warn(message, { reason });
  }
}
