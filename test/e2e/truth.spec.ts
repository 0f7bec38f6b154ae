/**
 * Whether what is reported is true: the packets of a Pod are dropped or refused by rules until an instant that the test itself
 * chooses and records, and the reported instant of datapath readiness is held against it.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cgroupRootOf } from '../../tools/control-plane/node/cgroups.js';
import { addresses } from '../../tools/control-plane/node/world.js';
import { nearestRank } from '../../src/statistics/quantile.js';
import { deployedCluster, PATIENCE_MS, until } from './cluster.js';
import type { Cluster } from './cluster.js';
import { pod, workloadNamespace } from './manifests.js';
import { describeOnRealNode } from './on-real-node.js';

const NAMESPACE = 'truth';

/** From a Pod's first packet until its rule is lifted, milliseconds. */
const DELAYS = [0, 50, 130, 777, 2500, 5300];

interface Case {
  readonly way: 'refused' | 'dropped';
  readonly delayMs: number;
  /** Where something listens, behind a rule of this kind. A port of its own tells the case by the packet. */
  readonly port: number;
}

const CASES: readonly Case[] = (['refused', 'dropped'] as const).flatMap((way, row) =>
  DELAYS.map((delayMs, column) => ({ way, delayMs, port: 9100 + 10 * row + column })),
);

/** Pods of each case, in so many rounds with all cases: a round must fit the addresses of the node. */
const PODS = 20;
const ROUNDS = 4;

/** Pods that may be starting at a time. More, and the test would measure how two cores are shared. */
const STARTING = 2;

/** One interval of probing and a tenth of it (at the default interval of 100 ms). */
const MAX_ERROR_MS = 110;
/** Both sides read the same clock, one of them in whole milliseconds. */
const RESOLUTION_MS = 1;

/** When the rule of one Pod was lifted: between these two, epoch milliseconds. */
interface Lift {
  readonly beforeMs: number;
  readonly afterMs: number;
  /** The Pod's reporter, by the machine's numbers. */
  readonly pid: number;
  /** How long it had waited for a processor until then, milliseconds. */
  readonly waitedBefore: number;
}

interface Measured {
  /** Reported readiness minus lift, milliseconds: at least and at most, as the lift lies between two instants. */
  readonly least: number;
  readonly most: number;
  /** How long the kernel let the reporter wait for a processor since the lift, milliseconds. */
  readonly waited: number;
}

const portsOf = (way: Case['way']): string =>
  CASES.filter((each) => each.way === way)
    .map(({ port }) => port)
    .join(', ');

const RULES = `table inet truth {
  set open { type ipv4_addr; }
  set seen { type ipv4_addr; flags dynamic; }
  chain input {
    type filter hook input priority -10;
    iif lo accept
    meta l4proto != tcp accept
    tcp dport != { ${portsOf('refused')}, ${portsOf('dropped')} } accept
    ip saddr @open accept
    ip saddr != @seen meta nftrace set 1
    add @seen { ip saddr }
    tcp dport { ${portsOf('refused')} } reject with tcp reset
    tcp dport { ${portsOf('dropped')} } drop
  }
}`;

const SERVER = `for (const port of [${CASES.map(({ port }) => port).join(', ')}])
  require('node:net').createServer((socket) => { socket.on('error', () => {}); socket.end(); }).listen(port, '0.0.0.0', 1024);
process.on('SIGTERM', () => process.exit(0));`;

/** Lifts the rule of each Pod a given time after its first packet was seen. */
class Gatekeeper {
  readonly lifts = new Map<string, Lift>();
  readonly seen = new Set<string>();
  readonly #shell: ChildProcessByStdio<Writable, Readable, null>;
  readonly #monitor: ChildProcessByStdio<null, Readable, null>;
  readonly #lifting = new Map<string, Omit<Lift, 'afterMs'>>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(worldPid: number) {
    const inside = [`--target=${worldPid}`, '--net', '--'];
    this.#shell = spawn('nsenter', [...inside, 'sh'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#monitor = spawn('nsenter', [...inside, 'nft', 'monitor', 'trace'], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#shell.stdout }).on('line', (ip) => {
      const lifting = this.#lifting.get(ip);
      if (lifting !== undefined) this.lifts.set(ip, { ...lifting, afterMs: Date.now() });
    });
    createInterface({ input: this.#monitor.stdout }).on('line', (line) => {
      const [, ip, port] = /ip saddr (\d+\.\d+\.\d+\.\d+) .*tcp dport (\d+)/.exec(line) ?? [];
      const found = CASES.find((each) => String(each.port) === port);
      if (ip !== undefined && found !== undefined && !this.seen.has(ip)) this.#schedule(ip, found.delayMs);
    });
  }

  /** Forgets all Pods: their addresses will be others'. @returns rules that do the same in the kernel */
  reset(): string {
    this.lifts.clear();
    this.seen.clear();
    this.#lifting.clear();
    return 'flush set inet truth open\nflush set inet truth seen';
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#monitor.kill();
    this.#shell.stdin.end();
  }

  #schedule(ip: string, delayMs: number): void {
    this.seen.add(ip);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const pid = reporterOf(ip);
      const waitedBefore = waitedMs(pid);
      this.#lifting.set(ip, { pid, waitedBefore, beforeMs: Date.now() });
      this.#shell.stdin.write(`nft add element inet truth open '{ ${ip} }' && echo ${ip}\n`);
    }, delayMs);
    this.#timers.add(timer);
  }
}

describeOnRealNode('the reported instant of datapath readiness', () => {
  let cluster: Cluster;
  let gatekeeper: Gatekeeper;
  let restore: (() => void) | undefined;
  const measured = new Map<Case, Measured[]>(CASES.map((each) => [each, []]));

  beforeAll(async () => {
    cluster = await deployedCluster();
    await cluster.create(...workloadNamespace(NAMESPACE), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'server', namespace: NAMESPACE },
      spec: {
        hostNetwork: true,
        terminationGracePeriodSeconds: 1,
        automountServiceAccountToken: false,
        containers: [
          {
            name: 'server',
            image: 'datapath-controller:0.1.0',
            command: ['/usr/local/bin/node', '-e', SERVER],
            readinessProbe: { tcpSocket: { port: CASES.at(-1)?.port, host: '127.0.0.1' }, periodSeconds: 1 },
          },
        ],
      },
    });
    await cluster.kubectl(['wait', '-n', NAMESPACE, '--for=condition=Ready', 'pod/server', '--timeout=60s']);
    await cluster.node.nft(RULES);
    gatekeeper = new Gatekeeper(cluster.node.worldPid);
    restore = precedence(cluster.plane.state.name);
  }, 240_000);
  afterAll(async () => {
    gatekeeper?.end();
    restore?.();
    await cluster?.node.nft('delete table inet truth').catch(() => '');
    await cluster?.dropNamespaces(NAMESPACE);
    await cluster?.end();
    process.stderr.write(`${table(measured)}\n`);
  }, 120_000);

  it('is measured', async () => {
    for (let round = 0; round < ROUNDS; round++) await measure(round);
  }, 600_000);

  it.each(CASES)('is right for packets that are $way until $delayMs ms after the first', (each) => {
    const errors = measured.get(each) ?? [];
    expect(errors).toHaveLength(PODS);
    for (const { least, most, waited } of errors) {
      expect(least).toBeGreaterThanOrEqual(-RESOLUTION_MS);
      // A reporter that gets no processor can't probe; how long it waited for one is known to the kernel.
      expect(most - waited).toBeLessThanOrEqual(MAX_ERROR_MS);
    }
  });

  async function measure(round: number): Promise<void> {
    await cluster.node.nft(gatekeeper.reset());
    const pods = Array.from({ length: PODS / ROUNDS }, (_, i) => i).flatMap((i) =>
      CASES.map((each) => ({ each, name: `${each.way}-${each.delayMs}-${round}-${i}` })),
    );
    for (const [created, { each, name }] of pods.entries()) {
      await until('a Pod has started', async () => created - gatekeeper.seen.size < STARTING, PATIENCE_MS, 20);
      const target = `tcp://${addresses.node}:${each.port}`;
      const container = { resources: { requests: { cpu: '5m' } } };
      await cluster.create(pod(NAMESPACE, { name, target, container, app: 'exec sleep infinity' }));
    }
    const results = await until('all Pods are Ready', async () => {
      const all = await cluster.results(NAMESPACE);
      return pods.every(({ name }) => all.get(name)?.status?.outcome === 'Ready') ? all : undefined;
    });
    const statuses = new Map((await cluster.pods(NAMESPACE)).map((status) => [status.metadata.name, status]));
    for (const { each, name } of pods) {
      const status = statuses.get(name);
      const lift = gatekeeper.lifts.get(status?.status.podIP ?? '');
      if (lift === undefined) throw new Error(`${name} was ready before its rule was lifted`);
      const readyMs = Date.parse(results.get(name)?.status?.datapathReadyAt ?? '');
      measured.get(each)?.push({
        least: readyMs - lift.beforeMs,
        most: readyMs - lift.afterMs,
        waited: waitedMs(lift.pid) - lift.waitedBefore,
      });
    }
    const names = pods.map(({ name }) => name);
    await cluster.kubectl(['delete', 'pod', '-n', NAMESPACE, ...names, '--wait=false', '--grace-period=0', '--force']);
    await until('the Pods are gone', async () => (await cluster.pods(NAMESPACE)).length === 1);
  }
});

/** The process of the reporter that probes from this address. @throws Error when there is none */
function reporterOf(ip: string): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      // The kernel keeps 15 characters of a name.
      if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== 'datapath-report') continue;
      if (readFileSync(`/proc/${pid}/net/fib_trie`, 'utf8').includes(`${ip}\n`)) return Number(pid);
    } catch {
      // It has ended meanwhile: none of ours.
    }
  }
  throw new Error(`no reporter has the address ${ip}`);
}

/** How long a process has waited for a processor while it could have run (Documentation/scheduler/sched-stats in Linux). */
function waitedMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
}

/**
 * Gives the node's Pods precedence over everything else on this machine, as on a node of their own.
 *
 * @returns what takes it back
 */
function precedence(controlPlaneName: string): () => void {
  const folders = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup'];
  for (const folder of folders.map((each) => join(each, cgroupRootOf(controlPlaneName)))) {
    for (const [file, most] of [
      ['cpu.shares', '262144'],
      ['cpu.weight', '10000'],
    ] as const) {
      const path = join(folder, file);
      if (!existsSync(path)) continue;
      const before = readFileSync(path, 'utf8');
      writeFileSync(path, most);
      return () => writeFileSync(path, before);
    }
  }
  return () => undefined;
}

function table(measured: ReadonlyMap<Case, readonly Measured[]>): string {
  const title =
    'packets  lifted after  Pods |  error: min   p50   p90   max |  waited for a processor: p50   max  (ms)';
  const rows = [...measured].map(([{ way, delayMs }, list]) => {
    const sorted = (pick: (each: Measured) => number): readonly number[] => list.map(pick).sort((a, b) => a - b);
    const quantile = (values: readonly number[], q: number): string =>
      String(Math.round(values[nearestRank(values.length, q)] ?? NaN));
    const [least, most, waited] = [
      sorted((each) => each.least),
      sorted((each) => each.most),
      sorted((each) => each.waited),
    ];
    const errors = [quantile(least, 0), ...[0.5, 0.9, 1].map((q) => quantile(most, q))];
    return [
      way.padEnd(9) + `${delayMs} ms`.padStart(12) + String(list.length).padStart(6),
      errors.map((text, i) => text.padStart(i === 0 ? 12 : 6)).join(''),
      [0.5, 1].map((q) => quantile(waited, q).padStart(q === 1 ? 6 : 28)).join(''),
    ].join(' | ');
  });
  return [title, ...rows].join('\n');
}
