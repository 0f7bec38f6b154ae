import { isConflict, isInvalid, isNotFound } from './kube-api-error.js';
import type { KubeClient } from './kube-client.js';
import type { KubeObject, ObjectKey, ResourceType } from './resource.js';

/** One operation of a JSON Patch (RFC 6902). */
export interface PatchOperation {
  readonly op: 'add' | 'remove' | 'replace' | 'test';
  readonly path: string;
  readonly value?: unknown;
}

const LIST = '/metadata/finalizers';

/** How often a patch that lost a race is made again on a fresh read. */
const ATTEMPTS = 5;

/**
 * The patch that adds a finalizer, or nothing when it is there or the object is being deleted (adding one then is forbidden).
 * It fails when others changed the list meanwhile, so that nobody's finalizer gets lost.
 */
export function addFinalizerPatch(object: KubeObject, finalizer: string): readonly PatchOperation[] | undefined {
  const { finalizers, deletionTimestamp, uid, resourceVersion } = object.metadata;
  if (deletionTimestamp !== undefined || finalizers?.includes(finalizer) === true) return undefined;
  const identity: PatchOperation = { op: 'test', path: '/metadata/uid', value: uid };
  if (finalizers === undefined || finalizers.length === 0) {
    // An absent list can't be tested; the version stands for it.
    return [
      identity,
      { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
      { op: 'add', path: LIST, value: [finalizer] },
    ];
  }
  return [identity, { op: 'test', path: LIST, value: finalizers }, { op: 'add', path: `${LIST}/-`, value: finalizer }];
}

/** The patch that removes a finalizer where it stands, or nothing when it isn't there. */
export function removeFinalizerPatch(object: KubeObject, finalizer: string): readonly PatchOperation[] | undefined {
  const index = object.metadata.finalizers?.indexOf(finalizer) ?? -1;
  if (index < 0) return undefined;
  return [
    { op: 'test', path: '/metadata/uid', value: object.metadata.uid },
    { op: 'test', path: `${LIST}/${index}`, value: finalizer },
    { op: 'remove', path: `${LIST}/${index}` },
  ];
}

/**
 * Adds a finalizer, on a fresh read where the given object is out of date.
 *
 * @returns the object as it is now; undefined when it is gone, is another one of the same name, or is being deleted
 * @throws KubeApiError when the API server refuses or can't be reached
 */
export function addFinalizer<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType,
  object: T,
  finalizer: string,
  signal?: AbortSignal,
): Promise<T | undefined> {
  return change(client, type, object, (current) => addFinalizerPatch(current, finalizer), signal).then((result) =>
    result?.metadata.finalizers?.includes(finalizer) === true ? result : undefined,
  );
}

/**
 * Removes a finalizer, on a fresh read where the given object is out of date.
 *
 * @returns the object as it is now; undefined when it is gone
 * @throws KubeApiError when the API server refuses or can't be reached
 */
export function removeFinalizer<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType,
  object: T,
  finalizer: string,
  signal?: AbortSignal,
): Promise<T | undefined> {
  return change(client, type, object, (current) => removeFinalizerPatch(current, finalizer), signal);
}

async function change<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType,
  object: T,
  patchFor: (current: T) => readonly PatchOperation[] | undefined,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  const key: ObjectKey = { namespace: object.metadata.namespace ?? '', name: object.metadata.name };
  let current = object;
  for (let attempt = 1; ; attempt++) {
    const patch = patchFor(current);
    if (patch === undefined) return current;
    try {
      return await client.patch<T>(type, key, patch, { kind: 'json', signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      // A `test` that fails is 422; a race within the API server is 409.
      if (attempt >= ATTEMPTS || !(isConflict(error) || isInvalid(error))) throw error;
    }
    const fresh = await read<T>(client, type, key, signal);
    if (fresh === undefined || fresh.metadata.uid !== object.metadata.uid) return undefined;
    current = fresh;
  }
}

async function read<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType,
  key: ObjectKey,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  try {
    return await client.get<T>(type, key, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
