import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { attachControlPlane, endControlPlane, startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { isAlive, waitForEnd } from '../../tools/control-plane/process-identity.js';
import type { State } from '../../tools/control-plane/state-folder.js';
import { recordedProcesses } from '../../tools/control-plane/state-folder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = fileURLToPath(new URL('../../tools/control-plane/main.ts', import.meta.url));

const pod = (name: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { serviceAccountName: 'reporter', containers: [{ name: 'app', image: 'none' }] },
  });

/** The command line, as a user runs it. */
function commandLine(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', main, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function outputOf(child: ChildProcess): Promise<{ stdout: string; stderr: string; code: number | null }> {
  const text = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { ...text, code };
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}

describe('control plane', () => {
  let controlPlane: ControlPlane;
  let another: ControlPlane;

  beforeAll(async () => {
    [controlPlane, another] = await Promise.all([startControlPlane(), startControlPlane({ audit: false })]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all([controlPlane, another].map((each) => each?.stop()));
  });

  it('shares nothing with another one beside it', async () => {
    expect(controlPlane.server).not.toBe(another.server);
    expect(controlPlane.etcdEndpoint).not.toBe(another.etcdEndpoint);
    await controlPlane.kubectlOk(['create', 'namespace', 'only-here']);
    const there = await another.kubectl(['get', 'namespace', 'only-here']);
    expect(there).toMatchObject({ code: 1, stderr: expect.stringContaining('not found') });
    // Its certificates are worth nothing there.
    const stranger = await controlPlane.kubeconfigFor({ user: 'admin', groups: ['system:masters'] });
    const refused = await another.kubectl(['get', 'namespaces', `--server=${another.server}`], {
      kubeconfig: stranger,
    });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('x509') });
  });

  it('answers with the version that is pinned', async () => {
    const version = JSON.parse((await controlPlane.request('GET', '/version')).text) as Record<string, string>;
    expect(version).toMatchObject({ gitVersion: 'v1.37.2', major: '1', minor: '37' });
  });

  it('makes users without rights of their own', async () => {
    const kubeconfig = await controlPlane.kubeconfigFor({ user: 'alice', groups: ['developers'] });
    const whoami = await controlPlane.kubectlOk(['auth', 'whoami', '-o=json'], { kubeconfig });
    expect(JSON.parse(whoami)).toMatchObject({
      status: { userInfo: { username: 'alice', groups: ['developers', 'system:authenticated'] } },
    });
    const refused = await controlPlane.kubectl(['get', 'pods'], { kubeconfig });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('User "alice" cannot list') });
  });

  it('binds a token to a Pod, whose name and uid its claims then hold', async () => {
    await controlPlane.kubectlOk(['create', 'serviceaccount', 'reporter']);
    const created = await controlPlane.kubectlOk(['create', '-f=-', '-o=json'], { input: pod('bound') });
    const { uid } = (JSON.parse(created) as { metadata: { uid: string } }).metadata;
    const serviceAccount = { namespace: 'default', name: 'reporter', pod: { name: 'bound', uid } };
    const claims = claimsOf(await controlPlane.token({ ...serviceAccount, expirationSeconds: 600 }));
    expect(claims['kubernetes.io']).toMatchObject({
      namespace: 'default',
      pod: { name: 'bound', uid },
      serviceaccount: { name: 'reporter' },
    });
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(600);
    const kubeconfig = await controlPlane.kubeconfigFor({ serviceAccount });
    expect(JSON.parse(await controlPlane.kubectlOk(['auth', 'whoami', '-o=json'], { kubeconfig }))).toMatchObject({
      status: { userInfo: { extra: { 'authentication.kubernetes.io/pod-uid': [uid] } } },
    });
    // The token ends with the Pod.
    await expect(
      controlPlane.token({ ...serviceAccount, pod: { name: 'bound', uid: uid.replace(/^./, 'x') } }),
    ).rejects.toThrow('no token for default/reporter: 409');
  });

  it('writes down who wrote what', async () => {
    await controlPlane.kubectlOk(['create', '-f=-'], { input: pod('audited') });
    const lines = readFileSync(controlPlane.auditLogPath ?? '', 'utf8')
      .trim()
      .split('\n');
    const events = lines.map(
      (line) => JSON.parse(line) as { verb: string; level: string; objectRef?: { name?: string } },
    );
    expect(events.find(({ verb, objectRef }) => verb === 'create' && objectRef?.name === 'audited')).toMatchObject({
      level: expect.stringMatching(/^Request/),
      user: { username: 'admin' },
      requestObject: { metadata: { name: 'audited' } },
      responseStatus: { code: 201 },
    });
    expect(another.auditLogPath).toBeUndefined();
  });

  it('keeps what is stored over a crash of its parts, and forgets history when told', async () => {
    const list = async (version: string): Promise<number> =>
      (await another.request('GET', `/api/v1/configmaps?resourceVersion=${version}&resourceVersionMatch=Exact`)).status;
    await another.kubectlOk(['create', 'configmap', 'kept']);
    const { metadata } = JSON.parse((await another.request('GET', '/api/v1/configmaps')).text) as {
      metadata: { resourceVersion: string };
    };
    await another.kubectlOk(['create', 'configmap', 'later']);
    expect(await list(metadata.resourceVersion)).toBe(200);
    await another.killApiServer();
    await expect(another.request('GET', '/version')).rejects.toThrow('ECONNREFUSED');
    await another.killEtcd();
    await another.startEtcd();
    expect(await another.compact()).toBeGreaterThan(Number(metadata.resourceVersion));
    await another.compact();
    await another.startApiServer();
    expect(await list(metadata.resourceVersion)).toBe(410);
    expect((await another.kubectl(['get', 'configmap', 'kept', 'later'])).code).toBe(0);
  });

  it('says which component failed to start, with the end of its log, and keeps the logs', async () => {
    const error: unknown = await startControlPlane({ apiServerFlags: ['--no-such-flag'] }).catch(
      (reason: unknown) => reason,
    );
    const message = String(error);
    expect(message).toMatch(/kube-apiserver ended with 1 while it was starting[^]*unknown flag: --no-such-flag/);
    const log = /^--- end of (.+)$/m.exec(message)?.[1] ?? '';
    const folder = dirname(dirname(log));
    expect(readFileSync(log, 'utf8')).toContain('unknown flag');
    expect(recordedProcesses(folder)).toEqual([]);
    await endControlPlane(folder);
    expect(existsSync(folder)).toBe(false);
  });

  it('leaves nothing behind when the process that started it is killed, its command neither', async () => {
    const runner = commandLine(['run', '--no-audit', '--', 'sh', '-c', 'echo "$CONTROL_PLANE_STATE"; sleep 600; true']);
    if (runner.stdout === null) throw new Error('no pipe');
    const [folder] = (await once(createInterface({ input: runner.stdout }), 'line')) as [string];
    const { supervisor } = JSON.parse(readFileSync(`${folder}/state.json`, 'utf8')) as State;
    const processes = recordedProcesses(folder);
    expect(processes.map(({ name }) => name)).toEqual(['etcd', 'kube-apiserver']);
    expect(processes.every(isAlive)).toBe(true);
    const ended = once(runner, 'close');
    runner.kill('SIGKILL');
    // 'close' comes when the pipe that the command inherited is closed too: it has ended.
    await ended;
    expect(await waitForEnd(supervisor, 20_000)).toBe(true);
    expect(processes.filter(isAlive)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it('passes on the exit code of its command, or the signal that ended it', async () => {
    const terminated = commandLine([
      'run',
      '--no-audit',
      '--',
      'sh',
      '-c',
      'trap "kill \\$!; exit 9" TERM; sleep 60 & echo up; wait',
    ]);
    const whenUp = once(terminated.stdout ?? process.stdin, 'data').then(() => terminated.kill('SIGTERM'));
    const [code, signal, forwarded] = await Promise.all([
      outputOf(commandLine(['run', '--no-audit', '--', 'sh', '-c', 'kubectl get --raw /readyz; exit 7'])),
      outputOf(commandLine(['run', '--no-audit', '--', 'sh', '-c', 'kill -TERM $$'])),
      once(terminated, 'exit'),
      whenUp,
    ]);
    // A signal to the launcher is one to its command, whose answer counts.
    expect(forwarded).toEqual([9, null]);
    expect(code).toMatchObject({ stdout: 'ok', code: 7 });
    expect(signal.code).toBe(128 + 15);
  });

  it('starts copies beside each other for one command, and ends them with it', async () => {
    const script = 'echo "$CONTROL_PLANE_COPIES"; echo "$CONTROL_PLANE_STATE"';
    const { stdout, code } = await outputOf(
      commandLine(['run', '--no-audit', '--copies', '2', '--', 'sh', '-c', script]),
    );
    expect(code).toBe(0);
    const [copies = '', first = ''] = stdout.split('\n');
    const folders = (JSON.parse(copies) as { CONTROL_PLANE_STATE: string }[]).map((copy) => copy.CONTROL_PLANE_STATE);
    expect(new Set(folders).size).toBe(2);
    expect(folders[0]).toBe(first);
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it('stays when it was brought up by command, is found by name, and ends by command', async () => {
    const name = `spec-${process.pid}`;
    try {
      const up = await outputOf(commandLine(['up', '--name', name, '--json', '--no-audit']));
      const state = JSON.parse(up.stdout) as State;
      expect(state).toMatchObject({ name, kubernetesVersion: 'v1.37.2' });
      const attached = await attachControlPlane(name);
      expect(await attached.kubectlOk(['get', '--raw', '/readyz'])).toBe('ok');
      const processes = await attached.processes();
      attached.supervisor.disconnect();
      // With its supervisor killed, the processes go too, or are ended by what it wrote down.
      process.kill(state.supervisor.pid, 'SIGKILL');
      const down = await outputOf(commandLine(['down', '--name', name, '--json']));
      expect(JSON.parse(down.stdout)).toEqual({ name, ended: true });
      expect(processes.filter(isAlive)).toEqual([]);
      expect(existsSync(state.folder)).toBe(false);
    } finally {
      await endControlPlane(name);
    }
  });

  it.each([
    [['nonsense'], 'unknown command "nonsense"'],
    [['up', '--nonsense'], "Unknown option '--nonsense'"],
    [['up', '--name', '../x'], 'the name "../x" must be'],
    [['run'], 'run needs a command'],
    [['run', '--copies', '0', '--', 'true'], '--copies is "0"; it may be 1 to 16'],
    [['up', '--copies', '2'], '--copies is for "run"'],
    [['kubectl', '--name', 'absent', '--', 'version'], 'no control plane in'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await outputOf(commandLine(args));
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) });
  });
});
