import { setCondition, type Condition, type NewCondition } from '../kube/conditions.js';
import { isConflict, isNotFound } from '../kube/kube-api-error.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { KubeObject, ResourceType } from '../kube/resource.js';
import { resourceName } from '../kube/resource-path.js';
import { PermanentError } from './operator-errors.js';
import { isSame } from './predicates.js';

/** The status of an object, as far as it is known here. */
export type Status = Readonly<Record<string, unknown>> & {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition[];
};

/** An object with a status. */
export interface WithStatus extends KubeObject {
  readonly status?: Status;
}

/** How often a write that lost a race is made again on a fresh read. */
const ATTEMPTS = 5;

/** What handlers want the status to say. They only say it; one write follows, and none where nothing differs. */
export class StatusDraft {
  readonly #fields: Record<string, unknown> = {};
  readonly #conditions = new Map<string, NewCondition>();

  /** Sets fields; `undefined` removes one. */
  set(fields: Readonly<Record<string, unknown>>): void {
    Object.assign(this.#fields, fields);
  }

  setCondition(condition: NewCondition): void {
    this.#conditions.set(condition.type, condition);
  }

  /**
   * The status that an object with this one should have.
   *
   * @param now milliseconds since the Unix epoch
   */
  applyTo(status: Status | undefined, now: number): Status {
    const result: Record<string, unknown> = { ...status };
    for (const [name, value] of Object.entries(this.#fields)) {
      if (value === undefined) delete result[name];
      else result[name] = value;
    }
    let conditions = status?.conditions;
    for (const condition of this.#conditions.values()) conditions = setCondition(conditions, condition, now);
    if (conditions !== undefined) result['conditions'] = conditions;
    return result;
  }
}

/**
 * Writes a status where it differs in meaning, by merge patch on the version that it was made from; after a conflict, again on a fresh read.
 *
 * @param apply gives the wanted status for a present one; called again after a conflict
 * @returns the object as it is now, the given one where nothing was written, or undefined when it is gone or another one of the same name
 * @throws KubeApiError when the API server refuses or can't be reached
 */
export async function writeStatus<T extends WithStatus>(
  client: KubeClient,
  type: ResourceType,
  object: T,
  apply: (status: Status | undefined) => Status,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const { name, namespace = '', uid } = object.metadata;
  const key = { namespace, name };
  let current = object;
  for (let attempt = 1; ; attempt += 1) {
    const patch = difference(current.status ?? {}, apply(current.status));
    if (patch === undefined) return current;
    try {
      const { resourceVersion } = current.metadata;
      const body = { metadata: { uid, resourceVersion }, status: patch };
      return await client.patch<T>(type, key, body, { kind: 'merge', subresource: 'status', signal });
    } catch (error) {
      if (isNotFound(error)) return absent(await read(client, type, object, signal), type);
      if (attempt >= ATTEMPTS || !isConflict(error)) throw error;
    }
    const fresh = await read(client, type, object, signal);
    if (fresh === undefined) return undefined;
    current = fresh;
  }
}

async function read<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType,
  { metadata: { namespace = '', name, uid } }: T,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  try {
    const fresh = await client.get<T>(type, { namespace, name }, { signal });
    return fresh.metadata.uid === uid ? fresh : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The write found nothing: either the object is gone, or its kind has no status to write. */
function absent(present: KubeObject | undefined, type: ResourceType): undefined {
  if (present === undefined) return undefined;
  throw new PermanentError(
    `${resourceName(type)} have no status subresource: give their definition one, or set the operator's \`progress\` to 'memory' and no status`,
  );
}

/** The merge patch (RFC 7386) that turns one object into the other: undefined where they mean the same, null for a member that goes. */
export function difference(
  from: Readonly<Record<string, unknown>>,
  to: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const before = from[name];
    const after = to[name];
    if (isSame(before, after)) continue;
    if (after === undefined) patch[name] = null;
    else if (isRecord(before) && isRecord(after)) patch[name] = difference(before, after);
    else patch[name] = after;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
