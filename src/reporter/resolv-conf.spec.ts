import { hostsAddresses, parseResolvConf, searchNames } from './resolv-conf.js';

const POD =
  'search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5 timeout:1\n';

describe('parseResolvConf', () => {
  it("reads a Pod's", () => {
    expect(parseResolvConf(POD)).toEqual({
      servers: [{ address: '10.96.0.10', port: 53 }],
      search: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      ndots: 5,
    });
  });

  it('reads ports, comments and IPv6, at most three servers, and passes over what is wrong', () => {
    const text =
      '# x\nnameserver fd00::10 # y\nnameserver web\nnameserver [::1]:5353\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nnonsense';
    expect(parseResolvConf(text).servers).toEqual([
      { address: 'fd00::10', port: 53 },
      { address: '::1', port: 5353 },
      { address: '1.1.1.1', port: 53 },
    ]);
  });

  it('asks the local server where none is named', () => {
    expect(parseResolvConf('').servers).toEqual([{ address: '127.0.0.1', port: 53 }]);
  });
});

describe('searchNames', () => {
  const conf = parseResolvConf(POD);
  it('tries the search list first for a name with few dots', () => {
    expect(searchNames('web', conf)).toEqual([
      'web.default.svc.cluster.local',
      'web.svc.cluster.local',
      'web.cluster.local',
      'web',
    ]);
  });

  it('tries the name first where it has as many dots as ndots', () => {
    expect(searchNames('a.b.c.d.e.f', conf)[0]).toBe('a.b.c.d.e.f');
  });

  it('takes a name with a final dot as it is', () => {
    expect(searchNames('web.example.', conf)).toEqual(['web.example']);
  });
});

describe('hostsAddresses', () => {
  it('finds all addresses of a name and its aliases', () => {
    const hosts = '127.0.0.1 localhost\n10.0.0.1 web Alias # web2\n::1 web\nnonsense web\n';
    expect(hostsAddresses(hosts, 'WEB')).toEqual(['10.0.0.1', '::1']);
    expect(hostsAddresses(hosts, 'alias.')).toEqual(['10.0.0.1']);
    expect(hostsAddresses(hosts, 'web2')).toEqual([]);
  });
});
