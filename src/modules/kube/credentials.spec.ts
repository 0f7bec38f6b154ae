import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../test/support/fake-clock.js';
import { KubeconfigCredentials } from './credentials.js';

describe('KubeconfigCredentials', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'credentials-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** Writes a kubeconfig in one step, as tools do. */
  function write(user: object, cluster: object = {}, namespace?: string): string {
    const path = join(folder, 'kubeconfig');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u', namespace } }],
      clusters: [{ name: 'k', cluster: { server: 'https://127.0.0.1:1', ...cluster } }],
      users: [{ name: 'u', user }],
    };
    writeFileSync(`${path}.new`, JSON.stringify(config));
    renameSync(`${path}.new`, path);
    return path;
  }

  const load = (path: string, clock = new FakeClock()): KubeconfigCredentials =>
    new KubeconfigCredentials({ kubeconfig: path, clock });

  it('reads a token, and names the namespace of the context', async () => {
    const credentials = load(write({ token: 'secret' }, {}, 'team-a'));
    expect((await credentials.current()).headers).toEqual({ Authorization: 'Bearer secret' });
    expect(credentials.namespace).toBe('team-a');
    expect(load(write({ token: 'secret' })).namespace).toBe('default');
  });

  it('reads client certificates, authority and server name into the TLS options', async () => {
    const data = (text: string): string => Buffer.from(text).toString('base64');
    const user = { 'client-certificate-data': data('cert'), 'client-key-data': data('key') };
    const cluster = { 'certificate-authority-data': data('ca'), 'tls-server-name': 'api.example.org' };
    const { tls, headers } = await load(write(user, cluster)).current();
    expect(Object.fromEntries(Object.entries(tls).map(([name, value]) => [name, String(value)]))).toEqual({
      ca: 'ca',
      cert: 'cert',
      key: 'key',
      servername: 'api.example.org',
    });
    expect(headers).toEqual({});
  });

  it('runs an exec plugin, and runs it again only when it is refused or its token ended', async () => {
    const counter = join(folder, 'runs');
    const plugin = join(folder, 'plugin.mjs');
    writeFileSync(
      plugin,
      `import { appendFileSync, readFileSync } from 'node:fs';
      appendFileSync(${JSON.stringify(counter)}, 'x');
      const token = 'token-' + readFileSync(${JSON.stringify(counter)}, 'utf8').length;
      console.log(JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } }));`,
    );
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: [plugin],
      interactiveMode: 'Never',
    };
    const clock = new FakeClock();
    const credentials = load(write({ exec }), clock);
    expect((await credentials.current()).headers['Authorization']).toBe('Bearer token-1');
    clock.freeze(31_000);
    expect((await credentials.current()).headers['Authorization']).toBe('Bearer token-1');
    expect(await credentials.refresh()).toBe(true);
    expect((await credentials.current()).headers['Authorization']).toBe('Bearer token-2');
  });

  it('reads a token file beside the kubeconfig, and notices its rotation after 30 s, or at once when told', async () => {
    const file = join(folder, 'token');
    writeFileSync(file, 'first\n');
    const clock = new FakeClock();
    const credentials = load(write({ tokenFile: 'token' }), clock);
    const token = async (): Promise<string | undefined> => (await credentials.current()).headers['Authorization'];
    expect(await token()).toBe('Bearer first');
    writeFileSync(file, 'second\n');
    clock.freeze(29_000);
    expect(await token()).toBe('Bearer first');
    clock.freeze(1_000);
    expect(await token()).toBe('Bearer second');
    writeFileSync(file, 'third\n');
    credentials.suspect();
    expect(await token()).toBe('Bearer third');
    expect(await credentials.refresh()).toBe(false);
    writeFileSync(file, 'fourth\n');
    expect(await credentials.refresh()).toBe(true);
  });

  it('keeps the pool while only the token changes, and changes it with server or certificates', async () => {
    const clock = new FakeClock();
    const path = write({ token: 'a' });
    const credentials = load(path, clock);
    const { fingerprint } = await credentials.current();
    write({ token: 'b' });
    clock.freeze(30_000);
    const rotated = await credentials.current();
    expect(rotated.headers['Authorization']).toBe('Bearer b');
    expect(rotated.fingerprint).toBe(fingerprint);
    write({ token: 'b' }, { server: 'https://127.0.0.1:2' });
    clock.freeze(30_000);
    expect((await credentials.current()).fingerprint).not.toBe(fingerprint);
  });

  it('gives the same object without any promise while it is fresh', async () => {
    const credentials = load(write({ token: 'a' }));
    const first = await credentials.current();
    expect(credentials.current()).toBe(first);
  });

  it('says which kubeconfig is of no use', () => {
    const path = join(folder, 'broken');
    writeFileSync(
      path,
      '{"apiVersion":"v1","kind":"Config","clusters":[],"contexts":[],"users":[],"current-context":"nowhere"}',
    );
    expect(() => load(path)).toThrow(`the kubeconfig ${path} has no cluster for its context "nowhere"`);
  });
});
