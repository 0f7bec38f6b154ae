/** The client's side of `supervisor-process.mjs`: starts one, or speaks to one that runs. */
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { toolFolder } from './asset-catalog.js';
import { identityOf, type ProcessIdentity } from './process-identity.js';

/** A process to be kept by the supervisor. Its output goes to `log`. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly log: string;
}

export interface SupervisedProcess extends ProcessIdentity {
  readonly name: string;
  readonly running: boolean;
}

export interface ExitNotice {
  readonly name: string;
  readonly pid: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly event?: 'exited';
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const socketOf = (stateFolder: string): string => join(stateFolder, 'supervisor.sock');

/** Emits `exited` with an ExitNotice whenever one of its processes ends, wanted or not. */
export class Supervisor extends EventEmitter<{ exited: [ExitNotice] }> {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed: Error | undefined;

  private constructor(socket: Socket) {
    super();
    this.#socket = socket;
    // Neither connection may keep a program alive that is done otherwise.
    socket.unref();
    createInterface({ input: socket }).on('line', (line) => this.#receive(JSON.parse(line) as Reply));
    socket.on('error', (error) => this.#close(error));
    socket.on('close', () => this.#close(new Error('the supervisor has gone')));
  }

  /** Starts a supervisor for the state folder. It ends all when this process ends, unless released. */
  static async start(stateFolder: string): Promise<{ supervisor: Supervisor; identity: ProcessIdentity }> {
    const log = openSync(join(stateFolder, 'logs', 'supervisor.log'), 'a');
    const child = spawn(process.execPath, [join(toolFolder, 'supervisor-process.mjs'), stateFolder], {
      detached: true,
      stdio: ['pipe', 'pipe', log],
      env: withoutNodeOptions(),
    });
    closeSync(log);
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error('the supervisor has no pipes');
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`the supervisor ended with ${String(code)}; see ${stateFolder}/logs/supervisor.log`);
    });
    await Promise.race([once(stdout, 'data'), failed]);
    // From here on its end is told by the socket.
    failed.catch(() => undefined);
    stdout.destroy();
    child.unref();
    (stdin as Socket).unref();
    stdin.on('error', () => undefined);
    const identity = child.pid === undefined ? undefined : identityOf(child.pid);
    if (identity === undefined) throw new Error('the supervisor ended at once');
    return { supervisor: await Supervisor.attach(stateFolder), identity };
  }

  /** Speaks to the supervisor of a state folder. @throws Error when none listens there. */
  static async attach(stateFolder: string): Promise<Supervisor> {
    const socket = connect(socketOf(stateFolder));
    await once(socket, 'connect');
    return new Supervisor(socket);
  }

  async startProcess(spec: ProcessSpec): Promise<ProcessIdentity> {
    return (await this.#ask({ op: 'start', ...spec })) as ProcessIdentity;
  }

  /** Ends a process and waits for that; after the grace time it is killed. */
  async stopProcess(name: string, signal: NodeJS.Signals = 'SIGTERM', graceMs = 5_000): Promise<void> {
    await this.#ask({ op: 'stop', name, signal, graceMs });
  }

  async signal(name: string, signal: NodeJS.Signals): Promise<void> {
    await this.#ask({ op: 'signal', name, signal });
  }

  async list(): Promise<readonly SupervisedProcess[]> {
    const result = (await this.#ask({ op: 'list' })) as { processes: readonly SupervisedProcess[] };
    return result.processes;
  }

  /** Makes a process of ours end with the control plane when its starter is killed. */
  async adopt(identity: ProcessIdentity): Promise<void> {
    await this.#ask({ op: 'adopt', ...identity });
  }

  /** A command that undoes what the processes leave behind; run once all have ended. */
  async cleanUpWith(command: string, args: readonly string[]): Promise<void> {
    await this.#ask({ op: 'cleanup', command, args });
  }

  /** Lets the control plane outlive the process that started it. */
  async release(): Promise<void> {
    await this.#ask({ op: 'release' });
  }

  /** Ends everything, the supervisor too. @throws Error when something couldn't be cleaned up. */
  async end(keepState: boolean): Promise<void> {
    const result = (await this.#ask({ op: 'end', keepState })) as { problem?: string };
    this.disconnect();
    if (result.problem !== undefined) throw new Error(result.problem);
  }

  disconnect(): void {
    this.#socket.destroy();
  }

  #ask(request: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket.ref();
      this.#socket.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  #receive(reply: Reply): void {
    if (reply.event !== undefined) {
      this.emit('exited', reply as unknown as ExitNotice);
      return;
    }
    const pending = reply.id === undefined ? undefined : this.#pending.get(reply.id);
    if (reply.id === undefined || pending === undefined) return;
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#socket.unref();
    if (reply.error === undefined) pending.resolve(reply.result);
    else pending.reject(new Error(reply.error));
  }

  #close(error: Error): void {
    this.#closed ??= error;
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}

/** The supervisor needs no loader, and a debugger's port must not be inherited. */
function withoutNodeOptions(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['NODE_OPTIONS'];
  return environment;
}
