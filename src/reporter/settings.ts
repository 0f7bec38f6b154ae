/**
 * Every setting of the reporter, read once from the environment. A wrong value is told at once with its name, the value and what
 * is allowed: never as a probe that fails until its timeout. An empty value counts as not set, as manifests with optional
 * references produce it.
 */
import { show } from '../datapath/report.js';
import { isOneOf } from '../datapath/vocabulary.js';
import { formatDurationMs, parseDurationMs } from './duration.js';
import { isIpAddress, isIpv4, isIpv6 } from './ip-address.js';
import { parseTargets, PROTOCOLS, TargetError } from './target.js';
import type { Protocol, Target } from './target.js';

export const EXPECTATIONS = ['reachable', 'blocked'] as const;
export type Expectation = (typeof EXPECTATIONS)[number];
export const AFTER_REPORT = ['auto', 'exit', 'idle'] as const;
export type AfterReport = (typeof AFTER_REPORT)[number];
export const ON_TIMEOUT = ['pass', 'fail'] as const;
export type OnTimeout = (typeof ON_TIMEOUT)[number];

export type Environment = Readonly<Record<string, string | undefined>>;

/** An inclusive range of HTTP status codes. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** How an attempt goes and what it must find. */
export interface ProbeSettings {
  readonly targets: readonly Target[];
  readonly expect: Expectation;
  /** How long to probe, or with `blocked` to watch; milliseconds. */
  readonly timeoutMs: number;
  /** From the start of one attempt to the start of the next; milliseconds. */
  readonly intervalMs: number;
  /** After which an attempt counts as failed; milliseconds. */
  readonly attemptTimeoutMs: number;
  /** Statuses that count as success; with `blocked` and none set, every answer counts. */
  readonly statuses: readonly StatusRange[];
  readonly statusesSet: boolean;
  readonly followRedirects: boolean;
  /** PEM file of the authorities that may have signed the target's certificate, instead of the runtime's own list. */
  readonly caFile: string | undefined;
  /** Name sent as SNI and looked for in the certificate, instead of the target's host. */
  readonly serverName: string | undefined;
  readonly verifyTls: boolean;
  /** `Host` header instead of the target's. */
  readonly hostHeader: string | undefined;
}

export interface ListenAddress {
  /** Empty for all addresses. */
  readonly host: string;
  readonly port: number;
}

export interface Settings {
  readonly probe: ProbeSettings;
  readonly podName: string | undefined;
  readonly podNamespace: string | undefined;
  readonly podUid: string | undefined;
  readonly afterReport: AfterReport;
  readonly onTimeout: OnTimeout;
  readonly listen: ListenAddress | undefined;
  readonly apiHost: string | undefined;
  readonly apiPort: number;
  /** Milliseconds for one call of the API server. */
  readonly apiTimeoutMs: number;
  /** Milliseconds for the report to reach the API server once the probe has ended. */
  readonly reportTimeoutMs: number;
  readonly serviceAccountDir: string;
  readonly terminationLog: string;
  readonly memoryDir: string;
  readonly idleProgram: string | undefined;
  readonly resolvConf: string;
  readonly hostsFile: string;
  readonly clockOffsetMs: number;
}

/** All that is wrong with the environment, one sentence each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('; '));
  }
}

/** Where the token, the certificate authority and the namespace of a Pod's service account are mounted. */
const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

const KNOWN_PROBE_SETTINGS: ReadonlySet<string> = new Set([
  'PROBE_TARGET',
  'PROBE_PROTOCOL',
  'PROBE_TIMEOUT',
  'PROBE_INTERVAL',
  'PROBE_ATTEMPT_TIMEOUT',
  'PROBE_EXPECT',
  'PROBE_STATUS',
  'PROBE_FOLLOW_REDIRECTS',
  'PROBE_CA_FILE',
  'PROBE_SERVER_NAME',
  'PROBE_TLS_VERIFY',
  'PROBE_HOST_HEADER',
]);

/** @throws SettingsError that names every wrong setting */
export function readSettings(env: Environment): Settings {
  const problems: string[] = [];
  const read = new Reader(env, problems);
  const settings: Settings = {
    probe: readProbe(read),
    podName: read.name('MY_POD_NAME', 'POD_NAME'),
    podNamespace: read.name('MY_POD_NAMESPACE', 'POD_NAMESPACE'),
    podUid: read.uid('MY_POD_UID', 'POD_UID'),
    afterReport: read.oneOf('AFTER_REPORT', AFTER_REPORT, 'auto'),
    onTimeout: read.oneOf('ON_TIMEOUT', ON_TIMEOUT, 'pass'),
    listen: read.listen('LISTEN'),
    apiHost: read.host('KUBERNETES_SERVICE_HOST'),
    apiPort: read.port('KUBERNETES_SERVICE_PORT', 443),
    apiTimeoutMs: read.duration('API_TIMEOUT', 5000, 100, 60_000),
    reportTimeoutMs: read.duration('REPORT_TIMEOUT', 10_000, 0, 600_000),
    serviceAccountDir: read.text('SERVICE_ACCOUNT_DIR') ?? SERVICE_ACCOUNT_DIR,
    terminationLog: read.text('TERMINATION_LOG') ?? '/dev/termination-log',
    memoryDir: read.text('MEMORY_DIR') ?? '/dev/shm',
    idleProgram: read.text('IDLE_PROGRAM'),
    resolvConf: read.text('RESOLV_CONF') ?? '/etc/resolv.conf',
    hostsFile: read.text('HOSTS_FILE') ?? '/etc/hosts',
    clockOffsetMs: read.duration('CLOCK_OFFSET', 0, -86_400_000, 86_400_000),
  };
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

function readProbe(read: Reader): ProbeSettings {
  const targets = read.targets('PROBE_TARGET', read.oneOf<Protocol>('PROBE_PROTOCOL', PROTOCOLS, 'tcp'));
  const statuses = read.statuses('PROBE_STATUS');
  return {
    targets,
    expect: read.oneOf('PROBE_EXPECT', EXPECTATIONS, 'reachable'),
    timeoutMs: read.duration('PROBE_TIMEOUT', 60_000, 100, 86_400_000),
    intervalMs: read.duration('PROBE_INTERVAL', 100, 10, 60_000),
    attemptTimeoutMs: read.duration('PROBE_ATTEMPT_TIMEOUT', 1000, 10, 300_000),
    statuses: statuses ?? [{ from: 200, to: 399 }],
    statusesSet: statuses !== undefined,
    followRedirects: read.boolean('PROBE_FOLLOW_REDIRECTS', false),
    caFile: read.text('PROBE_CA_FILE'),
    serverName: read.hostName('PROBE_SERVER_NAME'),
    verifyTls: read.boolean('PROBE_TLS_VERIFY', true),
    hostHeader: read.header('PROBE_HOST_HEADER'),
  };
}

/** Mistyped names of settings; not an error, since a Service called `probe` puts variables of such names into every Pod beside it. */
export function unknownSettings(env: Environment): readonly string[] {
  return Object.keys(env).filter(
    (name) => name.startsWith('PROBE_') && !KNOWN_PROBE_SETTINGS.has(name) && !/_SERVICE_|_PORT(_|$)/.test(name),
  );
}

const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/;

class Reader {
  constructor(
    private readonly env: Environment,
    private readonly problems: string[],
  ) {}

  text(name: string): string | undefined {
    const value = this.env[name]?.trim();
    return value === undefined || value === '' ? undefined : value;
  }

  /** The first of several names that is set, checked as the name of a Kubernetes object. */
  name(...names: readonly string[]): string | undefined {
    return this.matching(
      names,
      /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
      'a name of lower-case letters, digits, "-" and "."',
    );
  }

  uid(...names: readonly string[]): string | undefined {
    return this.matching(names, /^[A-Za-z0-9-]{1,64}$/, 'a uid of letters, digits and "-"');
  }

  hostName(name: string): string | undefined {
    return this.matching([name], HOST_NAME, 'a DNS name');
  }

  /** An IP address, be it in brackets or not, or a DNS name; without brackets. */
  host(name: string): string | undefined {
    const value = this.text(name)?.replace(/^\[(.*)\]$/, '$1');
    if (value === undefined || isIpAddress(value)) return value;
    return HOST_NAME.test(value) ? value : this.wrong(name, 'an IP address or a DNS name', undefined);
  }

  header(name: string): string | undefined {
    return this.matching([name], /^[\x21-\x7e]{1,255}$/, 'the value of a Host header, without blanks');
  }

  oneOf<T extends string>(name: string, list: readonly T[], fallback: T): T {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const lower = value.toLowerCase();
    if (isOneOf(list, lower)) return lower;
    return this.wrong(name, `one of ${list.join(', ')}`, fallback);
  }

  boolean(name: string, fallback: boolean): boolean {
    return this.oneOf(name, ['true', 'false'], fallback ? 'true' : 'false') === 'true';
  }

  duration(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const ms = parseDurationMs(value);
    if (ms !== undefined && ms >= min && ms <= max) return ms;
    const range = `${formatDurationMs(min)} to ${formatDurationMs(max)}`;
    return this.wrong(name, `seconds or a duration such as 60, 1.5, 250ms or 1m30s, from ${range}`, fallback);
  }

  port(name: string, fallback: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const port = /^\d{1,5}$/.test(value) ? Number(value) : 0;
    return port >= 1 && port <= 65_535 ? port : this.wrong(name, 'a port of 1 to 65535', fallback);
  }

  listen(name: string): ListenAddress | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(value);
    const host = match?.[1] ?? match?.[2] ?? '';
    const port = Number(match?.[3] ?? 0);
    const hostFits = host === '' || (match?.[1] === undefined ? isIpv4(host) : isIpv6(host));
    if (match !== null && hostFits && port >= 1 && port <= 65_535) return { host, port };
    return this.wrong(name, 'a port, :port, IPv4:port or [IPv6]:port', undefined);
  }

  statuses(name: string): readonly StatusRange[] | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const ranges = value.split(',').map((piece) => {
      const match = /^\s*(\d{3})(?:\s*-\s*(\d{3}))?\s*$/.exec(piece);
      const from = Number(match?.[1] ?? 0);
      return { from, to: Number(match?.[2] ?? from) };
    });
    if (ranges.every(({ from, to }) => from >= 200 && from <= to && to <= 599)) return ranges;
    return this.wrong(name, 'status codes of 200 to 599 and ranges of them, such as 200-399 or 200,204', undefined);
  }

  targets(name: string, fallback: Protocol): readonly Target[] {
    const value = this.text(name);
    if (value === undefined) {
      this.problems.push(
        `${name} is not set: must be what to probe, such as 10.0.0.1:443, http://web.default.svc/healthz or dns://web`,
      );
      return [];
    }
    try {
      return parseTargets(value, fallback);
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      this.problems.push(`${name} ${error.message}`);
      return [];
    }
  }

  private matching(names: readonly string[], pattern: RegExp, allowed: string): string | undefined {
    const name = names.find((candidate) => this.text(candidate) !== undefined);
    if (name === undefined) return undefined;
    const value = this.text(name) ?? '';
    return pattern.test(value) ? value : this.wrong(name, allowed, undefined);
  }

  private wrong<T>(name: string, allowed: string, fallback: T): T {
    this.problems.push(`${name} is ${show(this.text(name))}: must be ${allowed}`);
    return fallback;
  }
}
