import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { LEASES } from '../../src/modules/kube/lease-lock.js';
import { Reflector } from '../../src/modules/kube/reflector.js';
import { compareVersions } from '../../src/modules/kube/resource-version.js';
import type { KubeObject, Projected } from '../../src/modules/kube/resource.js';
import { identityOf } from '../../src/modules/operator/index.js';
import { eventually, makeNamespace } from '../support/kube-fixtures.js';
import { type ProxiedKubeconfig, proxiedKubeconfig } from '../support/proxied-kubeconfig.js';
import { serveWidgets, type Widget, widget, WIDGETS } from '../support/operator-fixtures.js';

const REPLICA = fileURLToPath(new URL('../support/operator-replica.ts', import.meta.url));
/** The replica as one file: five processes that each compile it would take most of the time. It must lie where packages are found. */
const BUNDLE = fileURLToPath(new URL(`../../node_modules/.cache/operator-replica-${process.pid}.mjs`, import.meta.url));

/** One replica in a process of its own, and what it said. */
class Replica {
  readonly events = new Set<string>();
  ready = false;
  leading = false;
  exitCode: number | null | undefined = undefined;
  readonly #process: ChildProcess;

  constructor(
    namespace: string,
    readonly identity: string,
    readonly proxied: ProxiedKubeconfig,
  ) {
    this.#process = spawn(process.execPath, ['--no-warnings', BUNDLE, namespace, identity], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', KUBECONFIG: proxied.kubeconfig },
    });
    this.#process.on('exit', (code) => {
      this.exitCode = code;
    });
    const report = this.#process.stdio[3];
    if (!(report instanceof Readable)) throw new Error('the replica has no descriptor 3');
    createInterface(report).on('line', (line) => {
      this.#take(JSON.parse(line) as { ready?: boolean; leading?: boolean; event?: string });
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  async end(): Promise<void> {
    if (this.exitCode !== undefined) return;
    this.signal('SIGCONT');
    this.signal('SIGKILL');
    await eventually(`${this.identity} has ended`, () => this.exitCode !== undefined);
  }

  #take(line: { ready?: boolean; leading?: boolean; event?: string }): void {
    if (line.ready !== undefined) this.ready = line.ready;
    if (line.leading !== undefined) this.leading = line.leading;
    if (line.event !== undefined) this.events.add(line.event);
  }
}

interface Written extends Projected {
  readonly writer: string;
}

/** Who wrote widgets and who held the lease, in the order of etcd: versions of one API server's objects are comparable. */
class Chronicle {
  readonly writes: Written[] = [];
  readonly holders: Written[] = [];
  readonly #reflectors: Reflector<Written>[];

  constructor(client: KubeClient, namespace: string) {
    const follow = (
      type: typeof WIDGETS,
      project: (raw: KubeObject) => Written,
      list: Written[],
    ): Reflector<Written> => {
      const reflector = new Reflector<Written>({ client, type, project, namespace });
      reflector.listen((event) => {
        if (event.type === 'Added' || event.type === 'Modified') list.push(event.object);
      });
      reflector.start();
      return reflector;
    };
    this.#reflectors = [
      follow(
        WIDGETS,
        (raw) => ({ ...identityOf(raw), writer: String((raw as Widget).status?.['writer'] ?? '') }),
        this.writes,
      ),
      follow(
        LEASES,
        (raw) => ({
          ...identityOf(raw),
          writer: (raw as { spec?: { holderIdentity?: string } }).spec?.holderIdentity ?? '',
        }),
        this.holders,
      ),
    ];
  }

  /** Writes whose writer did not hold the lease at that moment. */
  unfenced(): string[] {
    return this.writes
      .filter(({ writer }) => writer !== '')
      .filter(({ writer, resourceVersion }) => writer !== this.holderAt(resourceVersion))
      .map(({ name, writer, resourceVersion }) => `${name}@${resourceVersion} by ${writer}`);
  }

  holderAt(version: string): string | undefined {
    return this.holders.findLast(({ resourceVersion }) => compareVersions(resourceVersion, version) < 0)?.writer;
  }

  get ready(): boolean {
    return this.#reflectors.every((reflector) => reflector.synced);
  }

  /** Until the chronicle holds everything up to now. */
  async catchUp(client: KubeClient, namespace: string): Promise<void> {
    const name = `marker-${Date.now()}`;
    await client.create(WIDGETS, widget(namespace, name, { size: 1 }));
    await eventually('the chronicle has caught up', () => this.writes.some((write) => write.name === name));
    const { metadata } = await client.list(LEASES, { namespace });
    await eventually('it knows the leases', () => {
      const last = this.holders.at(-1);
      return last !== undefined && compareVersions(last.resourceVersion, metadata.resourceVersion) >= 0;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
  }
}

describe('Leader election among replicas', () => {
  let client: KubeClient;
  let namespace: string;
  let chronicle: Chronicle;
  const replicas: Replica[] = [];
  const cleanups: (() => Promise<void>)[] = [];

  const start = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      const proxied = await proxiedKubeconfig();
      cleanups.push(proxied.close);
      replicas.push(new Replica(namespace, `replica-${replicas.length}`, proxied));
    }
    await eventually('all replicas are ready', () => replicas.every((replica) => replica.ready), 60_000);
  };
  const leader = async (among: readonly Replica[] = replicas): Promise<Replica> => {
    let found: Replica | undefined;
    await eventually(
      'a replica leads',
      () => {
        found = among.find((replica) => replica.leading);
        return found !== undefined;
      },
      20_000,
    );
    if (found === undefined) throw new Error('no leader');
    return found;
  };
  const put = async (name: string, size: number): Promise<void> => {
    await client.create(WIDGETS, widget(namespace, name, { size }));
  };
  const handled = (name: string, by: readonly Replica[]): Promise<void> =>
    eventually(
      `${name} is handled`,
      async () => {
        const { status } = await client.get<Widget>(WIDGETS, { namespace, name });
        return by.some(({ identity }) => identity === status?.['writer']);
      },
      20_000,
    );
  const others = (one: Replica): Replica[] => replicas.filter((replica) => replica !== one);
  const pulses = (writer: string): number => chronicle.writes.filter((write) => write.writer === writer).length;

  beforeAll(async () => {
    await build({
      entryPoints: [REPLICA],
      outfile: BUNDLE,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      logLevel: 'error',
    });
    client = connect();
    await serveWidgets(client);
  });

  beforeEach(async () => {
    namespace = await makeNamespace(client, 'election');
    chronicle = new Chronicle(client, namespace);
    await put('pulse', 0);
    await eventually('the chronicle is kept', () => chronicle.ready);
  });

  afterEach(async () => {
    await Promise.all(replicas.splice(0).map((replica) => replica.end()));
    for (const cleanup of cleanups.splice(0)) await cleanup();
    await chronicle.stop();
  });

  afterAll(async () => {
    client.close();
    await rm(BUNDLE, { force: true });
  });

  describe.each([2, 3, 5])('of %d, all of which see every event', (count) => {
    it('lets only the leader write, while it is frozen past its lease and wakes, is cut off and comes back, and is killed', async () => {
      await start(count);
      const first = await leader();
      await eventually('it writes', () => pulses(first.identity) > 3);
      await put('a', 1);
      await handled('a', replicas);
      await eventually('all replicas saw it', () => replicas.every(({ events }) => events.has('a 1')));

      first.signal('SIGSTOP');
      await put('frozen', 2);
      await handled('frozen', others(first));
      first.signal('SIGCONT');
      await eventually('the one that was frozen reads on', () => first.events.has('frozen 2'));

      const second = await leader();
      await second.proxied.proxy.refuse();
      await eventually('it stops leading by itself', () => !second.leading);
      await put('cut', 3);
      await handled('cut', others(second));
      expect(second.events.has('cut 3')).toBe(false);
      await second.proxied.proxy.heal();
      await eventually('the one that was cut off reads on', () => second.events.has('cut 3'));

      const third = await leader();
      third.signal('SIGKILL');
      await put('killed', 4);
      await handled('killed', others(third));

      await chronicle.catchUp(client, namespace);
      expect(chronicle.unfenced()).toEqual([]);
      expect(new Set(chronicle.holders.map(({ writer }) => writer)).size).toBeGreaterThan(1);
    }, 180_000);
  });

  it('hands the lease over at once when the leader is told to stop, and exits with 0', async () => {
    await start(2);
    const first = await leader();
    first.signal('SIGTERM');
    await put('a', 1);
    await handled('a', others(first));
    await eventually('the first has ended', () => first.exitCode !== undefined);
    expect(first.exitCode).toBe(0);
    await chronicle.catchUp(client, namespace);
    // Given back: a lease that expires is taken from its holder.
    expect(chronicle.holders.map(({ writer }) => writer)).toContain('');
    expect(chronicle.unfenced()).toEqual([]);
  }, 120_000);
});
