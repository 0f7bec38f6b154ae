import { readSettings, SettingsError, unknownSettings } from './settings.js';

const TARGET = { PROBE_TARGET: 'web:80' };

describe('readSettings', () => {
  it('needs the target alone', () => {
    expect(readSettings(TARGET)).toMatchObject({
      probe: {
        expect: 'reachable',
        timeoutMs: 60_000,
        intervalMs: 100,
        attemptTimeoutMs: 1000,
        statuses: [{ from: 200, to: 399 }],
        followRedirects: false,
        verifyTls: true,
      },
      afterReport: 'auto',
      onTimeout: 'pass',
      apiPort: 443,
      terminationLog: '/dev/termination-log',
      memoryDir: '/dev/shm',
    });
  });

  it('takes MY_POD_NAME before POD_NAME', () => {
    const names = { MY_POD_NAME: 'a', POD_NAME: 'b', POD_NAMESPACE: 'ns' };
    expect(readSettings({ ...TARGET, ...names })).toMatchObject({ podName: 'a', podNamespace: 'ns' });
  });

  it('takes an empty value as not set', () => {
    expect(readSettings({ ...TARGET, PROBE_TIMEOUT: '', PROBE_INTERVAL: ' ' }).probe.timeoutMs).toBe(60_000);
  });

  it.each([
    ['8080', { host: '', port: 8080 }],
    [':8080', { host: '', port: 8080 }],
    ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
  ])('reads LISTEN=%s', (text, listen) => {
    expect(readSettings({ ...TARGET, LISTEN: text }).listen).toEqual(listen);
  });

  it('reads PROBE_STATUS as codes and ranges', () => {
    const { statuses } = readSettings({ ...TARGET, PROBE_STATUS: '200, 300-302' }).probe;
    expect(statuses).toEqual([
      { from: 200, to: 200 },
      { from: 300, to: 302 },
    ]);
  });

  it.each([
    ['PROBE_TIMEOUT', '0', 'from 100ms to 24h'],
    ['PROBE_TIMEOUT', '-5', 'from 100ms to 24h'],
    ['PROBE_TIMEOUT', 'soon', 'seconds or a duration'],
    ['PROBE_INTERVAL', '1ms', 'from 10ms to 1m'],
    ['PROBE_ATTEMPT_TIMEOUT', '1h', 'from 10ms to 5m'],
    ['PROBE_PROTOCOL', 'udp', 'one of http, https, tcp, dns'],
    ['PROBE_EXPECT', 'open', 'one of reachable, blocked'],
    ['PROBE_STATUS', '99', 'status codes'],
    ['PROBE_STATUS', '300-200', 'status codes'],
    ['PROBE_FOLLOW_REDIRECTS', 'yes', 'one of true, false'],
    ['AFTER_REPORT', 'sleep', 'one of auto, exit, idle'],
    ['ON_TIMEOUT', 'ignore', 'one of pass, fail'],
    ['LISTEN', 'web:80', 'a port'],
    ['LISTEN', '0', 'a port'],
    ['KUBERNETES_SERVICE_PORT', 'https', 'a port'],
    ['KUBERNETES_SERVICE_HOST', 'a\r\nX: y', 'an IP address or a DNS name'],
    ['KUBERNETES_SERVICE_HOST', '[10.0.0.1', 'an IP address or a DNS name'],
    ['POD_NAME', 'Has Blanks', 'a name'],
    ['PROBE_HOST_HEADER', 'a\r\nX: y', 'a Host header'],
  ])('refuses %s=%p with its name, the value and what is allowed', (name, value, allowed) => {
    const read = (): unknown => readSettings({ ...TARGET, [name]: value });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(`${name} is ${JSON.stringify(value)}: must be `);
    expect(read).toThrow(allowed);
  });

  it.each([
    ['fd00::1', 'fd00::1'],
    ['[fd00::1]', 'fd00::1'],
    ['10.0.0.1', '10.0.0.1'],
    ['kubernetes.default.svc', 'kubernetes.default.svc'],
  ])('reads KUBERNETES_SERVICE_HOST=%s', (text, apiHost) => {
    expect(readSettings({ ...TARGET, KUBERNETES_SERVICE_HOST: text }).apiHost).toBe(apiHost);
  });

  const names = [
    'PROBE_TARGET',
    'PROBE_TIMEOUT',
    'PROBE_STATUS',
    'LISTEN',
    'POD_UID',
    'PROBE_SERVER_NAME',
    'AFTER_REPORT',
  ];
  it.each(names.flatMap((name) => ['x', '9', '😀', '\0', '1,'].map((piece) => [name, piece] as const)))(
    'refuses %s of a megabyte of %j in a short sentence',
    (name, piece) => {
      const read = (): unknown => readSettings({ ...TARGET, [name]: piece.repeat(1_000_000) });
      expect(read).toThrow(new RegExp(`^${name} .{1,400}$`, 's'));
    },
  );

  it('names everything that is wrong at once, the target first', () => {
    try {
      readSettings({ PROBE_INTERVAL: 'x', ON_TIMEOUT: 'x' });
      throw new Error('not reached');
    } catch (error) {
      expect(error).toBeInstanceOf(SettingsError);
      expect((error as SettingsError).problems.map((problem) => problem.split(' ')[0])).toEqual([
        'PROBE_TARGET',
        'PROBE_INTERVAL',
        'ON_TIMEOUT',
      ]);
    }
  });
});

describe('unknownSettings', () => {
  it('finds mistyped names, not those that a Service called probe puts there', () => {
    const service = { PROBE_SERVICE_HOST: 'x', PROBE_PORT: 'x', PROBE_PORT_80_TCP: 'x' };
    expect(unknownSettings({ ...TARGET, ...service, PROBE_INTERVALL: '1' })).toEqual(['PROBE_INTERVALL']);
  });
});
