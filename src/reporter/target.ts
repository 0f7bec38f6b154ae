/** What is probed: `PROBE_TARGET` taken apart. Pure. */
import { show } from '../datapath/report.js';
import { isOneOf } from '../datapath/vocabulary.js';
import { isIpAddress, isIpv4, isIpv6 } from './ip-address.js';

export const PROTOCOLS = ['http', 'https', 'tcp', 'dns'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface Target {
  readonly protocol: Protocol;
  /** Name or IP address, without brackets, lower case. */
  readonly host: string;
  /** 0 with `dns`, which has none. */
  readonly port: number;
  /** Path and query of an HTTP request; empty elsewhere. */
  readonly path: string;
  /** The canonical form, as reports name it. A query is left out: it may hold a secret. */
  readonly text: string;
}

/** More targets than this in one reporter are a mistake, and would not fit a report. */
export const MAX_TARGETS = 16;

export class TargetError extends Error {
  override readonly name = 'TargetError';
}

const DEFAULT_PORTS: Readonly<Partial<Record<Protocol, number>>> = { http: 80, https: 443 };
const FORMS =
  'host:port, [IPv6]:port, tcp://host:port, http://host[:port][/path], https://host[:port][/path] or dns://name';

/**
 * Reads a list of targets, separated by commas.
 *
 * @param fallback protocol of targets without a scheme (`PROBE_PROTOCOL`); TCP where there is none
 * @throws TargetError with what is wrong and what is allowed
 */
export function parseTargets(text: string, fallback: Protocol = 'tcp'): readonly Target[] {
  const pieces = text.split(',').map((piece) => piece.trim());
  if (pieces.some((piece) => piece === '')) throw new TargetError(`holds an empty target; allowed: ${FORMS}`);
  const targets = new Map<string, Target>();
  for (const piece of pieces) {
    const target = parseTarget(piece, fallback);
    targets.set(`${target.protocol} ${target.host} ${target.port} ${target.path}`, target);
  }
  if (targets.size > MAX_TARGETS) throw new TargetError(`holds ${targets.size} targets; at most ${MAX_TARGETS}`);
  return [...targets.values()];
}

function parseTarget(piece: string, fallback: Protocol): Target {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(piece);
  const protocol = scheme === null ? fallback : scheme[1]?.toLowerCase();
  if (!isOneOf(PROTOCOLS, protocol)) {
    throw new TargetError(`has the scheme ${show(scheme?.[1])}; allowed: ${PROTOCOLS.join(', ')}`);
  }
  const rest = scheme === null ? piece : (scheme[2] ?? '');
  const end = rest.search(/[/?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const tail = end < 0 ? '' : rest.slice(end);
  if (authority.includes('@'))
    throw new TargetError('holds a user name or password before "@": credentials are never sent by a probe');
  const { host, port } = splitAuthority(authority, protocol);
  const isHttp = protocol === 'http' || protocol === 'https';
  if (!isHttp && tail !== '' && tail !== '/') {
    throw new TargetError(`${show(piece)}: a ${protocol} target has no path, but ${show(tail)} follows the host`);
  }
  const path = isHttp ? pathOf(tail, piece) : '';
  return { protocol, host, port, path, text: canonical(protocol, host, port, path) };
}

function splitAuthority(authority: string, protocol: Protocol): { host: string; port: number } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(authority);
  let host: string;
  let portText: string | undefined;
  if (bracketed !== null) {
    host = bracketed[1] ?? '';
    portText = bracketed[2];
    if (!isIpv6(host)) throw new TargetError(`${show(authority)}: ${show(host)} is no IPv6 address`);
  } else {
    if (isIpv6(authority))
      throw new TargetError(`${show(authority)}: write an IPv6 address in brackets, such as [${authority}]:443`);
    const colon = authority.indexOf(':');
    if (colon !== authority.lastIndexOf(':')) {
      throw new TargetError(
        `${show(authority)} has several colons; write an IPv6 address in brackets, such as [fd00::1]:443`,
      );
    }
    host = colon < 0 ? authority : authority.slice(0, colon);
    portText = colon < 0 ? undefined : authority.slice(colon + 1);
    checkName(host, authority);
  }
  return { host: host.toLowerCase(), port: portOf(portText, protocol, authority, host) };
}

function checkName(host: string, authority: string): void {
  if (host === '') throw new TargetError(`${show(authority)} has no host; allowed: ${FORMS}`);
  if (/^[\d.]+$/.test(host)) {
    if (!isIpv4(host))
      throw new TargetError(`${show(host)} is no IPv4 address (four numbers of 0–255, without leading zeros)`);
    return;
  }
  const name = host.endsWith('.') ? host.slice(0, -1) : host;
  const isName =
    name.length <= 253 &&
    name.split('.').every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
  if (!isName) throw new TargetError(`${show(host)} is neither an IP address nor a DNS name`);
}

function portOf(text: string | undefined, protocol: Protocol, authority: string, host: string): number {
  if (protocol === 'dns') {
    if (text !== undefined) throw new TargetError(`${show(authority)}: a dns target is a name alone, without a port`);
    if (isIpAddress(host)) throw new TargetError(`${show(host)}: a dns target is a name, not an address`);
    return 0;
  }
  if (text === undefined) {
    const port = DEFAULT_PORTS[protocol];
    if (port === undefined) throw new TargetError(`${show(authority)} has no port; allowed: ${FORMS}`);
    return port;
  }
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw new TargetError(`${show(authority)}: the port is ${show(text)}, must be 1 to 65535`);
  return port;
}

function pathOf(tail: string, piece: string): string {
  const hash = tail.indexOf('#');
  const path = hash < 0 ? tail : tail.slice(0, hash);
  if (!/^[\x21-\x7e]*$/.test(path)) {
    throw new TargetError(
      `${show(piece)}: blanks, control characters and letters beyond ASCII must be percent-encoded in a path`,
    );
  }
  return path.startsWith('/') ? path : `/${path}`;
}

function canonical(protocol: Protocol, host: string, port: number, path: string): string {
  if (protocol === 'dns') return `dns://${host}`;
  const query = path.indexOf('?');
  const shown = query < 0 ? path : `${path.slice(0, query)}?…`;
  const authority = port === DEFAULT_PORTS[protocol] ? bracket(host) : `${bracket(host)}:${port}`;
  return `${protocol}://${authority}${shown}`;
}

/** A host as it stands before a port: IPv6 in brackets. */
export function bracket(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
