/** The other direction (`LISTEN`): answers whoever connects to the Pod, so that a probe from outside can time the ingress path. */
import type { ListenAddress } from './settings.js';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n';

/** A peer that says nothing is let go after this; milliseconds. */
const PATIENCE_MS = 5000;

/**
 * Accepts connections and answers each with HTTP 200; a plain TCP probe is content with the connection.
 *
 * @param failed the address can't be used
 */
export function listen(address: ListenAddress, failed: (error: Error) => void): void {
  const { createServer } = process.getBuiltinModule('node:net');
  const server = createServer((socket) => {
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    // The peer's trouble is the peer's to report.
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(ANSWER));
  });
  server.maxConnections = 256;
  server.on('error', failed);
  server.listen(address.port, address.host === '' ? undefined : address.host);
}
