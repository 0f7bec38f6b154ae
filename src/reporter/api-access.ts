/** The reporter's way to the API server, from what its Pod was given; none is a mode of its own, not an error. */
import { ApiClient } from './api-client.js';
import type { Timers } from './clock.js';
import { findIdentity, readServiceAccount } from './identity.js';
import type { Files } from './files.js';
import type { Logger } from './log.js';
import { Publisher } from './publisher.js';
import type { Resolver } from './resolver.js';
import type { Settings } from './settings.js';
import type { Connect } from './socket.js';

export interface ApiAccess {
  /** The Pod's uid where it is known. */
  readonly uid: string | undefined;
  /** What tells this Pod's memory from another's on the same machine. */
  readonly memoryOwner: string;
  /** Absent where the Pod has no token or no API server: the report goes into the termination message alone. */
  readonly publisher: Publisher | undefined;
}

export interface ApiAccessOptions {
  readonly settings: Settings;
  /** `HOSTNAME`, which container runtimes set. */
  readonly hostname: string | undefined;
  readonly files: Files;
  readonly connect: Connect;
  readonly resolver: Resolver;
  readonly timers: Timers;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly logger: Logger;
}

export function findApi(options: ApiAccessOptions): ApiAccess {
  const { settings, files, connect, resolver, timers, random, logger } = options;
  const { podName, podNamespace, podUid, apiHost, apiPort, apiTimeoutMs, serviceAccountDir } = settings;
  const account = readServiceAccount(files, serviceAccountDir);
  const hostname = options.hostname ?? files.read('/proc/sys/kernel/hostname')?.trim() ?? '';
  const identity = findIdentity({
    podName,
    podNamespace,
    podUid,
    token: account.token,
    namespaceFile: account.namespace,
    hostname,
  });
  const uid = identity?.uid ?? podUid;
  const memoryOwner = uid ?? (identity === undefined ? hostname : `${identity.namespace}/${identity.name}`);
  const missing = [
    ...(apiHost === undefined ? ['KUBERNETES_SERVICE_HOST'] : []),
    ...(account.token === undefined ? ['token'] : []),
    ...(identity === undefined ? ['namespace'] : []),
  ];
  if (identity === undefined || apiHost === undefined || missing.length > 0) {
    const message = 'no way to the API server; the report goes to the termination message alone';
    logger.info(message, { missing: missing.join(', ') });
    return { uid, memoryOwner, publisher: undefined };
  }
  const client = new ApiClient({
    host: apiHost,
    port: apiPort,
    serviceAccountDir,
    timeoutMs: apiTimeoutMs,
    files,
    connect,
    resolver,
    timers,
  });
  const wantsPod = settings.afterReport === 'auto';
  const publisher = new Publisher({ client, identity, timers, random, logger, wantsPod });
  return { uid, memoryOwner, publisher };
}
