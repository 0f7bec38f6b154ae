/**
 * One real node and its control plane: kubelet, containerd, runc, a bridged Pod network, kube-proxy (nftables), cluster
 * DNS, scheduler and controller manager, in a world of their own (see world.ts).
 *
 * Guarantees
 * - Nothing of the machine's network, mounts or `/var` is touched, and nothing is left after `stop`, a crash of the
 *   starter, or `kill -9` of the supervisor followed by `down`.
 * - Several nodes at once don't see each other.
 *
 * Caveats
 * - There is no registry: images are loaded with `loadImage`, and Pods ask for them with `imagePullPolicy: Never`.
 * - There is no engine for network policies; drop rules (`nft`) stand in for one.
 * - Service traffic is masqueraded: its receiver sees the node's address.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlPlane } from '../control-plane.js';
import { freePorts } from '../ports.js';
import { cgroupRootOf, podFolder, processesIn } from './cgroups.js';
import { containerdSocket } from './configuration.js';
import { relayProcesses, startRelays } from './relay.js';
import { prefixOf } from './world.js';

/** What a command said and how it ended. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code; 128 when a signal ended it. */
  readonly code: number;
}

/** `tcp:` address on this machine that leads to one in the node's network. */
export interface Exposed {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Ends the way; it also ends with the node. */
  close(): Promise<void>;
}

export class RealNode {
  readonly controlPlane: ControlPlane;
  readonly #worldPid: number;
  #relays = 0;
  #archives = 0;

  constructor(controlPlane: ControlPlane, worldPid: number) {
    this.controlPlane = controlPlane;
    this.#worldPid = worldPid;
  }

  /** The node's first process by the machine's numbers: `nsenter --target=PID --net` enters the node's network. */
  get worldPid(): number {
    return this.#worldPid;
  }

  get #folder(): string {
    return this.controlPlane.state.folder;
  }

  /** Runs a command in the node's network, mounts and process numbers. */
  run(command: readonly string[], input?: string | Buffer): Promise<CommandResult> {
    return execute([...prefixOf(this.#worldPid), ...command], input);
  }

  /** Like `run`, for when anything but success is an error. @throws Error with what the command said. */
  async runOk(command: readonly string[], input?: string | Buffer): Promise<string> {
    return demandSuccess(command, await this.run(command, input));
  }

  /** Runs a command in the network of a Pod alone, with everything else of this machine. */
  runInPodNetwork(pid: number, command: readonly string[], input?: string): Promise<CommandResult> {
    return execute(['nsenter', `--net=/proc/${pid}/ns/net`, '--', ...command], input);
  }

  /**
   * Feeds rules to nftables: in the node's network, or in a Pod's when `podPid` is given. Of Pod-to-Pod traffic on the
   * bridge only the family `bridge` sees anything in the node's network; in a Pod's own, `inet` does.
   *
   * @throws Error with nft's words.
   */
  async nft(rules: string, podPid?: number): Promise<string> {
    const command = ['nft', '-f', '-'];
    // A rule ends with its line.
    const text = `${rules}\n`;
    return demandSuccess(
      command,
      podPid === undefined ? await this.run(command, text) : await this.runInPodNetwork(podPid, command, text),
    );
  }

  /** Imports an image archive (OCI layout or `docker save`), by path or content. Returns the names it brought. */
  async loadImage(archive: string | Buffer): Promise<readonly string[]> {
    const file =
      typeof archive === 'string' ? resolve(archive) : join(this.#folder, 'node', `image-${this.#archives++}.tar`);
    if (typeof archive !== 'string') writeFileSync(file, archive);
    try {
      const said = await this.runOk([...this.#ctr, 'images', 'import', file]);
      return [...said.matchAll(/^unpacking (\S+)/gm)].map(([, name = '']) => name);
    } finally {
      if (typeof archive !== 'string') rmSync(file, { force: true });
    }
  }

  get #ctr(): readonly string[] {
    return ['ctr', '--address', containerdSocket(this.#folder), '--namespace', 'k8s.io'];
  }

  /**
   * A process of a Pod (its sandbox's or a container's), by the machine's numbers, or undefined while there is none.
   * Its network is the Pod's.
   */
  podPid(podUid: string): number | undefined {
    const folder = podFolder(cgroupRootOf(this.controlPlane.state.name), podUid);
    return folder === undefined ? undefined : processesIn(folder)[0];
  }

  /** Waits for a process of the Pod. @throws Error when there is none within the time. */
  async untilPodPid(podUid: string, timeoutMs = 30_000): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const pid = this.podPid(podUid);
      if (pid !== undefined) return pid;
      if (performance.now() > deadline) throw new Error(`Pod ${podUid} has no process after ${timeoutMs} ms`);
      await delay(5);
    }
  }

  /** Opens a port of this machine's loopback that leads to an address in the node's network. */
  async expose(host: string, port: number): Promise<Exposed> {
    const { supervisor } = this.controlPlane;
    const name = `exposed-${process.pid}-${this.#relays++}`;
    const [outside = 0] = await freePorts(1);
    const ways = [{ socket: `${name}.sock`, target: `${host}:${port}`, outside }];
    const relays = relayProcesses(this.#folder, prefixOf(this.#worldPid), name, ways);
    await startRelays(this.#folder, supervisor, relays, ways);
    return {
      host: '127.0.0.1',
      port: outside,
      close: async () => {
        for (const relay of relays) await supervisor.stopProcess(relay.name, 'SIGKILL');
      },
    };
  }

  async release(): Promise<void> {
    await this.controlPlane.release();
  }

  async stop(options: { readonly keepState?: boolean } = {}): Promise<void> {
    await this.controlPlane.stop(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Where the number of the world's first process is written down. */
export const worldFile = (folder: string): string => join(folder, 'node', 'world.json');

export function writeWorld(folder: string, pid: number): void {
  mkdirSync(join(folder, 'node'), { recursive: true });
  writeFileSync(worldFile(folder), JSON.stringify({ pid }));
}

/** The node of a control plane that was started with one. @throws Error when it has none. */
export function nodeOf(controlPlane: ControlPlane): RealNode {
  if (controlPlane.state.profile !== 'node') {
    throw new Error(`the control plane ${JSON.stringify(controlPlane.state.name)} has no real node`);
  }
  const { pid } = JSON.parse(readFileSync(worldFile(controlPlane.state.folder), 'utf8')) as { pid: number };
  return new RealNode(controlPlane, pid);
}

function execute(command: readonly string[], input?: string | Buffer): Promise<CommandResult> {
  const [file = '', ...args] = command;
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A command may end before it has read its input; its exit code tells what happened.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
      resolve({ stdout: text(stdout), stderr: text(stderr), code: code ?? 128 });
    });
  });
}

function demandSuccess(command: readonly string[], { stdout, stderr, code }: CommandResult): string {
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}
