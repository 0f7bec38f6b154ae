/** One line of the API server's audit log, as far as the invariants need it. */

/** `audit.k8s.io/v1` Event. Bodies are there where `tools/control-plane/audit-policy.ts` asks for them. */
export interface AuditEvent {
  readonly auditID: string;
  readonly stage: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestObject?: unknown;
  readonly responseObject?: unknown;
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

/** Reads one line. @returns `undefined` for what is no whole event, such as the line that is just being written */
export function parseAuditLine(line: string): AuditEvent | undefined {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof event !== 'object' || event === null || !('stage' in event) || !('user' in event)) return undefined;
  return event as AuditEvent;
}

/** Milliseconds since the Unix epoch with the microseconds that audit events have. */
export function epochMsOf(timestamp: string): number {
  const micros = /\.\d{3}(\d{1,3})/.exec(timestamp)?.[1];
  return Date.parse(timestamp) + (micros === undefined ? 0 : Number(micros.padEnd(3, '0')) / 1000);
}

/**
 * Who sent it, told apart by credential: replicas share a service account, but each process has a token of its own, whose id the
 * API server writes down.
 */
export function actorOf(event: AuditEvent): string {
  const [credential] = event.user.extra?.['authentication.kubernetes.io/credential-id'] ?? [];
  return credential ?? `${event.user.username} ${event.userAgent ?? ''}`;
}

export function isWrite(event: AuditEvent): boolean {
  return ['create', 'update', 'patch', 'delete', 'deletecollection'].includes(event.verb);
}

export function succeeded(event: AuditEvent): boolean {
  const code = event.responseStatus?.code ?? 0;
  return code >= 200 && code < 300;
}
