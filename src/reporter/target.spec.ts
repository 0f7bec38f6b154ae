import { parseTargets, TargetError } from './target.js';

describe('parseTargets', () => {
  it.each([
    ['10.0.0.1:443', 'tcp://10.0.0.1:443'],
    ['web:80', 'tcp://web:80'],
    ['tcp://web.default.svc:80', 'tcp://web.default.svc:80'],
    ['[fd00::1]:443', 'tcp://[fd00::1]:443'],
    ['[FE80::1%eth0]:443', 'tcp://[fe80::1%eth0]:443'],
    ['http://Web', 'http://web/'],
    ['http://web:8080/healthz', 'http://web:8080/healthz'],
    ['https://web', 'https://web/'],
    ['https://web:443/a?token=x', 'https://web/a?…'],
    ['http://web?x=1#f', 'http://web/?…'],
    ['http://[::1]:80', 'http://[::1]/'],
    ['dns://web.default.svc.cluster.local', 'dns://web.default.svc.cluster.local'],
    ['web.:80', 'tcp://web.:80'],
  ])('reads %s as %s', (text, canonical) => {
    expect(parseTargets(text).map((target) => target.text)).toEqual([canonical]);
  });

  it('takes the protocol of a target without a scheme from its second argument', () => {
    expect(parseTargets('web/healthz', 'http')).toMatchObject([{ protocol: 'http', port: 80, path: '/healthz' }]);
    expect(parseTargets('web', 'dns')).toMatchObject([{ protocol: 'dns', port: 0 }]);
    expect(parseTargets('tcp://web:1', 'http')).toMatchObject([{ protocol: 'tcp' }]);
  });

  it('keeps the query for the request, though not for reports', () => {
    expect(parseTargets('http://web/a?b=c')).toMatchObject([{ path: '/a?b=c', text: 'http://web/a?…' }]);
  });

  it('reads several, and one that is named twice once', () => {
    expect(parseTargets('a:1, b:2 ,a:1').map(({ host }) => host)).toEqual(['a', 'b']);
  });

  it.each([
    ['', /empty/],
    ['a:1,,b:2', /empty/],
    ['redis://h:6379', /scheme "redis"; allowed: http, https, tcp, dns/],
    ['web', /no port/],
    ['tcp://web', /no port/],
    ['web:0', /1 to 65535/],
    ['web:65536', /1 to 65535/],
    ['web:http', /1 to 65535/],
    ['web:', /1 to 65535/],
    [':80', /no host/],
    ['fd00::1', /brackets/],
    ['fd00::1:443', /brackets/],
    ['[fd00::g]:80', /no IPv6 address/],
    ['[10.0.0.1]:80', /no IPv6 address/],
    ['10.0.0.256:80', /no IPv4 address/],
    ['10.0.1:80', /no IPv4 address/],
    ['we b:80', /neither an IP address nor a DNS name/],
    ['-web:80', /neither/],
    ['tcp://web:80/path', /no path/],
    ['dns://web:53', /without a port/],
    ['dns://10.0.0.1', /not an address/],
    ['http://web/ä', /percent-encoded/],
    ['http://web/a b', /percent-encoded/],
    ['http://web/a\r\nX: y', /percent-encoded/],
    [Array.from({ length: 17 }, (_, index) => `web:${index + 1}`).join(','), /at most 16/],
  ])('refuses %p', (text, message) => {
    expect(() => parseTargets(text)).toThrow(TargetError);
    expect(() => parseTargets(text)).toThrow(message);
  });

  it('refuses credentials without repeating them', () => {
    expect(() => parseTargets('http://user:secret@web/')).toThrow(/credentials/);
    expect(() => parseTargets('http://user:secret@web/')).not.toThrow(/secret/);
  });
});
