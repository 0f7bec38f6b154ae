/** How one knows that a component serves, and that it is ours and not another's on the same port. */
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { connect } from 'node:net';
import { call } from './http.js';

/** What to ask (`url`: http, https, or for sockets unix:PATH and tcp:HOST:PORT) and what to expect. */
export interface Readiness {
  readonly url: string;
  readonly kind: 'health' | 'etcd-member' | 'socket';
  /** For etcd: the name that its member must have. */
  readonly memberName?: string;
}

/** Asks once. @throws Error when nobody answers, or somebody else. */
export async function isReady(
  readiness: Readiness,
  authority: string,
  credential: { certificate: string; key: string },
) {
  switch (readiness.kind) {
    case 'health': {
      const answer = await call({ url: readiness.url, authority, ...credential, timeoutMs: 5_000 });
      if (answer.status !== 200) throw new Error(`${readiness.url} answered ${answer.status}: ${notOk(answer.text)}`);
      return true;
    }
    case 'etcd-member': {
      const answer = await call({
        url: `${readiness.url}/v3/cluster/member/list`,
        method: 'POST',
        body: {},
        timeoutMs: 5_000,
      });
      const { members = [] } = JSON.parse(answer.text) as { members?: { name?: string }[] };
      if (!members.some(({ name }) => name === readiness.memberName)) {
        throw new Error(`${readiness.url} is another etcd, or not ready: ${answer.text.slice(0, 200)}`);
      }
      return true;
    }
    case 'socket':
      return canConnect(readiness.url);
    default: {
      const exhaustiveCheck: never = readiness.kind;
      throw new TypeError(`unknown kind ${String(exhaustiveCheck)}`);
    }
  }
}

/** Whether somebody listens at `unix:PATH` or `tcp:HOST:PORT`. */
export async function canConnect(address: string): Promise<boolean> {
  const [, path, host, port] = /^(?:unix:(.+)|tcp:(.+):(\d+))$/.exec(address) ?? [];
  const socket = path === undefined ? connect({ host: host ?? '', port: Number(port) }) : connect(path);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(5_000) });
    return true;
  } finally {
    socket.destroy();
  }
}

/** Of a verbose health answer, the checks that failed. */
function notOk(text: string): string {
  const failed = text.split('\n').filter((line) => line.startsWith('[-]'));
  return (failed.length > 0 ? failed.join('; ') : text).slice(0, 500);
}

/** The last lines of a log, for people. */
export function tailOf(file: string, lines = 15): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    // It never got as far as a log.
    return '(no log)';
  }
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(Math.min(size, 16_384));
    readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(descriptor);
  }
}
