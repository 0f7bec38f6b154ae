/** The pairs of processes that carry connections between this machine and the node's network. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canConnect, tailOf } from '../readiness.js';
import type { ExitNotice, ProcessSpec, Supervisor } from '../supervisor.js';
import { waitUntil } from '../wait.js';

/** One way from a port of this machine's loopback to an address in the node's network. */
export interface Way {
  /** File name of the Unix socket at which both halves meet. */
  readonly socket: string;
  /** `HOST:PORT` in the node's network. */
  readonly target: string;
  /** Port of this machine's loopback. */
  readonly outside: number;
}

const socketOf = (folder: string, way: Way): string => join(folder, 'relay', way.socket);
const program = fileURLToPath(new URL('relay-process.mjs', import.meta.url));

/** The inner and the outer half for some ways. */
export function relayProcesses(
  folder: string,
  commandPrefix: readonly string[],
  name: string,
  ways: readonly Way[],
): readonly [ProcessSpec, ProcessSpec] {
  mkdirSync(join(folder, 'relay'), { recursive: true });
  const socket = (way: Way): string => `unix:${socketOf(folder, way)}`;
  const [command = '', ...prefix] = [...commandPrefix, process.execPath];
  return [
    {
      name: `${name}-inside`,
      command,
      args: [...prefix, program, ...ways.map((way) => `${socket(way)}=tcp:${way.target}`)],
      log: join(folder, 'logs', `${name}-inside.log`),
    },
    {
      name: `${name}-outside`,
      command: process.execPath,
      args: [program, ...ways.map((way) => `tcp:127.0.0.1:${way.outside}=${socket(way)}`)],
      log: join(folder, 'logs', `${name}-outside.log`),
    },
  ];
}

/** Starts both halves and waits until every port is open. @throws Error when one was taken meanwhile. */
export async function startRelays(
  folder: string,
  supervisor: Supervisor,
  relays: readonly ProcessSpec[],
  ways: readonly Way[],
): Promise<void> {
  let ended: string | undefined;
  const onExit = ({ name }: ExitNotice): void => {
    if (relays.some((relay) => relay.name === name)) ended = name;
  };
  supervisor.on('exited', onExit);
  try {
    for (const relay of relays) await supervisor.startProcess(relay);
    const giveUp = (): void => {
      const log = relays.find(({ name }) => name === ended)?.log;
      if (log !== undefined) throw new Error(`${ended} ended: ${tailOf(log)}`);
    };
    // The inner half first: while it isn't there, the outer one resets whom it accepts.
    const doors = [
      ...ways.map((way) => `unix:${socketOf(folder, way)}`),
      ...ways.map(({ outside }) => `tcp:127.0.0.1:${outside}`),
    ];
    for (const door of doors) await waitUntil(`${door} isn't open`, () => canConnect(door), 20_000, giveUp);
  } finally {
    supervisor.off('exited', onExit);
  }
}
