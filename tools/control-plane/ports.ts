/** Free ports of the loopback. What is free now may be taken a moment later: who uses them must be able to retry. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/**
 * Below the range from which Linux and macOS give ports to outgoing connections (32768 and 49152 up): a server that is
 * restarted finds its port free, for no client can have got it meanwhile.
 */
const range = { from: 15_000, to: 32_000 } as const;

/** `count` different ports that nobody listens on at this moment. @throws Error when a hundred tries a port fail. */
export async function freePorts(
  count: number,
  random: (from: number, to: number) => number = randomInt,
): Promise<readonly number[]> {
  const held = new Map<number, Server>();
  try {
    for (let tries = 0; held.size < count; tries += 1) {
      if (tries >= count * 100) throw new Error(`no free port among ${tries} from ${range.from} to ${range.to}`);
      const port = random(range.from, range.to);
      const server = held.has(port) ? undefined : await listen(port);
      if (server !== undefined) held.set(port, server);
    }
    return [...held.keys()];
  } finally {
    // All are held until the last is known, so that none is given out twice.
    await Promise.all([...held.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

async function listen(port: number): Promise<Server | undefined> {
  const server = createServer();
  server.listen({ port, host: '127.0.0.1', exclusive: true });
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}
