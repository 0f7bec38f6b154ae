/**
 * The further listeners beside the API's: Prometheus and the kubelet's probes have ports of their own, as with every controller
 * in the field, and these ports serve nothing else.
 */
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { BindAddress } from './settings/settings.js';

/** Milliseconds for the headers of a request, and for the whole of it: nothing here is long. */
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Listens at `address` and hands requests for `paths` to `handler`; any other path is 404.
 *
 * @throws Error with the address when it can't be bound
 */
export async function listenFor(
  address: BindAddress,
  paths: ReadonlySet<string>,
  handler: RequestListener,
): Promise<Server> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const path = (request.url ?? '').split('?', 1)[0] ?? '';
      if (paths.has(path)) {
        handler(request, response);
        return;
      }
      response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(`no such page here; this port serves ${[...paths].join(', ')}\n`);
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`can't listen at ${formatAddress(address)}: ${cause.message}`, { cause })),
    );
    server.listen({ port: address.port, ...(address.host === undefined ? {} : { host: address.host }) }, resolve);
  });
  return server;
}

/** Ends a listener and the connections that are open. */
export function closeListener(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

export function formatAddress(address: BindAddress): string {
  const host = address.host ?? '*';
  return `${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

export function sameAddress(a: BindAddress | undefined, b: BindAddress | undefined): boolean {
  return a !== undefined && b !== undefined && a.port === b.port && a.host === b.host;
}
