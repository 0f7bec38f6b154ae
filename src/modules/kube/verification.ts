import { type Clock, sleep } from './clock.js';
import type { EventLoopBudget } from './event-loop-budget.js';
import { isAborted } from './kube-api-error.js';
import type { KubeClient } from './kube-client.js';
import type { ReflectorSettings } from './reflector-settings.js';
import type { Scope } from './resource-path.js';
import { compareVersions } from './resource-version.js';
import type { Projected, ResourceType, Store } from './resource.js';

export interface VerificationOptions<T extends Projected> {
  readonly client: KubeClient;
  readonly type: ResourceType;
  readonly scope: Scope;
  readonly store: Store<T>;
  /** The newest version that the watch has taken in. */
  readonly version: () => string;
  /** The newest version of one object that arrived, by its uid. */
  readonly newestVersion: (uid: string) => string | undefined;
  readonly clock: Clock;
  readonly budget: EventLoopBudget;
  readonly settings: ReflectorSettings;
}

/** How often the watch is asked whether it has caught up, in milliseconds. */
const CATCH_UP_POLL_MS = 250;

/**
 * Compares a store with a list (of metadata only) while the watch goes on, and counts what the watch should have delivered.
 *
 * The list has one version, R. Once the watch has passed R, each listed object must be in the store in that state or a newer one, unless the
 * watch deleted it meanwhile; and what the store has besides must be newer than R. Everything else was missed. So traffic
 * during the comparison is never taken for a miss.
 */
export class Verification<T extends Projected> {
  readonly #options: VerificationOptions<T>;
  readonly #abort = new AbortController();
  readonly #deleted = new Set<string>();

  constructor(options: VerificationOptions<T>) {
    this.#options = options;
  }

  /** The watch delivered a deletion. */
  noteDeleted(uid: string): void {
    this.#deleted.add(uid);
  }

  /** Ends the verification without a result. */
  abandon(): void {
    this.#abort.abort();
  }

  /**
   * @returns how many differences there were, or undefined when it was abandoned or the watch didn't catch up
   * @throws KubeApiError when the list fails
   */
  async run(): Promise<number | undefined> {
    const { store, newestVersion } = this.#options;
    const seen = new Set<string>();
    const suspects = new Map<string, string>();
    let version;
    try {
      version = await this.#list(seen, suspects);
    } catch (error) {
      if (isAborted(error)) return undefined;
      throw error;
    }
    if (version === undefined || !(await this.#caughtUp(version))) return undefined;

    let missed = 0;
    for (const [uid, listed] of suspects) {
      const known = newestVersion(uid);
      if (known === undefined ? !this.#deleted.has(uid) : compareVersions(known, listed) < 0) missed++;
    }
    for (const known of store.values()) {
      if (!seen.has(known.uid) && compareVersions(known.resourceVersion, version) <= 0) missed++;
    }
    return missed;
  }

  /** Lists all pages; fills `seen` with listed uids and `suspects` with those that the store doesn't have in that state (yet). */
  async #list(seen: Set<string>, suspects: Map<string, string>): Promise<string | undefined> {
    const { client, type, scope, settings, store, newestVersion, budget } = this.#options;
    const { signal } = this.#abort;
    let continueToken = '';
    for (;;) {
      const page = await client.list(type, {
        ...scope,
        limit: settings.pageSize,
        continue: continueToken,
        metadataOnly: true,
        timeoutMs: settings.pageTimeoutMs,
        signal,
      });
      if (budget.spent()) await budget.nextTurn();
      if (signal.aborted) return undefined;
      for (const { metadata } of page.items) {
        const { uid = '', resourceVersion = '' } = metadata;
        // The store's own string, where it has one: of 150,000 others would be made.
        seen.add(store.getByUid(uid)?.uid ?? uid);
        const known = newestVersion(uid);
        if (known === undefined || compareVersions(known, resourceVersion) < 0) {
          suspects.set(uid, resourceVersion);
        }
      }
      continueToken = page.metadata.continue ?? '';
      if (continueToken === '') return page.metadata.resourceVersion;
    }
  }

  async #caughtUp(version: string): Promise<boolean> {
    const { clock, settings } = this.#options;
    const { signal } = this.#abort;
    const deadline = clock.monotonicMs() + settings.verifyCatchUpMs;
    while (!signal.aborted && compareVersions(this.#options.version(), version) < 0) {
      if (clock.monotonicMs() >= deadline) return false;
      await sleep(clock, CATCH_UP_POLL_MS, signal);
    }
    return !signal.aborted;
  }
}
