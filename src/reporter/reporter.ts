/**
 * One run of the reporter. The order of its steps is what keeps the measurement clean: the first attempts are on their way before
 * anything is written, and the API server's turn (loading TLS, a handshake) comes between attempts or after the last.
 */
import type { Files } from './files.js';
import { uptimeMs } from './clock.js';
import type { Report } from '../datapath/report.js';
import { encodeReport } from '../datapath/report.js';
import type { ApiAccess } from './api-access.js';
import type { ProbeIo } from './attempt.js';
import { EXIT } from './exit-codes.js';
import type { Logger } from './log.js';
import { messageOf } from './log.js';
import { memoryPath, recall, remember } from './memory.js';
import type { Memory } from './memory.js';
import { afterReport, placeOf } from './pod-place.js';
import { Prober } from './prober.js';
import type { ProbeOutcome } from './prober.js';
import type { Settlement } from './publisher.js';
import { annotationsOf, buildReport } from './report-builder.js';
import type { Settings } from './settings.js';

/** How the process ends. */
export type Ending = { readonly action: 'exit'; readonly code: number } | { readonly action: 'idle' };

export interface ReporterOptions {
  readonly settings: Settings;
  /** Whether `TERMINATION_LOG` was given: only then the file may be made. */
  readonly createTerminationLog: boolean;
  readonly io: ProbeIo;
  readonly files: Files;
  readonly logger: Logger;
  /** The way to the API server, looked for once the first attempts have begun. */
  readonly findApi: () => ApiAccess;
}

/** How long the first attempts have the process to themselves. */
const UNDISTURBED_MS = 5;

/** How long after a first attempt its answer may take before the API server gets its turn, at most half an interval. */
const HEAD_START_MS = 50;

/** What is on disk is at most this much older than what is known, for a process that is killed. */
const SAVE_EVERY_NS = 1_000_000_000n;

/** The last write after SIGTERM: well within the 30 s that a Pod has by default. */
const LAST_WRITE_MS = 2000;

export class Reporter {
  private readonly prober: Prober;
  private memoryFile = '';
  private readonly targetText: string;
  private api: ApiAccess = { uid: undefined, memoryOwner: '', publisher: undefined };
  private memory: Memory | undefined;
  private startUptimeMs = 0;
  private prepared = false;
  private measuredBefore = false;
  private cancelPrepare: () => void = () => undefined;
  private outcome: ProbeOutcome | undefined;
  private stopped = false;
  private savedAt: bigint | undefined;
  private cancelHeadStart: () => void = () => undefined;
  private resolve: (ending: Ending) => void = () => undefined;
  private readonly warned = new Set<string>();

  constructor(private readonly options: ReporterOptions) {
    const { probe } = options.settings;
    this.targetText = probe.targets.map(({ text }) => text).join(',');
    this.prober = new Prober(probe, options.io, {
      finished: (outcome) => void this.finish(outcome),
      failed: () => this.keepUp(),
    });
  }

  /** Resolves once, with what the process shall do next. The first attempts have begun when this returns. */
  run(): Promise<Ending> {
    const { io, settings } = this.options;
    return new Promise((resolve) => {
      this.resolve = resolve;
      this.prober.start();
      this.cancelPrepare = io.timers.after(UNDISTURBED_MS, () => this.keepUp());
      const headStart = Math.min(HEAD_START_MS, settings.probe.intervalMs / 2);
      this.cancelHeadStart = io.timers.after(headStart, () =>
        this.api.publisher?.publish(annotationsOf(this.report())),
      );
    });
  }

  /** What must not come before the first attempts and would make their answers seem late: files and memory. */
  private prepare(): void {
    if (this.prepared) return;
    this.prepared = true;
    this.cancelPrepare();
    const { io, files } = this.options;
    this.api = this.options.findApi();
    const { probe, memoryDir } = this.options.settings;
    this.memoryFile = memoryPath(memoryDir, `${this.api.memoryOwner} ${probe.expect} ${this.targetText}`);
    const uptimeNow = uptimeMs(files.read('/proc/uptime'));
    this.startUptimeMs = uptimeNow - Number((io.clock.monotonic() - io.clock.monotonicStart) / 1_000_000n);
    this.memory = recall(files, this.memoryFile, uptimeNow, this.api.uid);
    const before = this.memory?.report.state;
    if (before !== 'Ready' && before !== 'Breached') return;
    // A predecessor has measured already: its result stands, and is delivered once more with the count of restarts.
    this.prober.stop();
    this.cancelHeadStart();
    this.measuredBefore = true;
    this.save();
    if (!this.stopped) void this.leave();
  }

  /** SIGTERM: leaves a true report and ends. */
  terminate(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.prepare();
    this.cancelHeadStart();
    this.prober.stop();
    this.save();
    void this.publish(LAST_WRITE_MS).then(() => this.end({ action: 'exit', code: this.exitCode() }));
  }

  private async finish(outcome: ProbeOutcome): Promise<void> {
    this.prepare();
    if (this.measuredBefore) return;
    this.outcome = outcome;
    this.cancelHeadStart();
    this.save();
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
    const { settings } = this.options;
    const settlement = await this.publish(settings.reportTimeoutMs);
    if (this.stopped) return;
    const code = this.exitCode();
    if (code !== EXIT.done) {
      this.end({ action: 'exit', code });
      return;
    }
    let place = placeOf(this.api.publisher?.pod);
    // What couldn't be written (a right withdrawn, a network cut off meanwhile) is delivered by the container's end, at the price of
    // one restart, as by a reporter that never had a right.
    if (place === 'mustIdle' && settlement !== 'written') place = 'unknown';
    const action = afterReport(settings.afterReport, place, this.memory?.completed === true);
    this.options.logger.info(action === 'idle' ? 'idling until SIGTERM' : 'done', { place, written: settlement });
    if (action === 'exit') this.remember(this.report(), true);
    this.end(action === 'exit' ? { action, code: EXIT.done } : { action });
  }

  private end(ending: Ending): void {
    this.api.publisher?.stop();
    this.resolve(ending);
  }

  private async publish(withinMs: number): Promise<Settlement | 'unavailable'> {
    const { publisher } = this.api;
    if (publisher === undefined) return 'unavailable';
    publisher.publish(annotationsOf(this.report()));
    const settlement = await publisher.settled(withinMs);
    if (settlement === 'gaveUp')
      this.options.logger.warn(
        'the API server could not be reached in time; the report stays in the termination message',
      );
    return settlement;
  }

  private exitCode(): number {
    const { state } = this.report();
    if (state === 'Probing' || state === 'Stopped') return EXIT.terminated;
    if (state === 'Ready' || this.options.settings.onTimeout === 'pass') return EXIT.done;
    return state === 'Breached' ? EXIT.breached : EXIT.timeout;
  }

  private report(): Report {
    const { memory, outcome } = this;
    const { io } = this.options;
    if (memory !== undefined && this.measuredBefore) {
      return { ...memory.report, restarts: memory.report.restarts + 1 };
    }
    return buildReport({
      state: outcome?.state ?? (this.stopped ? 'Stopped' : 'Probing'),
      clock: io.clock,
      target: this.targetText,
      uid: this.api.uid,
      memory,
      startUptimeMs: this.startUptimeMs,
      tally: this.prober.tally,
      outcome,
    });
  }

  /** Saves what is known if that is due. */
  private keepUp(): void {
    this.prepare();
    const { savedAt } = this;
    if (savedAt === undefined || this.options.io.clock.monotonic() - savedAt >= SAVE_EVERY_NS) this.save();
  }

  /** Writes memory and termination message, so that even a killed process leaves what was true a second ago. */
  private save(): void {
    const { settings, io, files, createTerminationLog } = this.options;
    this.savedAt = io.clock.monotonic();
    const report = this.report();
    this.remember(report, false);
    try {
      files.overwrite(settings.terminationLog, encodeReport(report), createTerminationLog);
    } catch (error) {
      this.warnOnce('the termination message could not be written', messageOf(error));
    }
  }

  private remember(report: Report, completed: boolean): void {
    const failure = remember(this.options.files, this.memoryFile, {
      report,
      startUptimeMs: this.memory?.startUptimeMs ?? this.startUptimeMs,
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
