/**
 * Carries connections between a network namespace and this machine: `node relay-process.mjs LISTEN=TARGET…`, each side
 * `tcp:HOST:PORT` or `unix:PATH`. A Unix socket in a folder is seen from every network namespace, so one relay inside
 * and one outside join the two without touching the machine's network.
 */
import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';

function address(text) {
  const [, kind, rest] = /^(tcp|unix):(.+)$/.exec(text) ?? [];
  if (kind === 'unix') return { path: rest };
  const [, host, port] = /^(.+):(\d+)$/.exec(rest ?? '') ?? [];
  if (host === undefined) throw new Error(`${JSON.stringify(text)} is neither tcp:HOST:PORT nor unix:PATH`);
  return { host, port: Number(port) };
}

for (const pair of process.argv.slice(2)) {
  const [listen, target] = pair.split('=').map(address);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const other = connect({ ...target, allowHalfOpen: true, noDelay: true });
    socket.pipe(other).pipe(socket);
    // One side's reset is the other side's: a relay has no opinion of its own.
    socket.on('error', () => other.destroy());
    other.on('error', () => (listen.path === undefined ? socket.resetAndDestroy() : socket.destroy()));
    socket.on('close', () => other.destroy());
    other.on('close', () => socket.destroy());
  });
  if (listen.path !== undefined) rmSync(listen.path, { force: true });
  server.on('error', (error) => {
    process.stderr.write(`relay ${pair}: ${error.code === 'EADDRINUSE' ? 'address already in use' : error.message}\n`);
    process.exit(1);
  });
  server.listen(listen);
}
