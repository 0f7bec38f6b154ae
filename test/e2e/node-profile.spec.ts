import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { call } from '../../tools/control-plane/http.js';
import { busyboxImage, busyboxReference } from '../../tools/control-plane/node/busybox-image.js';
import type { RealNode } from '../../tools/control-plane/node/node.js';
import { startNode } from '../../tools/control-plane/node/start-node.js';
import { isAlive, waitForEnd, type ProcessIdentity } from '../../tools/control-plane/process-identity.js';
import { recordedProcesses, type State } from '../../tools/control-plane/state-folder.js';
import { waitUntil } from '../../tools/control-plane/wait.js';
import { describeOnRealNode } from './on-real-node.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = fileURLToPath(new URL('../../tools/control-plane/main.ts', import.meta.url));

const pod = (name: string, script: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'app', image: busyboxReference, imagePullPolicy: 'Never', command: ['sh', '-c', script] }],
  },
});

const webService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
};

/** What a node could leave on the machine, to be compared before and after. */
function traces(): { links: readonly string[]; mounts: readonly string[]; cgroups: readonly string[] } {
  const hierarchies = readdirSync('/sys/fs/cgroup', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return {
    links: readdirSync('/sys/class/net').sort(),
    mounts: readFileSync('/proc/self/mounts', 'utf8').split('\n').sort(),
    cgroups: ['/sys/fs/cgroup', ...hierarchies.map(({ name }) => `/sys/fs/cgroup/${name}`)]
      .flatMap((folder) => readdirSync(folder).map((entry) => `${folder}/${entry}`))
      .filter((path) => path.includes('/pdr-'))
      .sort(),
  };
}

/** The processes of this machine whose command line names the folder, zombies left out. */
function processesNaming(folder: string): readonly string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        // It has ended meanwhile.
        return '';
      }
    })
    .filter((line) => line.includes(folder));
}

describeOnRealNode('the node profile', () => {
  let before: ReturnType<typeof traces>;
  let node: RealNode;
  let folder: string;
  const ok = (args: readonly string[], input?: object): Promise<string> =>
    node.controlPlane.kubectlOk(args, input === undefined ? {} : { input: JSON.stringify(input) });
  const read = async <T>(args: readonly string[]): Promise<T> => JSON.parse(await ok([...args, '-o=json'])) as T;

  beforeAll(async () => {
    before = traces();
    node = await startNode();
    folder = node.controlPlane.state.folder;
    expect(await node.loadImage(busyboxImage())).toEqual([busyboxReference]);
    const serve = 'echo hello > /www/index.html; echo serving; httpd -f -p 8080 -h /www & trap "exit 3" TERM; wait';
    for (const object of [pod('web', serve), pod('client', 'exec sleep infinity'), webService]) {
      await ok(['create', '-f=-'], object);
    }
    await ok(['wait', '--for=condition=Ready', 'pod/web', 'pod/client', '--timeout=60s']);
  }, 180_000);
  afterAll(() => node?.stop(), 60_000);

  it('has one ready node that runs the pinned release', async () => {
    interface Nodes {
      items: { metadata: { name: string }; status: { nodeInfo: Record<string, string> } }[];
    }
    const { items } = await read<Nodes>(['get', 'nodes']);
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['node1']);
    expect(items[0]?.status.nodeInfo).toMatchObject({ kubeletVersion: 'v1.37.2' });
  });

  it('answers logs, exec and port-forward', async () => {
    expect(await ok(['logs', 'web'])).toBe('serving\n');
    expect(await ok(['exec', 'client', '--', 'echo', 'from inside'])).toBe('from inside\n');
    const forward = spawn(node.controlPlane.state.kubectl, ['port-forward', 'service/web', ':80'], {
      env: node.controlPlane.environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(createInterface({ input: forward.stdout }), 'line')) as [string];
      const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      expect(await call({ url: `http://127.0.0.1:${port ?? 'none'}/` })).toMatchObject({
        status: 200,
        text: 'hello\n',
      });
    } finally {
      const ended = once(forward, 'exit');
      forward.kill();
      await ended;
    }
  });

  it('carries a Service by address and by name from a Pod, and the API server too', async () => {
    const { spec } = await read<{ spec: { clusterIP: string } }>(['get', 'service', 'web']);
    const fetch = (url: string): Promise<string> => ok(['exec', 'client', '--', 'wget', '-q', '-O-', url]);
    expect(await fetch(`http://${spec.clusterIP}/`)).toBe('hello\n');
    expect(await fetch('http://web/')).toBe('hello\n');
    expect(await fetch('http://web.default.svc.cluster.local/')).toBe('hello\n');
    await ok(['exec', 'client', '--', 'sh', '-c', 'nc -w 5 kubernetes.default 443 </dev/null']);
  });

  it('opens a port of this machine that leads to a Pod', async () => {
    const { status } = await read<{ status: { podIP: string } }>(['get', 'pod', 'web']);
    const exposed = await node.expose(status.podIP, 8080);
    expect(await call({ url: `http://127.0.0.1:${exposed.port}/` })).toMatchObject({ text: 'hello\n' });
    await exposed.close();
    await expect(once(connect(exposed.port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
  });

  it("drops and refuses a Pod's traffic by rules, on the bridge and in the Pod's own network", async () => {
    interface Pod {
      metadata: { uid: string };
      status: { podIP: string };
    }
    const [web, client] = [await read<Pod>(['get', 'pod', 'web']), await read<Pod>(['get', 'pod', 'client'])];
    // wget's own time limit crashes in a statically linked busybox.
    const fetch = `timeout 2 wget -q -O- http://${web.status.podIP}:8080/`;
    const tries = (): Promise<{ code: number; stderr: string }> =>
      node.controlPlane.kubectl(['exec', 'client', '--', 'sh', '-c', fetch]);
    expect(await tries()).toMatchObject({ code: 0 });

    await node.nft(`table bridge held {
      set pods { type ipv4_addr; elements = { ${client.status.podIP} } }
      chain forward { type filter hook forward priority 0; ip saddr @pods drop; }
    }`);
    expect(await tries()).toMatchObject({ code: 143, stderr: expect.not.stringContaining('refused') });
    await node.nft(`delete element bridge held pods { ${client.status.podIP} }`);
    expect(await tries()).toMatchObject({ code: 0 });

    const pid = await node.untilPodPid(client.metadata.uid);
    await node.nft(
      `table inet fault {
        chain out { type filter hook output priority 0; tcp dport 8080 reject with tcp reset; }
      }`,
      pid,
    );
    expect(await tries()).toMatchObject({ code: 1, stderr: expect.stringContaining('refused') });
    await node.nft('delete table inet fault', pid);
    expect(await tries()).toMatchObject({ code: 0 });
  });

  it('restarts a container whose process is killed, and survives the end of its kubelet', async () => {
    interface Pod {
      status: { containerStatuses: { restartCount: number }[] };
    }
    await node.controlPlane.kill('kubelet');
    expect(await ok(['get', 'pod', 'web', '-o=name'])).toBe('pod/web\n');
    await node.controlPlane.start('kubelet');
    // A kubelet that has just started doesn't know its Pods yet.
    await waitUntil(
      'the new kubelet runs no command in web',
      async () => (await node.controlPlane.kubectl(['exec', 'web', '--', 'kill', '1'])).code === 0,
      30_000,
    );
    await waitUntil(
      'the container of web was not restarted',
      async () => ((await read<Pod>(['get', 'pod', 'web'])).status.containerStatuses[0]?.restartCount ?? 0) > 0,
      60_000,
    );
  });

  it('leaves nothing on the machine when it is stopped', async () => {
    const processes = recordedProcesses(folder);
    expect(traces().cgroups.length).toBeGreaterThan(before.cgroups.length);
    await node.stop();
    expect(processes.filter(isAlive)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
    expect(traces()).toEqual(before);
    await waitUntil('processes are left', () => processesNaming(folder).length === 0, 5_000);
  });

  it('leaves nothing on the machine when its starter is killed in the middle', async () => {
    const runner = spawn(
      process.execPath,
      ['--import', 'tsx', main, 'run', '--profile', 'node', '--', 'sh', '-c', 'echo "$CONTROL_PLANE_STATE"; sleep 600'],
      { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const [state] = (await once(createInterface({ input: runner.stdout }), 'line')) as [string];
    const { supervisor } = JSON.parse(readFileSync(`${state}/state.json`, 'utf8')) as State;
    const processes: readonly ProcessIdentity[] = recordedProcesses(state);
    runner.kill('SIGKILL');
    expect(await waitForEnd(supervisor, 30_000)).toBe(true);
    expect(processes.filter(isAlive)).toEqual([]);
    expect(existsSync(state)).toBe(false);
    expect(traces()).toEqual(before);
  });

  it('is ended by command when even its supervisor was killed', async () => {
    const orphaned = await startNode();
    const { state } = orphaned.controlPlane;
    process.kill(state.supervisor.pid, 'SIGKILL');
    expect(await waitForEnd(state.supervisor, 10_000)).toBe(true);
    const down = spawn(process.execPath, ['--import', 'tsx', main, 'down', '--name', state.name], { cwd: root });
    expect(await once(down, 'exit')).toEqual([0, null]);
    expect(existsSync(state.folder)).toBe(false);
    expect(traces()).toEqual(before);
  });
});
