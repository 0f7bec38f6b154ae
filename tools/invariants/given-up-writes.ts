/**
 * Writes of results that the log calls failed, though they may be stored: where their author is killed, or cut off, while the API
 * server writes, it logs a 5xx (504) or no status at all.
 */
import { epochMsOf } from './audit-event.js';
import type { AuditEvent } from './audit-event.js';
import type { ResultVersion } from './history.js';
import { mergePatch } from './merge-patch.js';
import type { ResultObject, ResultStatus } from './objects.js';

interface GivenUpWrite {
  readonly verb: string;
  readonly subresource: string | undefined;
  readonly receivedAt: number;
  readonly at: number;
  readonly body: Partial<ResultObject>;
}

export class GivenUpWrites {
  /** By namespace and name of the result, in the order of the log. */
  readonly #writes = new Map<string, GivenUpWrite[]>();

  add(key: string, event: AuditEvent): void {
    const code = event.responseStatus?.code ?? 0;
    const body = event.requestObject;
    if ((code > 0 && code < 500) || typeof body !== 'object' || body === null || Array.isArray(body)) return;
    const write: GivenUpWrite = {
      verb: event.verb,
      subresource: event.objectRef?.subresource,
      receivedAt: epochMsOf(event.requestReceivedTimestamp),
      at: epochMsOf(event.stageTimestamp),
      body,
    };
    const known = this.#writes.get(key);
    if (known === undefined) this.#writes.set(key, [write]);
    else known.push(write);
  }

  /** What a result was created as, where it is there without a creation that succeeded. */
  creationOf(key: string): Partial<ResultObject> | undefined {
    return this.#writes.get(key)?.findLast(({ verb }) => verb === 'create')?.body;
  }

  /**
   * The status that was asked for after everything that the log shows of a result. It is taken for stored: a controller that didn't
   * find it so would have written again.
   */
  statusAfter(key: string, last: ResultVersion): ResultVersion | undefined {
    const write = this.#writes
      .get(key)
      ?.findLast(({ subresource, receivedAt }) => subresource === 'status' && receivedAt >= last.at);
    if (write?.body.status === undefined) return undefined;
    const { receivedAt, at } = write;
    const status = mergePatch({ ...last.object.status }, write.body.status) as unknown as ResultStatus;
    const object: ResultObject = { ...last.object, status };
    return { receivedAt, at, version: last.version, byController: true, object };
  }
}
