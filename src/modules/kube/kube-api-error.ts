/** The API server's `metav1.Status`, as far as it is read here. */
export interface KubeStatus {
  readonly kind?: string;
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    readonly name?: string;
    readonly kind?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  };
}

export interface KubeApiErrorOptions {
  /** The HTTP status, or 0 when no answer arrived. */
  readonly code: number;
  /** The API's reason (`NotFound`, `Conflict`, …), or ours for a transport failure (`ConnectionRefused`, `Timeout`, …). */
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
  readonly status?: KubeStatus | undefined;
  readonly cause?: unknown;
}

/**
 * A call to the API server that didn't succeed. The message never holds headers, tokens or bodies that were sent.
 */
export class KubeApiError extends Error {
  override readonly name = 'KubeApiError';
  readonly code: number;
  readonly reason: string;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The Status object of the answer, where it had one. */
  readonly status: KubeStatus | undefined;

  constructor(options: KubeApiErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
  }
}

/** A write was refused here, before it was sent, because this process doesn't hold the lease now. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError';

  constructor(message = 'this replica does not hold the lease now, so it must not write') {
    super(message);
  }
}

export function isKubeApiError(error: unknown): error is KubeApiError {
  return error instanceof KubeApiError;
}

export function isNotFound(error: unknown): boolean {
  return hasCode(error, 404);
}

/** A write lost against another one (409 that isn't AlreadyExists). */
export function isConflict(error: unknown): boolean {
  return hasCode(error, 409) && (error as KubeApiError).reason !== 'AlreadyExists';
}

export function isAlreadyExists(error: unknown): boolean {
  return hasCode(error, 409) && (error as KubeApiError).reason === 'AlreadyExists';
}

/** The resource version or continue token is older than what the server remembers. */
export function isGone(error: unknown): boolean {
  return hasCode(error, 410);
}

export function isTooManyRequests(error: unknown): boolean {
  return hasCode(error, 429);
}

/** The content was refused (422): validation, an immutable field, or a JSON Patch `test` that failed. */
export function isInvalid(error: unknown): boolean {
  return hasCode(error, 422);
}

/** The namespace is being deleted, so that nothing can be made in it any more (403). */
export function isNamespaceTerminating(error: unknown): boolean {
  if (!hasCode(error, 403)) return false;
  const causes = (error as KubeApiError).status?.details?.causes ?? [];
  return causes.some((cause) => cause.reason === 'NamespaceTerminating');
}

/** No answer arrived: refused, reset, timed out, no such name, TLS. Whether a write took effect is unknown. */
export function isTransport(error: unknown): boolean {
  return hasCode(error, 0);
}

/** The caller itself ended the call through its AbortSignal. */
export function isAborted(error: unknown): boolean {
  return isTransport(error) && (error as KubeApiError).reason === 'Aborted';
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof KubeApiError && error.code === code;
}

/** Makes the error of an HTTP answer that isn't 2xx. `text` is the body, JSON Status or not. */
export function errorFromResponse(code: number, text: string, retryAfter: string | undefined): KubeApiError {
  const status = parseStatus(text);
  const message = status?.message ?? text.slice(0, 200).trim();
  return new KubeApiError({
    code,
    reason: status?.reason ?? defaultReason(code),
    message: message === '' ? `the API server answered ${code}` : message,
    retryAfterMs: retryAfterMs(retryAfter, status),
    status,
  });
}

/** Makes the error of an `ERROR` event within a watch. */
export function errorFromStatus(status: KubeStatus): KubeApiError {
  const code = status.code ?? 500;
  return new KubeApiError({
    code,
    reason: status.reason ?? defaultReason(code),
    message: status.message ?? 'the watch reported an error',
    retryAfterMs: retryAfterMs(undefined, status),
    status,
  });
}

const TRANSPORT_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'ConnectionRefused',
  ECONNRESET: 'ConnectionReset',
  EPIPE: 'ConnectionReset',
  ECONNABORTED: 'ConnectionReset',
  HPE_INVALID_CONSTANT: 'Protocol',
  ENOTFOUND: 'NameResolution',
  EAI_AGAIN: 'NameResolution',
  ETIMEDOUT: 'Timeout',
  EHOSTUNREACH: 'NoRoute',
  ENETUNREACH: 'NoRoute',
};

/** Makes the error of a call that got no answer. */
export function errorFromTransport(cause: unknown): KubeApiError {
  if (cause instanceof KubeApiError) return cause;
  const code = errorCode(cause);
  const reason = TRANSPORT_REASONS[code] ?? (isTlsCode(code) ? 'Tls' : 'Transport');
  const text = cause instanceof Error ? cause.message : String(cause);
  return new KubeApiError({ code: 0, reason, message: text, cause });
}

function errorCode(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return '';
  return typeof cause.code === 'string' ? cause.code : '';
}

function isTlsCode(code: string): boolean {
  return (
    code.startsWith('ERR_TLS') ||
    code.startsWith('ERR_SSL') ||
    code.startsWith('CERT_') ||
    code.startsWith('UNABLE_TO_') ||
    code.startsWith('DEPTH_ZERO') ||
    code.startsWith('SELF_SIGNED')
  );
}

function parseStatus(text: string): KubeStatus | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status'
      ? (value as KubeStatus)
      : undefined;
  } catch {
    // A proxy in between may answer with anything; the raw text then stands in the message.
    return undefined;
  }
}

function retryAfterMs(header: string | undefined, status: KubeStatus | undefined): number | undefined {
  const seconds = header === undefined ? status?.details?.retryAfterSeconds : Number(header);
  return seconds !== undefined && Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function defaultReason(code: number): string {
  return REASONS[code] ?? 'Unknown';
}
