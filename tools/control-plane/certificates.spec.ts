import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { CertificateAuthority } from './certificates.js';

describe('CertificateAuthority', () => {
  const authority = new CertificateAuthority('test-authority');

  it('issues certificates that it has signed and that name user, groups and hosts', () => {
    const { certificate } = authority.issue({
      commonName: 'alice',
      organizations: ['group:one', 'group:two'],
      hosts: ['localhost', 'a.example', '127.0.0.1', '::1', 'fd00::1:2'],
    });
    const parsed = new X509Certificate(certificate);
    expect(parsed.subject).toBe('O=group:one\nO=group:two\nCN=alice');
    expect(parsed.subjectAltName).toBe(
      'DNS:localhost, DNS:a.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:FD00:0:0:0:0:0:1:2',
    );
    expect(parsed.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
    expect(parsed.checkIssued(new X509Certificate(authority.certificate))).toBe(true);
    expect(parsed.ca).toBe(false);
    expect(new X509Certificate(authority.certificate).ca).toBe(true);
  });

  it('carries both ends of a TLS connection with client authentication', async () => {
    const serving = authority.issue({ commonName: 'server', hosts: ['127.0.0.1'] });
    const client = authority.issue({ commonName: 'client' });
    const server = createServer(
      { ca: authority.certificate, cert: serving.certificate, key: serving.key, requestCert: true },
      (socket) => socket.end(String(socket.getPeerCertificate().subject.CN)),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket: TLSSocket = connect({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      ca: authority.certificate,
      cert: client.certificate,
      key: client.key,
    });
    const [name] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    server.close();
    expect(name.toString()).toBe('client');
  });

  it('goes on under the same key when it is read again', () => {
    const again = new CertificateAuthority('test-authority', authority);
    const issued = new X509Certificate(again.issue({ commonName: 'bob' }).certificate);
    expect(issued.checkIssued(new X509Certificate(authority.certificate))).toBe(true);
    expect(issued.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
  });

  it('is valid from an hour before its clock, for a year, also past 2049', () => {
    const late = new CertificateAuthority('late', undefined, () => new Date('2050-01-01T00:30:00Z'));
    const { validFrom, validTo } = new X509Certificate(late.certificate);
    expect(new Date(validFrom).toISOString()).toBe('2049-12-31T23:30:00.000Z');
    expect(new Date(validTo).toISOString()).toBe('2051-01-01T00:30:00.000Z');
  });

  it('refuses a host that is neither name nor address', () => {
    expect(() => authority.issue({ commonName: 'x', hosts: ['a b'] })).toThrow('host "a b" is neither');
  });
});
