import { isAborted, isKubeApiError, type KubeApiError, type KubeStatus } from './kube-api-error.js';
import type { Failure, FailureReason } from './reflector-state.js';

/** What an error of the client means for a reflector. Undefined: the reflector itself ended the call. */
export function failureOf(error: unknown): Failure | undefined {
  if (isAborted(error)) return undefined;
  if (!isKubeApiError(error)) {
    return { reason: 'malformed', code: 0, detail: error instanceof Error ? error.message : String(error) };
  }
  return {
    reason: reasonOf(error, 'status'),
    code: error.code,
    retryAfterMs: error.retryAfterMs,
    detail: error.message,
  };
}

/** What an `ERROR` event within a watch means. */
export function failureOfErrorEvent(error: KubeApiError): Failure {
  return {
    reason: reasonOf(error, 'error_event'),
    code: error.code,
    retryAfterMs: error.retryAfterMs,
    detail: error.message,
  };
}

function reasonOf(error: KubeApiError, other: FailureReason): FailureReason {
  switch (error.code) {
    case 0:
      return error.reason === 'MalformedBody' ? 'malformed' : 'transport';
    case 410:
      return 'expired';
    case 429:
      return 'throttled';
    case 401:
    case 403:
      return 'refused';
    default:
      return isVersionTooLarge(error.status) ? 'rewound' : other;
  }
}

/** The server was asked for a version that it hasn't reached: etcd was restored from a backup, or an API server lags far behind. */
function isVersionTooLarge(status: KubeStatus | undefined): boolean {
  return (
    status?.details?.causes?.some((cause) => cause.reason === 'ResourceVersionTooLarge') === true ||
    status?.message?.includes('Too large resource version') === true
  );
}
