/** Whether a request came through `kubectl port-forward`: the API server has then already authorised who made it. Pure. */

export interface RequestOrigin {
  /** The peer's address as the socket names it. */
  readonly remoteAddress: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** IPv4 loopback also in the form in which a socket for both families names it (RFC 4291 section 2.5.5.2). */
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);
/** What proxies add, besides the family of X-Forwarded-*. */
const PROXY_HEADERS: ReadonlySet<string> = new Set(['forwarded', 'via', 'x-real-ip']);
const LOCAL_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/**
 * True only for a peer on loopback that names a local host and no proxy. A name in `Host` that merely resolves to loopback is a web
 * page that rebound its name to the forwarded port; a forwarding header means that somebody else stands behind the peer.
 */
export function cameThroughPortForward({ remoteAddress, headers }: RequestOrigin): boolean {
  if (remoteAddress === undefined || !LOOPBACK.has(remoteAddress)) return false;
  const { host } = headers;
  if (typeof host !== 'string' || !LOCAL_HOST.test(host)) return false;
  return !Object.keys(headers).some((name) => PROXY_HEADERS.has(name) || name.startsWith('x-forwarded-'));
}
