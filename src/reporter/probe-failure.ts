/** Why an attempt failed: from the error codes of sockets to the kinds that reports use. Pure. */
import type { ProbeErrorKind } from '../datapath/vocabulary.js';

/** The steps of an attempt, in their order. */
export type ProbePhase = 'dns' | 'connect' | 'tls' | 'firstByte';

export interface ProbeFailure {
  readonly kind: ProbeErrorKind;
  readonly message: string;
}

const KIND_BY_CODE: Readonly<Record<string, ProbeErrorKind>> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'connectTimeout',
  EHOSTUNREACH: 'noRoute',
  ENETUNREACH: 'noRoute',
  EHOSTDOWN: 'noRoute',
  ENETDOWN: 'noRoute',
  EADDRNOTAVAIL: 'noRoute',
  // A packet filter in the Pod's own namespace says so of what it drops on the way out.
  EPERM: 'noRoute',
  EACCES: 'noRoute',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
};

/** @param code the socket's error code, such as `ECONNREFUSED` */
export function failureOf(code: string | undefined, message: string, phase: ProbePhase): ProbeFailure {
  const known = code === undefined ? undefined : KIND_BY_CODE[code];
  if (known !== undefined) return { kind: known, message };
  if (phase === 'tls') return { kind: 'tls', message };
  return { kind: phase === 'dns' ? 'dns' : 'other', message };
}

/** An attempt that its own timeout ended: the kind is that of the step it hung in. */
export function timeoutFailure(phase: ProbePhase, timeoutMs: number): ProbeFailure {
  switch (phase) {
    case 'dns':
      return { kind: 'dns', message: `no answer from the name server within ${timeoutMs} ms` };
    case 'connect':
      return { kind: 'connectTimeout', message: `no connection within ${timeoutMs} ms` };
    case 'tls':
      return { kind: 'tls', message: `no TLS session within ${timeoutMs} ms` };
    case 'firstByte':
      // Neither of the kinds is true of it: the connection stands, and no status was given.
      return { kind: 'other', message: `connected, but no HTTP answer within ${timeoutMs} ms` };
    default: {
      const exhaustiveCheck: never = phase;
      return exhaustiveCheck;
    }
  }
}
