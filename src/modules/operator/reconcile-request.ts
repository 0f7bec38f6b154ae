import { parseKey } from '../kube/resource.js';

/** What a reconciler is asked to do: bring the world in line with the objects behind one key. */
export interface ReconcileRequest {
  /** `namespace/name`, or `name` alone for a cluster-scoped resource. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Aborted when the run takes too long, the lease is lost, or the process stops and its grace is over. Hand it to every call. */
  readonly signal: AbortSignal;
  /** 1 for the first try, one more after each error. */
  readonly attempt: number;
  /** What put the key into the queue, for logs: never decide by it. */
  readonly reason: string;
}

/** What a reconciler may answer. Nothing means: done until an object changes. */
export interface ReconcileResult {
  /** Run the key again after so many milliseconds, at the latest; 0 means at once, behind those that wait. */
  readonly requeueAfterMs?: number | undefined;
}

export type ReconcileOutcome = ReconcileResult | void;

/** Reconciles one key. Without I/O it may answer at once, which spares a promise. */
export type ReconcileFunction = (request: ReconcileRequest) => ReconcileOutcome | Promise<ReconcileOutcome>;

/** A request that runs. Its signal is made when it is first asked for: most short runs never do. */
export class RunningRequest implements ReconcileRequest {
  #controller: AbortController | undefined;
  #abortReason: Error | undefined;
  #namespace: string | undefined;
  #name = '';
  timedOut = false;

  /** @param startedAt monotonic milliseconds */
  constructor(
    readonly key: string,
    readonly attempt: number,
    readonly reason: string,
    readonly startedAt: number,
  ) {}

  get namespace(): string {
    this.#parse();
    return this.#namespace ?? '';
  }

  get name(): string {
    this.#parse();
    return this.#name;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Why the run was told to end, if it was. */
  get abortReason(): Error | undefined {
    return this.#abortReason;
  }

  abort(reason: Error): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  #parse(): void {
    if (this.#namespace !== undefined) return;
    const { namespace, name } = parseKey(this.key);
    this.#namespace = namespace;
    this.#name = name;
  }
}
