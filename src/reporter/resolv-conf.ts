/** `/etc/resolv.conf` and `/etc/hosts`, as far as a Pod uses them (resolv.conf(5), hosts(5)). Pure. */
import { isIpAddress } from './ip-address.js';

export interface NameServer {
  readonly address: string;
  readonly port: number;
}

export interface ResolvConf {
  readonly servers: readonly NameServer[];
  readonly search: readonly string[];
  readonly ndots: number;
}

/** As many as the C library asks. */
const MAX_SERVERS = 3;

/** What can't be read is passed over, as the C library does; with no server left it is the local one. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: NameServer[] = [];
  let search: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver') {
      const server = parseServer(values[0] ?? '');
      if (server !== undefined && servers.length < MAX_SERVERS) servers.push(server);
    } else if (keyword === 'search' || keyword === 'domain') {
      search = values.map((domain) => domain.replace(/\.$/, '')).filter((domain) => domain !== '');
    } else if (keyword === 'options') {
      for (const option of values) {
        const match = /^ndots:(\d{1,2})$/.exec(option);
        if (match !== null) ndots = Math.min(15, Number(match[1]));
      }
    }
  }
  return { servers: servers.length > 0 ? servers : [{ address: '127.0.0.1', port: 53 }], search, ndots };
}

/** An address, or `[address]:port` as OpenBSD's resolver reads it. */
function parseServer(text: string): NameServer | undefined {
  const match = /^\[(.+)\]:(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? text;
  const port = Number(match?.[2] ?? 53);
  return isIpAddress(address) && port >= 1 && port <= 65_535 ? { address, port } : undefined;
}

/** The full names to ask for, in order: those of the search list come first where the name has fewer than `ndots` dots. */
export function searchNames(name: string, conf: ResolvConf): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const dots = name.split('.').length - 1;
  const searched = conf.search.map((domain) => `${name}.${domain}`).filter((full) => full.length <= 253);
  return dots >= conf.ndots ? [name, ...searched] : [...searched, name];
}

/** The addresses that a hosts file gives a name. */
export function hostsAddresses(text: string, name: string): readonly string[] {
  const wanted = name.replace(/\.$/, '').toLowerCase();
  const addresses: string[] = [];
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/);
    if (isIpAddress(address) && names.some((each) => each.toLowerCase() === wanted)) addresses.push(address);
  }
  return addresses;
}
