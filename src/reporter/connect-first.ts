/** One connection to whichever of a name's addresses answers first: a name with two families works where one of them does. */
import { isIpv6 } from './ip-address.js';
import type { Connect, Socket, SocketError, SocketHandlers, TlsSettings } from './socket.js';

/** The addresses that one attempt tries at once: the first of each family, as many Pods behind a name must not mean as many connections. */
export function candidates(addresses: readonly string[]): readonly string[] {
  const v4 = addresses.find((address) => !isIpv6(address));
  const v6 = addresses.find((address) => isIpv6(address));
  return [v4, v6].filter((address) => address !== undefined);
}

/** Fails when all have failed, with the first one's error. */
export function connectFirst(
  connect: Connect,
  addresses: readonly string[],
  port: number,
  tls: TlsSettings | undefined,
  handlers: SocketHandlers,
): Socket {
  const sockets: Socket[] = [];
  let winner: Socket | undefined;
  let open = addresses.length;
  let firstError: SocketError | undefined;
  let destroyed = false;
  for (const address of addresses) {
    let isConnected = false;
    const own: Socket = connect(address, port, tls, {
      connected: () => {
        isConnected = true;
        winner = own;
        for (const socket of sockets) if (socket !== own) socket.destroy();
        handlers.connected();
      },
      secured: () => handlers.secured(),
      received: (chunk) => handlers.received(chunk),
      closed: (error) => {
        open -= 1;
        firstError ??= error;
        if (!destroyed && (isConnected || open === 0)) handlers.closed(isConnected ? error : firstError);
      },
    });
    sockets.push(own);
  }
  return {
    write: (text) => winner?.write(text),
    destroy: () => {
      destroyed = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}
