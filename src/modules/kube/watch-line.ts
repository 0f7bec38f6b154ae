import type { KubeStatus } from './kube-api-error.js';
import type { KubeObject, ObjectMeta } from './resource.js';

/** One line of a watch. `object` is a Status where `type` is `ERROR`. */
export interface WatchLine {
  readonly type: string;
  readonly object: KubeObject & KubeStatus & { readonly metadata?: ObjectMeta };
}

export function isWatchLine(value: unknown): value is WatchLine {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    'object' in value &&
    typeof value.object === 'object' &&
    value.object !== null
  );
}

/** Whether this bookmark ends a streamed list (KEP-3157). */
export function isListEnd(bookmark: KubeObject): boolean {
  return bookmark.metadata.annotations?.['k8s.io/initial-events-end'] === 'true';
}

/** What a page says about the list; undefined when it isn't a page. */
export function parseEnvelope(text: string): { readonly version: string; readonly continueToken: string } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The caller treats it as it treats any page that can't be read: it asks again.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('metadata' in value)) return undefined;
  const metadata = value.metadata as { readonly resourceVersion?: string; readonly continue?: string } | null;
  const version = metadata?.resourceVersion;
  return version === undefined ? undefined : { version, continueToken: metadata?.continue ?? '' };
}
