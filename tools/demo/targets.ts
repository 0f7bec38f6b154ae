/**
 * Real targets on loopback, one for each Pod, so that what the reporters measure is known beforehand: some answer at once, some
 * late, some accept and never answer, one refuses.
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

export type TargetKind = 'prompt' | 'late' | 'silent' | 'refusing';

/** What one Pod's target does, and what must come of it. */
export interface TargetPlan {
  readonly kind: TargetKind;
  /** Milliseconds from the reporter's start until the target listens; 0 for all but `late`. */
  readonly openAfterMs: number;
}

export interface Target {
  readonly plan: TargetPlan;
  /** What the reporter is told to probe. */
  readonly url: string;
  /** When the target began to listen, epoch milliseconds; `undefined` while it doesn't. */
  openedAtMs: number | undefined;
  /** Opens a late target `openAfterMs` from now. */
  arm(): void;
  close(): void;
}

/**
 * The plan for `count` Pods: the last refuses, about one in twenty never answers (at least one), three in ten are late by 0.3 to
 * 2.5 s, the others are prompt. The same for the same count.
 */
export function planTargets(count: number): readonly TargetPlan[] {
  const silent = count < 3 ? 0 : Math.max(1, Math.round(count / 20));
  const refusing = count < 2 ? 0 : 1;
  const late = count < 4 ? 0 : Math.round((count * 3) / 10);
  return Array.from({ length: count }, (_, i): TargetPlan => {
    if (i >= count - refusing) return { kind: 'refusing', openAfterMs: 0 };
    if (i >= count - refusing - silent) return { kind: 'silent', openAfterMs: 0 };
    if (i < late) return { kind: 'late', openAfterMs: 300 + Math.round((2_200 * i) / Math.max(1, late - 1)) };
    return { kind: 'prompt', openAfterMs: 0 };
  });
}

/** Makes the target of a plan; one that isn't late listens already. */
export async function openTarget(plan: TargetPlan): Promise<Target> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    // A silent target takes the connection and the request, and never answers: an HTTP probe must not count that.
    if (plan.kind !== 'silent') socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
  });
  const port = await listenBelowEphemeralPorts(server);
  const scheme = plan.kind === 'silent' ? 'http' : 'tcp';
  let timer: NodeJS.Timeout | undefined;
  const target: Target = {
    plan,
    url: `${scheme}://127.0.0.1:${port}`,
    openedAtMs: plan.kind === 'prompt' ? Date.now() : undefined,
    arm() {
      if (plan.kind !== 'late') return;
      timer = setTimeout(() => {
        // Taken before the port listens: no probe can succeed before it.
        target.openedAtMs = Date.now();
        listen(server, port).catch((error: unknown) => {
          process.stderr.write(`demo: target ${port} could not open: ${String(error)}\n`);
        });
      }, plan.openAfterMs);
    },
    close() {
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  // The port stays known to us alone; nothing listens there until it is armed.
  if (plan.kind === 'late' || plan.kind === 'refusing') await new Promise((resolve) => server.close(resolve));
  return target;
}

const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
let nextPort = FIRST_PORT + (process.pid % (LAST_PORT - FIRST_PORT));

/**
 * Listens on a port below the kernel's ephemeral range. A closed port within that range can answer after all: a probe whose own
 * source port happens to be the one it connects to is connected with itself.
 */
async function listenBelowEphemeralPorts(server: Server): Promise<number> {
  for (let tries = 0; tries < LAST_PORT - FIRST_PORT; tries++) {
    nextPort = nextPort >= LAST_PORT ? FIRST_PORT : nextPort + 1;
    try {
      return await listen(server, nextPort);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${LAST_PORT}`);
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', 4096, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
