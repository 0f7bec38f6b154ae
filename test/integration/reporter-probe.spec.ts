/** The built reporter against real local targets that fail in every way a target can. No API server: the termination message tells. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { CertificateAuthority } from '../../tools/control-plane/certificates.js';
import { nameServer as startNameServer } from '../support/name-server.js';
import {
  closedPort,
  fullTarget,
  httpsTarget,
  httpTarget,
  resettingTarget,
  tcpTarget,
} from '../support/probe-targets.js';
import type { ProbeTarget } from '../support/probe-targets.js';
import { eventually, reporterBuilds, Sandbox } from '../support/reporter-process.js';

let sandbox: Sandbox;
const open: ProbeTarget[] = [];

beforeEach(() => {
  sandbox = new Sandbox();
});

afterEach(async () => {
  sandbox.remove();
  await Promise.all(open.splice(0).map((target) => target.close()));
});

function keep(target: ProbeTarget): ProbeTarget {
  open.push(target);
  return target;
}

const authority = new CertificateAuthority('probe-test');
/** For a probe that is to fail, and for one that is to succeed: that ends with its success, however busy the machine is. */
const SHORT = { PROBE_TIMEOUT: '500ms', PROBE_INTERVAL: '50ms', ON_TIMEOUT: 'fail' } as const;
const PATIENT = { ...SHORT, PROBE_TIMEOUT: '10s' } as const;

describe.each(reporterBuilds())('the reporter ($name)', (build) => {
  const run = (env: Readonly<Record<string, string>>): ReturnType<Sandbox['start']>['ended'] =>
    sandbox.start(build, env).ended;

  it('is ready at the first answer of a TCP target', async () => {
    const { port } = keep(await tcpTarget());
    const { code, report } = await run({ PROBE_TARGET: `127.0.0.1:${port}`, PROBE_INTERVAL: '10s' });
    expect([code, report.state, report.attempts, report.target]).toEqual([0, 'Ready', 1, `tcp://127.0.0.1:${port}`]);
    expect(report.phases).toEqual({ connectMs: expect.any(Number) as number });
  });

  it('takes its own start, not the first line of its script, as the start', async () => {
    const { port } = keep(await tcpTarget());
    const before = BigInt(Date.now()) * 1_000_000n;
    const { report } = await run({ PROBE_TARGET: `127.0.0.1:${port}` });
    expect(report.startedAt).toBeGreaterThanOrEqual(before);
    // The runtime's own boot lies between its start and the first attempt.
    expect(report.delayMs).toBeGreaterThanOrEqual(1);
  });

  describe('tells why a target failed', () => {
    it('refused', async () => {
      const { code, report } = await run({ ...SHORT, PROBE_TARGET: `127.0.0.1:${await closedPort()}` });
      expect([code, report.state, report.lastError?.kind]).toEqual([2, 'TimedOut', 'refused']);
      expect(report.errors?.refused).toBeGreaterThan(2);
    });

    it('connectTimeout, where packets are dropped in silence', async () => {
      const silent = keep(await fullTarget());
      const settings = { PROBE_TARGET: `127.0.0.1:${silent.port}`, PROBE_ATTEMPT_TIMEOUT: '150ms' };
      const { report } = await run({ ...SHORT, ...settings });
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'connectTimeout']);
    });

    it('noRoute, where the network is unreachable (multicast has no TCP)', async () => {
      const { report } = await run({ ...SHORT, PROBE_TARGET: '224.0.0.1:80' });
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'noRoute']);
    });

    it('reset', async () => {
      const { port } = keep(await resettingTarget());
      const { report } = await run({ ...SHORT, PROBE_TARGET: `http://127.0.0.1:${port}/` });
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'reset']);
    });

    it('httpStatus', async () => {
      const { port } = keep(await httpTarget((_, response) => response.writeHead(500).end('no')));
      const { report } = await run({ ...SHORT, PROBE_TARGET: `http://127.0.0.1:${port}/healthz` });
      expect(report).toMatchObject({ state: 'TimedOut', lastError: { kind: 'httpStatus' } });
      expect(report.lastError?.message).toContain('500');
    });

    it('other, where a target accepts and then says nothing', async () => {
      const { port } = keep(await tcpTarget());
      const settings = { PROBE_TARGET: `http://127.0.0.1:${port}/`, PROBE_ATTEMPT_TIMEOUT: '100ms' };
      const { report } = await run({ ...SHORT, ...settings });
      expect(report).toMatchObject({
        state: 'TimedOut',
        lastError: { kind: 'other', message: 'connected, but no HTTP answer within 100 ms' },
      });
    });

    it('other, where the answer is not HTTP', async () => {
      const { port } = keep(await tcpTarget((socket) => socket.end('220 mail ready\r\n')));
      const { report } = await run({ ...SHORT, PROBE_TARGET: `http://127.0.0.1:${port}/` });
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'other']);
    });

    it('tls, where nobody trusted signed the certificate', async () => {
      const { port } = keep(await secureTarget(['127.0.0.1']));
      const { report } = await run({ ...SHORT, PROBE_TARGET: `https://127.0.0.1:${port}/` });
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'tls']);
    });

    it.each(['true', 'false'])('tls, where the target speaks no TLS (PROBE_TLS_VERIFY=%s)', async (verify) => {
      const { port } = keep(await tcpTarget((socket) => socket.once('data', () => socket.end('220 mail ready\r\n'))));
      const settings = { PROBE_TLS_VERIFY: verify, PROBE_TARGET: `https://127.0.0.1:${port}/` };
      const { report } = await run({ ...SHORT, ...settings });
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'tls']);
    });

    it('tls, where the certificate is for another name', async () => {
      const { port } = keep(await secureTarget(['elsewhere.example']));
      const settings = { PROBE_TARGET: `https://127.0.0.1:${port}/`, PROBE_CA_FILE: authorityFile() };
      const { report } = await run({ ...SHORT, ...settings });
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'tls']);
    });

    it('dns', async () => {
      const server = await nameServer(() => []);
      const { report } = await run({ ...SHORT, ...server.env, PROBE_TARGET: 'web.default.svc:80' });
      server.close();
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'dns']);
    });

    it('dns, where the name server is silent', async () => {
      const server = await nameServer(() => undefined);
      const settings = { ...server.env, PROBE_TARGET: 'dns://web.default.svc', PROBE_ATTEMPT_TIMEOUT: '100ms' };
      const { report } = await run({ ...SHORT, ...settings });
      server.close();
      expect([report.state, report.lastError?.kind]).toEqual(['TimedOut', 'dns']);
    });
  });

  describe('is right to within an interval', () => {
    it('about a target that refused until then', async () => {
      const port = await closedPort();
      const reporter = sandbox.start(build, { PROBE_TARGET: `127.0.0.1:${port}` });
      await eventually(() => (sandbox.report()?.errors?.refused ?? 0) > 0, 'a refusal');
      const openedAt = Date.now();
      keep(await tcpTarget(undefined, port));
      const { report } = await reporter.ended;
      expect(Number((report.readyAt ?? 0n) / 1_000_000n) - openedAt).toBeGreaterThanOrEqual(-1);
    });

    it('about a target that hung until then: an attempt that hangs does not hold up the next', async () => {
      const target = keep(await tcpTarget((socket) => sockets.push(socket)));
      const sockets: { write: (text: string) => void }[] = [];
      const settings = { PROBE_TARGET: `http://127.0.0.1:${target.port}/`, PROBE_ATTEMPT_TIMEOUT: '30s' };
      const reporter = sandbox.start(build, settings);
      await eventually(() => target.connections() >= 4, 'a fourth attempt beside three that hang');
      sockets[3]?.write('HTTP/1.1 200 OK\r\n\r\n');
      const { report } = await reporter.ended;
      expect([report.state, report.errors]).toEqual(['Ready', undefined]);
    });
  });

  describe('HTTP', () => {
    it('asks for the path and query with the host of the target', async () => {
      const seen: string[] = [];
      const { port } = keep(
        await httpTarget((request, response) => {
          seen.push(`${request.method} ${request.url} ${request.headers.host}`);
          response.end('ok');
        }),
      );
      const { report } = await run({ PROBE_TARGET: `http://127.0.0.1:${port}/healthz?deep=1` });
      expect(seen).toEqual([`GET /healthz?deep=1 127.0.0.1:${port}`]);
      expect(report.target).toBe(`http://127.0.0.1:${port}/healthz?…`);
      expect(report.phases).toEqual({ connectMs: expect.any(Number), firstByteMs: expect.any(Number) });
    });

    it.each([
      ['longer than it would ever read', 'Content-Length: 10000000000\r\n\r\n'],
      ['without a length, and without end', '\r\n' + 'x'.repeat(9 << 20)],
      ['broken', 'Transfer-Encoding: chunked\r\n\r\nno chunk\r\n'],
    ])('goes by the status, whatever the body is: %s', async (_, rest) => {
      const { port } = keep(await tcpTarget((socket) => socket.write(`HTTP/1.1 200 OK\r\n${rest}`)));
      const { report } = await run({ ...PATIENT, PROBE_TARGET: `http://127.0.0.1:${port}/` });
      expect([report.state, report.errors]).toEqual(['Ready', undefined]);
    });

    it('does not follow redirects unless asked, and does then', async () => {
      let visits = 0;
      const { port } = keep(
        await httpTarget((request, response) => {
          if (request.url === '/there') visits += 1;
          if (request.url === '/there') response.writeHead(204).end();
          else response.writeHead(302, { location: '/there' }).end();
        }),
      );
      const target = { PROBE_TARGET: `http://127.0.0.1:${port}/`, PROBE_STATUS: '204' };
      const stays = await run({ ...SHORT, ...target });
      expect([stays.report.state, visits]).toEqual(['TimedOut', 0]);
      const follows = await run({ ...PATIENT, ...target, PROBE_FOLLOW_REDIRECTS: 'true' });
      expect([follows.report.state, visits]).toEqual(['Ready', 1]);
    });

    it('pays no heed to proxy variables', async () => {
      const { port } = keep(await httpTarget((_, response) => response.end('ok')));
      const proxy = `http://127.0.0.1:${await closedPort()}`;
      const settings = { HTTP_PROXY: proxy, http_proxy: proxy, HTTPS_PROXY: proxy, ALL_PROXY: proxy };
      const { report } = await run({ ...PATIENT, ...settings, PROBE_TARGET: `http://127.0.0.1:${port}/` });
      expect(report.state).toBe('Ready');
    });
  });

  describe('HTTPS', () => {
    it('trusts the authorities of PROBE_CA_FILE and times the handshake', async () => {
      const { port } = keep(await secureTarget(['127.0.0.1']));
      const settings = { PROBE_TARGET: `https://127.0.0.1:${port}/`, PROBE_CA_FILE: authorityFile() };
      const { report } = await run({ ...PATIENT, ...settings });
      expect(report).toMatchObject({ state: 'Ready' });
      expect(Object.keys(report.phases ?? {})).toEqual(['connectMs', 'tlsMs', 'firstByteMs']);
    });

    it('looks for PROBE_SERVER_NAME in the certificate', async () => {
      const { port } = keep(await secureTarget(['web.example']));
      const settings = { PROBE_TARGET: `https://127.0.0.1:${port}/`, PROBE_CA_FILE: authorityFile() };
      const { report } = await run({ ...PATIENT, ...settings, PROBE_SERVER_NAME: 'web.example' });
      expect(report.state).toBe('Ready');
    });

    it('takes any certificate with PROBE_TLS_VERIFY=false', async () => {
      const { port } = keep(await secureTarget(['elsewhere.example']));
      const settings = { PROBE_TARGET: `https://127.0.0.1:${port}/`, PROBE_TLS_VERIFY: 'false' };
      expect((await run({ ...PATIENT, ...settings })).report.state).toBe('Ready');
    });
  });

  describe('names', () => {
    it('finds a short name along the search list', async () => {
      const { port } = keep(await tcpTarget());
      const asked: string[] = [];
      const server = await nameServer((name) => {
        asked.push(name);
        return name === 'web.default.svc.cluster.local' ? ['127.0.0.1'] : [];
      });
      const { report } = await run({ ...PATIENT, ...server.env, PROBE_TARGET: `web:${port}` });
      server.close();
      expect(report.state).toBe('Ready');
      expect(asked[0]).toBe('web.default.svc.cluster.local');
      expect(Object.keys(report.phases ?? {})).toEqual(['dnsMs', 'connectMs']);
    });

    it.each(['127.0.0.1', '::1'])('reaches a name of both families where only %s answers', async (host) => {
      const { port } = keep(await tcpTarget(undefined, 0, host));
      const server = await nameServer(() => ['127.0.0.1', '0:0:0:0:0:0:0:1']);
      const { report } = await run({ ...PATIENT, ...server.env, PROBE_TARGET: `web:${port}` });
      server.close();
      expect([report.state, report.errors]).toEqual(['Ready', undefined]);
    });

    it('does without the answer about one family where it never comes', async () => {
      const { port } = keep(await tcpTarget());
      const server = await nameServer((_, type) => (type === 'A' ? ['127.0.0.1'] : undefined));
      const { report } = await run({ ...PATIENT, ...server.env, PROBE_TARGET: `web:${port}` });
      server.close();
      expect(report.state).toBe('Ready');
    });

    it('is ready as soon as a dns target resolves', async () => {
      let isThere = false;
      const server = await nameServer(() => (isThere ? ['10.0.0.1'] : []));
      const reporter = sandbox.start(build, { ...server.env, PROBE_TARGET: 'dns://web.other.svc' });
      await eventually(() => (sandbox.report()?.errors?.dns ?? 0) > 0, 'a failed lookup');
      isThere = true;
      const { report } = await reporter.ended;
      server.close();
      expect(report).toMatchObject({ state: 'Ready', target: 'dns://web.other.svc', lastError: { kind: 'dns' } });
    });
  });

  it('probes IPv6', async () => {
    const target = keep(await tcpTarget(undefined, 0, '::1'));
    const { report } = await run({ ...PATIENT, PROBE_TARGET: `[::1]:${target.port}` });
    expect(report).toMatchObject({ state: 'Ready', target: `tcp://[::1]:${target.port}` });
  });

  it('is ready when the last of several targets answers', async () => {
    const first = keep(await tcpTarget());
    const port = await closedPort();
    const reporter = sandbox.start(build, {
      PROBE_TARGET: `127.0.0.1:${first.port}, tcp://127.0.0.1:${port}`,
      PROBE_INTERVAL: '500ms',
    });
    await eventually(() => (sandbox.report()?.errors?.refused ?? 0) > 0, 'a refusal');
    const openedAt = Date.now();
    keep(await tcpTarget(undefined, port));
    const { report } = await reporter.ended;
    expect(Number((report.readyAt ?? 0n) / 1_000_000n)).toBeGreaterThanOrEqual(openedAt - 1);
    expect(first.connections()).toBe(1);
    expect(report.lastError?.message).toContain(`127.0.0.1:${port}`);
  });

  describe('PROBE_EXPECT=blocked', () => {
    it('passes when the target stays unreachable for the whole window', async () => {
      const settings = { PROBE_EXPECT: 'blocked', PROBE_TARGET: `127.0.0.1:${await closedPort()}` };
      const { code, report } = await run({ ...SHORT, ...settings });
      expect([code, report.state]).toEqual([0, 'Ready']);
      expect(report.delayMs).toBeGreaterThanOrEqual(500);
    });

    it('tells the instant at which the target got through', async () => {
      const port = await closedPort();
      const settings = { PROBE_EXPECT: 'blocked', PROBE_TARGET: `127.0.0.1:${port}`, ON_TIMEOUT: 'fail' };
      const reporter = sandbox.start(build, settings);
      await eventually(() => (sandbox.report()?.errors?.refused ?? 0) > 0, 'a refusal');
      const openedAt = Date.now();
      keep(await tcpTarget(undefined, port));
      const { code, report } = await reporter.ended;
      expect([code, report.state]).toEqual([4, 'Breached']);
      expect(Number((report.readyAt ?? 0n) / 1_000_000n)).toBeGreaterThanOrEqual(openedAt - 1);
    });

    it('counts any HTTP answer as a breach, whatever its status or certificate', async () => {
      const { port } = keep(await secureTarget(['elsewhere.example'], 403));
      const settings = { PROBE_EXPECT: 'blocked', PROBE_TARGET: `https://127.0.0.1:${port}/` };
      expect((await run({ ...SHORT, ...settings })).report.state).toBe('Breached');
    });

    it.each([
      ['speaks no HTTP', 'http', '220 mail ready\r\n'],
      ['speaks no TLS', 'https', '220 mail ready\r\n'],
      // An alert of TLS (RFC 8446, section 6): handshake_failure.
      ['refuses the TLS session', 'https', '\x15\x03\x03\x00\x02\x02\x28'],
    ])('counts an answer of a target that %s as a breach', async (_, scheme, answer) => {
      const { port } = keep(await tcpTarget((socket) => socket.once('data', () => socket.end(answer, 'latin1'))));
      const settings = { PROBE_EXPECT: 'blocked', PROBE_TARGET: `${scheme}://127.0.0.1:${port}/` };
      expect((await run({ ...PATIENT, ...settings })).report.state).toBe('Breached');
    });

    it.each(['http', 'https'])('counts no %s connection that ends without a word as a breach', async (scheme) => {
      const { port } = keep(await tcpTarget((socket) => socket.once('data', () => socket.end())));
      const settings = { PROBE_EXPECT: 'blocked', PROBE_TARGET: `${scheme}://127.0.0.1:${port}/` };
      const { report } = await run({ ...SHORT, ...settings });
      expect([report.state, report.lastError?.kind]).toEqual(['Ready', 'reset']);
    });

    it('does not call a target blocked whose name never resolved', async () => {
      const server = await nameServer(() => []);
      const settings = { ...server.env, PROBE_EXPECT: 'blocked', PROBE_TARGET: 'no-such-name.default.svc:80' };
      const { code, report } = await run({ ...SHORT, ...settings });
      server.close();
      expect([code, report.state, report.lastError?.kind]).toEqual([2, 'TimedOut', 'dns']);
    });
  });

  describe('ends', () => {
    it('at once with status 1 on wrong settings, and names each', async () => {
      const settings = { PROBE_TARGET: 'redis://db:6379', PROBE_INTERVAL: '5y', PROBE_TIMEOUT: '0' };
      const { code, report } = await run(settings);
      expect([code, report.state, report.attempts]).toEqual([1, 'ConfigError', 0]);
      expect(report.lastError?.message).toMatch(/PROBE_TARGET.*redis.*PROBE_TIMEOUT is "0".*PROBE_INTERVAL is "5y"/s);
    });

    const brokenCertificate = '-----BEGIN CERTIFICATE-----\nbm9wZQ==\n-----END CERTIFICATE-----\n';

    it('at once with status 1 where PROBE_CA_FILE holds no certificate', async () => {
      const path = join(sandbox.folder, 'ca.pem');
      writeFileSync(path, brokenCertificate);
      const { code, report } = await run({ PROBE_TARGET: 'https://127.0.0.1:1/', PROBE_CA_FILE: path });
      expect([code, report.state]).toEqual([1, 'ConfigError']);
      expect(report.lastError?.message).toBe(`PROBE_CA_FILE is "${path}": the file holds no PEM certificate`);
    });

    it('with its measurement kept where the authorities of the API server are none', async () => {
      const { port } = keep(await tcpTarget());
      const account = join(sandbox.folder, 'service-account');
      mkdirSync(account);
      writeFileSync(join(account, 'token'), 'token');
      writeFileSync(join(account, 'namespace'), 'default');
      writeFileSync(join(account, 'ca.crt'), brokenCertificate);
      const { code, report } = await run({
        PROBE_TARGET: `127.0.0.1:${port}`,
        KUBERNETES_SERVICE_HOST: '127.0.0.1',
        KUBERNETES_SERVICE_PORT: String(port),
        API_TIMEOUT: '100ms',
        REPORT_TIMEOUT: '300ms',
      });
      expect([code, report.state]).toEqual([0, 'Ready']);
    });

    it('with status 0 on timeout unless ON_TIMEOUT=fail', async () => {
      const { code, report } = await run({
        ...SHORT,
        ON_TIMEOUT: 'pass',
        PROBE_TARGET: `127.0.0.1:${await closedPort()}`,
      });
      expect([code, report.state]).toEqual([0, 'TimedOut']);
    });

    it('without a report file that can be written, and says so', async () => {
      const { port } = keep(await tcpTarget());
      const nowhere = join(sandbox.folder, 'missing', 'termination-log');
      const reporter = sandbox.start(build, { PROBE_TARGET: `127.0.0.1:${port}`, TERMINATION_LOG: nowhere });
      await expect(reporter.ended).rejects.toThrow(/no termination message/);
      expect(reporter.log).toMatch(/"the probe ended","state":"Ready"/);
      expect(reporter.log).toMatch(/the termination message could not be written/);
    });
  });

  describe('killed in the middle (SIGKILL)', () => {
    it('leaves what was true, and its successor goes on from there', async () => {
      const port = await closedPort();
      const env = { PROBE_TARGET: `127.0.0.1:${port}` };
      const first = sandbox.start(build, env);
      await eventually(() => (sandbox.report()?.attempts ?? 0) > 0, 'a first save');
      first.kill('SIGKILL');
      const killed = await first.ended;
      expect([killed.signal, killed.report.state]).toEqual(['SIGKILL', 'Probing']);
      keep(await tcpTarget(undefined, port));
      const { report } = await sandbox.start(build, env).ended;
      expect(report).toMatchObject({ state: 'Ready', startedAt: killed.report.startedAt, restarts: 1 });
      expect(report.attempts).toBeGreaterThan(killed.report.attempts);
    });
  });

  describe('without any way to the API server', () => {
    it('exits with 0 after success, and idles when it is started again in the same sandbox', async () => {
      const { port } = keep(await tcpTarget());
      const env = { PROBE_TARGET: `127.0.0.1:${port}` };
      const first = await run(env);
      expect([first.code, first.report.state]).toEqual([0, 'Ready']);
      const again = sandbox.start(build, env);
      await again.idle();
      again.kill('SIGTERM');
      const second = await again.ended;
      expect([second.code, second.report]).toEqual([0, { ...first.report, restarts: 1 }]);
    });
  });

  (build.becomesIdle ? it : it.skip)(
    'says so where it cannot become the idle program, and idles by itself',
    async () => {
      const target = keep(await tcpTarget());
      const env = { PROBE_TARGET: `127.0.0.1:${target.port}`, AFTER_REPORT: 'idle', IDLE_PROGRAM: '/no/such/program' };
      const reporter = sandbox.start(build, env);
      await reporter.logged(/could not be started.*ENOENT: execv '\/no\/such\/program'/);
      reporter.kill('SIGTERM');
      const { code, report } = await reporter.ended;
      expect([code, report.state]).toEqual([0, 'Ready']);
    },
  );

  it('forgets a memory that is not its own', async () => {
    const { port } = keep(await tcpTarget());
    const env = { PROBE_TARGET: `127.0.0.1:${port}`, POD_UID: 'one', AFTER_REPORT: 'exit' };
    await run(env);
    expect((await run({ ...env, POD_UID: 'two' })).report.restarts).toBe(0);
  });

  it('answers at LISTEN while it probes and while it idles', async () => {
    const target = keep(await tcpTarget());
    const port = await closedPort();
    const env = { PROBE_TARGET: `127.0.0.1:${target.port}`, AFTER_REPORT: 'idle', LISTEN: `127.0.0.1:${port}` };
    const reporter = sandbox.start(build, env);
    await eventually(() => answers(port), 'an answer at LISTEN');
    await reporter.idle();
    await eventually(() => answers(port), 'an answer at LISTEN of the idle process');
    reporter.kill('SIGTERM');
    expect((await reporter.ended).code).toBe(0);
  });

  it('shifts its wall clock by CLOCK_OFFSET, and no duration', async () => {
    const { port } = keep(await tcpTarget());
    const before = Date.now();
    const { report } = await run({ PROBE_TARGET: `127.0.0.1:${port}`, CLOCK_OFFSET: '-1h' });
    expect(Number(report.startedAt / 1_000_000n)).toBeLessThan(before - 3_500_000);
    expect(report.delayMs).toBeLessThan(60_000);
  });
});

function secureTarget(hosts: readonly string[], status = 200): Promise<ProbeTarget> {
  const pair = authority.issue({ commonName: 'target', hosts });
  return httpsTarget(pair, (_, response) => response.writeHead(status).end('x'));
}

function authorityFile(): string {
  const file = join(sandbox.folder, 'authority.pem');
  writeFileSync(file, authority.certificate);
  return file;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ port, host: '127.0.0.1', agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
    });
    // Not there yet.
    request.once('error', () => resolve(false));
  });
}

function nameServer(
  addressesOf: (name: string, type: 'A' | 'AAAA') => readonly string[] | undefined,
): ReturnType<typeof startNameServer> {
  return startNameServer(sandbox.folder, addressesOf);
}
