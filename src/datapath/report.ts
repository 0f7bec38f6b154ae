/**
 * The report: what a reporter learned, as it stands in the Pod's `datapath.observer/report` annotation and in the container's
 * termination message. Written by the reporter, read by the controller; both use this file, so that they can't disagree.
 */
import { MAX_REPORT_BYTES } from './annotations.js';
import { formatInstant, parseInstant } from './instant.js';
import type { Instant } from './instant.js';
import { isOneOf, PROBE_ERROR_KINDS } from './vocabulary.js';
import type { ProbeErrorKind } from './vocabulary.js';

/**
 * Where the reporter stands.
 * - `Probing`: started, no success yet
 * - `Ready`: every target answered (or, with `PROBE_EXPECT=blocked`, none did for the whole window)
 * - `TimedOut`: `PROBE_TIMEOUT` passed first
 * - `Breached`: a target that had to be blocked answered
 * - `Stopped`: SIGTERM came first
 * - `ConfigError`: a setting is wrong; nothing was probed
 */
export const REPORT_STATES = ['Probing', 'Ready', 'TimedOut', 'Breached', 'Stopped', 'ConfigError'] as const;
export type ReportState = (typeof REPORT_STATES)[number];

/** Whole milliseconds of the successful attempt's steps; a step that didn't take place is absent. */
export interface ProbePhases {
  readonly dnsMs?: number;
  readonly connectMs?: number;
  readonly tlsMs?: number;
  readonly firstByteMs?: number;
}

export interface ProbeError {
  readonly kind: ProbeErrorKind;
  readonly message: string;
}

export interface Report {
  readonly state: ReportState;
  /** Start of the reporter's first process in this Pod. */
  readonly startedAt: Instant;
  /** First success; with `Breached` the instant at which the blocked target answered. */
  readonly readyAt?: Instant;
  /** `startedAt` to `readyAt` by one monotonic clock, whole milliseconds. */
  readonly delayMs?: number;
  /** Attempts begun so far, over all targets. */
  readonly attempts: number;
  /** How often the reporter's container was started again. */
  readonly restarts: number;
  /** The targets, canonical, separated by commas. */
  readonly target: string;
  readonly lastError?: ProbeError;
  /** Failed attempts by kind. */
  readonly errors?: Readonly<Partial<Record<ProbeErrorKind, number>>>;
  readonly phases?: ProbePhases;
  /** The Pod's uid where the reporter knew it. */
  readonly uid?: string;
}

/** The longest message and target that a report carries, in characters; more is cut with an ellipsis. */
const MAX_TEXT = 400;

const encoder = new TextEncoder();

/** The report as compact JSON of at most {@link MAX_REPORT_BYTES} bytes of UTF-8: texts are shortened until it fits. */
export function encodeReport(report: Report): string {
  for (let limit = MAX_TEXT; ; limit = Math.floor(limit / 2)) {
    const text = JSON.stringify({
      v: 1,
      state: report.state,
      startedAt: formatInstant(report.startedAt),
      readyAt: report.readyAt === undefined ? undefined : formatInstant(report.readyAt),
      delayMs: report.delayMs,
      attempts: report.attempts,
      restarts: report.restarts,
      target: shorten(report.target, limit),
      lastError:
        report.lastError === undefined
          ? undefined
          : { kind: report.lastError.kind, message: shorten(report.lastError.message, limit) },
      errors: report.errors,
      phases: report.phases,
      uid: report.uid,
    });
    if (limit === 0 || encoder.encode(text).length <= MAX_REPORT_BYTES) return text;
  }
}

export type DecodedReport = { readonly report: Report } | { readonly problem: string };

/**
 * Reads a report that came from a Pod, which is hostile input: every field is checked, numbers must be whole and in range,
 * unknown fields are ignored (a newer reporter may add some). The problem names the field and what is allowed.
 */
export function decodeReport(text: string): DecodedReport {
  if (text.length > MAX_REPORT_BYTES) return problem(`is longer than ${MAX_REPORT_BYTES} characters`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return problem('is not JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return problem('is not a JSON object');
  const field = json as Record<string, unknown>;
  if (field['v'] !== 1) return problem(`v is ${show(field['v'])}, must be 1`);
  const state = field['state'];
  if (!isOneOf(REPORT_STATES, state)) {
    return problem(`state is ${show(state)}, must be one of ${REPORT_STATES.join(', ')}`);
  }
  const startedAt = instantOf(field['startedAt']);
  if (startedAt === undefined)
    return problem(`startedAt is ${show(field['startedAt'])}, must be an RFC 3339 date-time`);
  const readyAt = instantOf(field['readyAt']);
  if (readyAt === undefined && field['readyAt'] !== undefined) {
    return problem(`readyAt is ${show(field['readyAt'])}, must be an RFC 3339 date-time`);
  }
  if (readyAt === undefined && (state === 'Ready' || state === 'Breached')) return problem(`readyAt is missing`);
  for (const name of ['attempts', 'restarts'] as const) {
    if (!isCount(field[name])) return problem(`${name} is ${show(field[name])}, must be a whole number from 0`);
  }
  if (field['delayMs'] !== undefined && !isCount(field['delayMs'])) {
    return problem(`delayMs is ${show(field['delayMs'])}, must be a whole number from 0`);
  }
  const lastError = errorOf(field['lastError']);
  const phases = phasesOf(field['phases']);
  const errors = errorsOf(field['errors']);
  return {
    report: {
      state,
      startedAt,
      ...(readyAt === undefined ? {} : { readyAt }),
      ...(field['delayMs'] === undefined ? {} : { delayMs: field['delayMs'] as number }),
      attempts: field['attempts'] as number,
      restarts: field['restarts'] as number,
      target: typeof field['target'] === 'string' ? shorten(field['target'], MAX_TEXT) : '',
      ...(lastError === undefined ? {} : { lastError }),
      ...(errors === undefined ? {} : { errors }),
      ...(phases === undefined ? {} : { phases }),
      ...(typeof field['uid'] === 'string' ? { uid: field['uid'] } : {}),
    },
  };
}

/** Cuts a text to at most `limit` characters, the last of them an ellipsis, never inside a surrogate pair. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  if (limit <= 0) return '';
  let cut = text.slice(0, limit - 1);
  const last = cut.charCodeAt(cut.length - 1);
  if (last >= 0xd800 && last <= 0xdbff) cut = cut.slice(0, -1);
  return `${cut}…`;
}

/** A foreign value as it may stand in a message: quoted, escaped, short. */
export function show(value: unknown): string {
  return value === undefined ? 'missing' : shorten(JSON.stringify(value) ?? String(value), 60);
}

function problem(text: string): DecodedReport {
  return { problem: text };
}

function instantOf(value: unknown): Instant | undefined {
  return typeof value === 'string' ? parseInstant(value) : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 2 ** 31;
}

function errorOf(value: unknown): ProbeError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, message } = value as Record<string, unknown>;
  if (!isOneOf(PROBE_ERROR_KINDS, kind)) return undefined;
  return { kind, message: typeof message === 'string' ? shorten(message, MAX_TEXT) : '' };
}

function errorsOf(value: unknown): Partial<Record<ProbeErrorKind, number>> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const counts: Partial<Record<ProbeErrorKind, number>> = {};
  for (const kind of PROBE_ERROR_KINDS) {
    const count = (value as Record<string, unknown>)[kind];
    if (isCount(count) && count > 0) counts[kind] = count;
  }
  return Object.keys(counts).length === 0 ? undefined : counts;
}

function phasesOf(value: unknown): ProbePhases | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const source = value as Record<string, unknown>;
  const phases: Record<string, number> = {};
  for (const name of ['dnsMs', 'connectMs', 'tlsMs', 'firstByteMs'] as const) {
    if (isCount(source[name])) phases[name] = source[name];
  }
  return Object.keys(phases).length === 0 ? undefined : phases;
}
