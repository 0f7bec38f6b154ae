import { KubeApiError } from '../../src/modules/kube/kube-api-error.js';
import type { LeaseCall, LeaseLock, LeaseRecord, LeaseSpec } from '../../src/modules/kube/lease-lock.js';

/** The record of an election in memory, with the compare-and-swap of the API server and a network that a test can break. */
export class MemoryLeaseLock implements LeaseLock {
  readonly name = 'memory';
  #record: LeaseRecord | undefined;
  #version = 0;
  #hanging = false;
  #lost = 0;
  readonly #cut = new Set<string>();
  readonly #waiting = new Set<() => void>();

  get spec(): LeaseSpec {
    return this.#record?.spec ?? {};
  }

  /** From now on nothing is answered, until {@link unhang}. */
  hang(): void {
    this.#hanging = true;
  }

  /** Answers again. What was waiting timed out. */
  unhang(): void {
    this.#hanging = false;
    for (const giveUp of this.#waiting) giveUp();
  }

  /** The next `count` writes take effect, but their answers are lost. */
  loseAnswers(count: number): void {
    this.#lost = count;
  }

  /** The writes of this replica don't arrive any more. */
  cut(identity: string): void {
    this.#cut.add(identity);
  }

  join(identity: string): void {
    this.#cut.delete(identity);
  }

  overwrite(spec: LeaseSpec): void {
    this.#store(spec);
  }

  async read(call: LeaseCall): Promise<LeaseRecord | undefined> {
    await this.#arrive(call);
    return this.#record;
  }

  async create(spec: LeaseSpec, call: LeaseCall): Promise<LeaseRecord> {
    await this.#arrive(call, spec);
    if (this.#record !== undefined) throw failure(409, 'AlreadyExists');
    return this.#answer(this.#store(spec));
  }

  async replace(before: LeaseRecord, spec: LeaseSpec, call: LeaseCall): Promise<LeaseRecord> {
    await this.#arrive(call, { ...before.spec, ...spec });
    if (this.#record?.version !== before.version) throw failure(409, 'Conflict');
    return this.#answer(this.#store({ ...before.spec, ...spec }));
  }

  async #arrive(call: LeaseCall, spec?: LeaseSpec): Promise<void> {
    await Promise.resolve();
    if (call.signal.aborted) throw failure(0, 'Aborted');
    if (this.#hanging) await this.#hangUntilEnded(call.signal);
    if (spec !== undefined && this.#cut.has(spec.holderIdentity ?? '')) throw failure(0, 'Timeout');
  }

  #hangUntilEnded(signal: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      const giveUp = (): void => {
        this.#waiting.delete(giveUp);
        signal.removeEventListener('abort', giveUp);
        reject(failure(0, signal.aborted ? 'Aborted' : 'Timeout'));
      };
      this.#waiting.add(giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  #answer(record: LeaseRecord): LeaseRecord {
    if (this.#lost === 0) return record;
    this.#lost--;
    throw failure(0, 'ConnectionReset');
  }

  #store(spec: LeaseSpec): LeaseRecord {
    this.#version++;
    this.#record = { uid: 'lease', version: String(this.#version), spec };
    return this.#record;
  }
}

function failure(code: number, reason: string): KubeApiError {
  return new KubeApiError({ code, reason, message: reason });
}
