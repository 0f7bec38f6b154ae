/** One attempt to reach one target: name, connection, TLS session, HTTP answer, each step timed by the monotonic clock. */
import type { ProbePhases } from '../datapath/report.js';
import { messageOf } from './log.js';
import type { Clock, Timers } from './clock.js';
import { candidates, connectFirst } from './connect-first.js';
import { encodeRequest, HttpResponseParser } from './http-message.js';
import type { HttpHead } from './http-message.js';
import { isIpAddress } from './ip-address.js';
import { failureOf, timeoutFailure } from './probe-failure.js';
import type { ProbeFailure, ProbePhase } from './probe-failure.js';
import type { Resolver } from './resolver.js';
import type { ProbeSettings } from './settings.js';
import type { Connect, Socket, SocketError } from './socket.js';
import { bracket, parseTargets } from './target.js';
import type { Target } from './target.js';

export interface ProbeIo {
  readonly connect: Connect;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Content of `PROBE_CA_FILE`. */
  readonly ca: string | undefined;
}

export type AttemptResult =
  | {
      readonly ok: true;
      /** Monotonic nanoseconds of the success. */ readonly at: bigint;
      readonly phases: ProbePhases;
    }
  | {
      readonly ok: false;
      readonly failure: ProbeFailure;
      /** Whether a name was the obstacle. */ readonly phase: ProbePhase;
    };

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const PHASE_KEYS = { dns: 'dnsMs', connect: 'connectMs', tls: 'tlsMs', firstByte: 'firstByteMs' } as const;

export class Attempt {
  private phase: ProbePhase = 'dns';
  private phaseBegan = 0n;
  private readonly began: bigint;
  private readonly phasesNs: Partial<Record<ProbePhase, bigint>> = {};
  private socket: Socket | undefined;
  private cancelLookup: (() => void) | undefined;
  private readonly cancelTimeout: () => void;
  private redirects = 0;
  private done = false;

  /** Begins at once. `finished` is called exactly once, except after {@link abandon}; never before the constructor has returned. */
  constructor(
    private target: Target,
    private readonly settings: ProbeSettings,
    private readonly io: ProbeIo,
    private readonly finished: (result: AttemptResult) => void,
  ) {
    this.began = io.clock.monotonic();
    this.phaseBegan = this.began;
    this.cancelTimeout = io.timers.after(settings.attemptTimeoutMs, () => this.expire());
    this.open();
  }

  /** Counts it as failed now, by the step in which it hangs. */
  expire(): void {
    // Rounded up: the runtime's timers may fire a fraction of a millisecond early.
    const elapsed = Number((this.io.clock.monotonic() - this.began + 999_999n) / 1_000_000n);
    this.fail(timeoutFailure(this.phase, Math.min(elapsed, this.settings.attemptTimeoutMs)));
  }

  /** Ends it without a result. */
  abandon(): void {
    this.done = true;
    this.release();
  }

  private open(): void {
    const { target } = this;
    if (target.protocol !== 'dns' && isIpAddress(target.host)) {
      this.phase = 'connect';
      this.connect([target.host]);
      return;
    }
    this.phase = 'dns';
    this.cancelLookup = this.io.resolver.resolve(target.host, (result) => {
      this.cancelLookup = undefined;
      if (this.done) return;
      if ('message' in result) {
        this.fail({ kind: 'dns', message: result.message });
        return;
      }
      this.step('connect');
      if (target.protocol === 'dns') this.succeed();
      else this.connect(candidates(result.addresses));
    });
  }

  private connect(addresses: readonly string[]): void {
    const { target, settings, io } = this;
    const tls =
      target.protocol === 'https'
        ? {
            serverName: settings.serverName ?? target.host,
            ca: io.ca,
            // With `blocked` any answer is a breach, whoever gave it.
            verify: settings.verifyTls && settings.expect === 'reachable',
          }
        : undefined;
    this.socket = connectFirst(io.connect, addresses, target.port, tls, {
      connected: () => {
        if (target.protocol === 'tcp') {
          this.step('firstByte');
          this.succeed();
          return;
        }
        this.step(tls === undefined ? 'firstByte' : 'tls');
        if (tls === undefined) this.request();
      },
      secured: () => {
        this.step('firstByte');
        if (this.anyAnswerCounts) this.succeed();
        else this.request();
      },
      received: (chunk) => this.receive(chunk),
      closed: (error) => this.closed(error),
    });
    if (this.done) this.socket.destroy();
  }

  private parser = new HttpResponseParser();

  private request(): void {
    const { target, settings } = this;
    this.parser = new HttpResponseParser();
    const port = target.port === (target.protocol === 'https' ? 443 : 80) ? '' : `:${target.port}`;
    const text = encodeRequest({
      method: 'GET',
      path: target.path,
      headers: [
        ['Host', settings.hostHeader ?? `${bracket(target.host)}${port}`],
        ['User-Agent', 'datapath-reporter'],
        ['Accept', '*/*'],
        ['Connection', 'close'],
      ],
    });
    this.socket?.write(text);
  }

  private receive(chunk: Uint8Array): void {
    if (this.phasesNs.firstByte === undefined || this.phase === 'firstByte') this.step('firstByte');
    try {
      this.parser.push(chunk);
    } catch (error) {
      // What isn't HTTP has no status. A body is none of a probe's business, however long or broken.
      if (this.parser.head === undefined) {
        if (this.anyAnswerCounts) this.succeed();
        else this.fail({ kind: 'other', message: messageOf(error) });
        return;
      }
    }
    if (this.parser.head !== undefined) this.judge(this.parser.head);
  }

  /** Whether the target is only to be reached by nothing at all: then what it says doesn't matter, be it HTTP or not. */
  private get anyAnswerCounts(): boolean {
    return this.settings.expect === 'blocked' && !this.settings.statusesSet;
  }

  private judge(head: HttpHead): void {
    const { settings } = this;
    const location = head.headers.get('location');
    if (settings.followRedirects && REDIRECTS.has(head.status) && location !== undefined) {
      this.follow(location);
      return;
    }
    if (this.anyAnswerCounts || settings.statuses.some(({ from, to }) => head.status >= from && head.status <= to))
      this.succeed();
    else this.fail({ kind: 'httpStatus', message: `answered with status ${head.status}` });
  }

  private follow(location: string): void {
    this.redirects += 1;
    if (this.redirects > MAX_REDIRECTS) {
      this.fail({ kind: 'httpStatus', message: `more than ${MAX_REDIRECTS} redirects` });
      return;
    }
    try {
      const url = new URL(
        location,
        `${this.target.protocol}://${bracket(this.target.host)}:${this.target.port}${this.target.path}`,
      );
      const [target] = parseTargets(`${url.protocol}//${url.host}${url.pathname}${url.search.replaceAll(',', '%2C')}`);
      if (target === undefined || (target.protocol !== 'http' && target.protocol !== 'https'))
        throw new Error('not HTTP');
      this.target = target;
    } catch {
      this.fail({ kind: 'httpStatus', message: 'redirects to an address that is no http or https target' });
      return;
    }
    this.socket?.destroy();
    this.step('dns');
    this.open();
  }

  private closed(error: SocketError | undefined): void {
    if (this.done) return;
    if (error === undefined) {
      this.fail({ kind: 'reset', message: 'the peer closed the connection without an answer' });
      return;
    }
    const failure = failureOf(error.code, error.message, this.phase);
    if (failure.kind === 'tls' && this.anyAnswerCounts) {
      // A handshake that the target refuses is an answer: it asks for a client's certificate, or speaks no TLS.
      this.step('firstByte');
      this.succeed();
    } else this.fail(failure);
  }

  /** Closes the current step's account and begins the next step. */
  private step(next: ProbePhase): void {
    const now = this.io.clock.monotonic();
    this.phasesNs[this.phase] = (this.phasesNs[this.phase] ?? 0n) + (now - this.phaseBegan);
    this.phaseBegan = now;
    this.phase = next;
  }

  private succeed(): void {
    if (this.done) return;
    const at = this.phaseBegan;
    const phases: { -readonly [key in keyof ProbePhases]: ProbePhases[key] } = {};
    for (const phase of ['dns', 'connect', 'tls', 'firstByte'] as const) {
      const ns = this.phasesNs[phase];
      if (ns !== undefined) phases[PHASE_KEYS[phase]] = Number(ns / 1_000_000n);
    }
    this.finish({ ok: true, at, phases });
  }

  private fail(failure: ProbeFailure): void {
    if (!this.done) this.finish({ ok: false, failure, phase: this.phase });
  }

  private finish(result: AttemptResult): void {
    this.done = true;
    this.release();
    this.finished(result);
  }

  private release(): void {
    this.cancelTimeout();
    this.cancelLookup?.();
    this.socket?.destroy();
  }
}
