import type { Clock } from '../kube/clock.js';
import { errorKind, errorText } from '../kube/error-text.js';
import type { EventNote } from '../kube/event-recorder.js';
import { NotLeaderError } from '../kube/kube-api-error.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { LogDigest } from '../kube/log-digest.js';
import type { StructuredLogger } from '../kube/logger.js';
import type { KubeObject, Store } from '../kube/resource.js';
import { resourceName } from '../kube/resource-path.js';
import { type Cause, causeOf, contentOf, hasGeneration, NEVER, Progress } from './causes.js';
import type { HandlerContext } from './handler-context.js';
import { type HandlerSettings, isAccepted, type TimerSettings } from './handler-settings.js';
import { type HandlerDeclaration, handlerId } from './operator.decorators.js';
import { boundMethod, keepsProgress, type OperatorDefinition } from './operator-definition.js';
import { PermanentError, TemporaryError } from './operator-errors.js';
import type { Whole } from './operator-options.js';
import { isSame, valueAt } from './predicates.js';
import type { ReconcileFunction, ReconcileOutcome, ReconcileRequest } from './reconcile-request.js';
import { type Status, StatusDraft, type WithStatus, writeStatus } from './status-writer.js';

type CauseDeclaration = Extract<HandlerDeclaration, { kind: 'cause' | 'field' | 'timer' }>;
type CauseFunction = (object: KubeObject, context: HandlerContext) => unknown;

interface Handler {
  /** Unique within the operator: several decorators may stand on one method. */
  readonly id: string;
  readonly declaration: CauseDeclaration;
  readonly settings: HandlerSettings;
  readonly run: CauseFunction;
}

export interface CauseReconcilerPorts {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: StructuredLogger;
  readonly digest: LogDigest;
  readonly store: Store<Whole>;
  /** The base operator's `handleResourceFinalizer`. Answers whether the object was still there to be written. */
  readonly finalize: (object: KubeObject, finalizer: string, action: () => Promise<void>) => Promise<boolean>;
  readonly recordWrite: (key: string, resourceVersion: string) => void;
  readonly recordEvent: (object: KubeObject, note: EventNote) => void;
  /** A handler was given up. */
  readonly onTerminal: () => void;
}

/** One run for one object. */
interface Run {
  readonly request: ReconcileRequest;
  /** The newest state that is known: a status write answers with it. */
  object: WithStatus;
  readonly progress: Progress;
  draft: StatusDraft;
}

/**
 * kopf's causes over the level-triggered queue: each run looks at the object, finds out what it wants handled, and calls the methods for it.
 *
 * Guarantees
 * - The finalizer of `@OnDelete` is set before any other handler runs, and removed only after every `@OnDelete` succeeded.
 * - A handler runs at least once for each generation of an object that lasts; a restart neither forgets nor, once the status says so,
 *   repeats it. Handlers that succeeded aren't repeated while others of the same cause are retried.
 * - One status write follows the handlers, and none where nothing differs.
 *
 * Caveats: intermediate generations may be skipped. Between a handler's success and the status write a crash repeats the handler. Kinds without
 * a generation have `create` and `update` told from memory, so that a restart is a `create`.
 */
export class CauseReconciler {
  readonly #definition: OperatorDefinition;
  readonly #ports: CauseReconcilerPorts;
  readonly #handlers: readonly Handler[];
  readonly #reconcile: ReconcileFunction | undefined;
  readonly #progress = new Map<string, Progress>();
  readonly #remembers: boolean;
  /** Whether the kind's schema turned out to have no place for `observedGeneration`. */
  #forgetful = false;

  constructor(definition: OperatorDefinition, ports: CauseReconcilerPorts) {
    this.#definition = definition;
    this.#ports = ports;
    const { instance, handlers } = definition;
    this.#handlers = handlers.filter(isCauseDeclaration).map((declaration) => ({
      id: handlerId(declaration),
      declaration,
      settings: declaration.settings,
      run: boundMethod<CauseFunction>(instance, declaration.method),
    }));
    const reconcile = handlers.find(({ kind }) => kind === 'reconcile');
    // Only those who handle causes have anything to remember in the status.
    this.#remembers = keepsProgress(definition);
    this.#reconcile = reconcile === undefined ? undefined : boundMethod<ReconcileFunction>(instance, reconcile.method);
  }

  /** Objects that something is remembered of. */
  get size(): number {
    return this.#progress.size;
  }

  /** Forgets an object that is gone. */
  forget(key: string): void {
    this.#progress.delete(key);
  }

  /** Forgets what happened while this replica led, so that objects are resumed when it leads again. */
  reset(): void {
    this.#progress.clear();
  }

  readonly reconcile = async (request: ReconcileRequest): Promise<ReconcileOutcome> => {
    const { key } = request;
    const object = this.#ports.store.get(key)?.object as WithStatus | undefined;
    if (object === undefined) {
      this.#progress.delete(key);
      return this.#reconcile?.(request);
    }
    const run: Run = { request, object, progress: this.#progressOf(key, object), draft: new StatusDraft() };
    if (object.metadata.deletionTimestamp !== undefined) return this.#handleDeletion(run);
    if (this.#needsFinalizer(object)) {
      const written = await this.#finalize(object, () => Promise.resolve());
      // The cache shows the finalizer next; until then the key is held back. Of an object that is going its next event tells.
      return written ? { requeueAfterMs: 0 } : undefined;
    }
    await this.#handleCauses(run);
    const result = await this.#reconcile?.(request);
    const timerDelay = await this.#handleTimers(run);
    const requeueAfterMs = earliest(result?.requeueAfterMs, timerDelay);
    return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
  };

  #progressOf(key: string, object: KubeObject): Progress {
    const { uid = '' } = object.metadata;
    let progress = this.#progress.get(key);
    if (progress?.uid !== uid) {
      progress = new Progress(uid);
      this.#progress.set(key, progress);
    }
    return progress;
  }

  #accepted(object: KubeObject, select: (declaration: CauseDeclaration) => boolean): readonly Handler[] {
    return this.#handlers.filter(({ declaration, settings }) => select(declaration) && isAccepted(settings, object));
  }

  #deleteHandlers(object: KubeObject): readonly Handler[] {
    return this.#accepted(object, (declaration) => declaration.kind === 'cause' && declaration.cause === 'delete');
  }

  #needsFinalizer(object: KubeObject): boolean {
    const { finalizer } = this.#definition.options;
    return object.metadata.finalizers?.includes(finalizer) !== true && this.#deleteHandlers(object).length > 0;
  }

  #finalize(object: KubeObject, action: () => Promise<void>): Promise<boolean> {
    return this.#ports.finalize(object, this.#definition.options.finalizer, action);
  }

  async #handleDeletion(run: Run): Promise<ReconcileOutcome> {
    const { object, request } = run;
    const ours = object.metadata.finalizers?.includes(this.#definition.options.finalizer) === true;
    if (!ours) {
      const declared = this.#handlers.some(({ declaration: d }) => d.kind === 'cause' && d.cause === 'delete');
      return declared ? undefined : this.#reconcile?.(request);
    }
    await this.#finalize(object, async () => {
      run.progress.enter(['delete']);
      try {
        const givenUp = await this.#runAll(run, 'delete', this.#deleteHandlers(object));
        if (givenUp !== undefined) throw givenUp;
      } catch (error) {
        // A handler that gave up has not cleaned up: the object stays until it changes, and then all are tried again.
        if (error instanceof PermanentError) run.progress.enter(undefined);
        await this.#writeStatusAfter(run, error);
        throw error;
      }
    });
    return undefined;
  }

  async #handleCauses(run: Run): Promise<void> {
    const { object, progress, draft } = run;
    const { generation } = object.metadata;
    const cause = causeOf(object, progress, this.#isStatusOurs(object));
    const fields = this.#changedFields(object, progress, cause);
    progress.enter([generation ?? contentOf(object)]);
    const handlers = [
      ...this.#accepted(object, (declaration) => declaration.kind === 'cause' && declaration.cause === cause),
      ...fields,
    ];
    await this.#thenWriteStatus(run, async () => {
      await this.#runAll(run, cause, handlers);
      progress.resumed = true;
      if (hasGeneration(object)) progress.handledGeneration = generation;
      else progress.handledContent = contentOf(object);
      if (this.#isStatusOurs(object) && this.#remembers) draft.set({ observedGeneration: generation });
    });
    if (run.object !== object) this.#checkRemembered(run.object);
  }

  #isStatusOurs(object: KubeObject): boolean {
    return this.#definition.options.progress === 'status' && !this.#forgetful && hasGeneration(object);
  }

  /** The API server drops what a kind's schema doesn't name: then a restart would handle every object as new, without a word. */
  #checkRemembered(written: WithStatus): void {
    if (!this.#remembers || !this.#isStatusOurs(written) || written.status?.observedGeneration !== undefined) return;
    this.#forgetful = true;
    const { name, resource } = this.#definition.options;
    this.#ports.logger.error('The status keeps no observedGeneration, so that a restart handles every object as new', {
      operator: name,
      resource: resourceName(resource),
      remedy: 'add status.observedGeneration (integer) to the schema of its definition, or set progress to memory',
    });
  }

  /** Handlers of fields whose value differs from the one they succeeded with, or isn't known not to. */
  #changedFields(object: WithStatus, progress: Progress, cause: Cause): readonly Handler[] {
    const settled = cause === 'resume' || cause === 'none';
    return this.#accepted(object, ({ kind }) => kind === 'field').filter(({ id, declaration }) => {
      if (declaration.kind !== 'field') return false;
      const { path } = declaration;
      const value = valueAt(object, path);
      if (progress.fields.has(id)) return !isSame(progress.fields.get(id), value);
      // The spec is what the generation counts: handled, it holds the value that was handled.
      if (!settled || !path.startsWith('spec') || !this.#isStatusOurs(object)) return true;
      progress.fields.set(id, value);
      return false;
    });
  }

  /** Runs the timers that are due, each also after another failed. @returns milliseconds until the next is */
  async #handleTimers(run: Run): Promise<number | undefined> {
    const { progress } = run;
    const { clock } = this.#ports;
    const due = new Map<Handler, number>();
    for (const handler of this.#accepted(run.object, ({ kind }) => kind === 'timer')) {
      const { initialDelayMs = 0 } = timerSettings(handler);
      const at = progress.timers.get(handler.id) ?? clock.monotonicMs() + initialDelayMs;
      progress.timers.set(handler.id, at);
      due.set(handler, at);
    }
    const now = [...due].filter(([, at]) => clock.monotonicMs() >= at).map(([handler]) => handler);
    if (now.length > 0) {
      run.draft = new StatusDraft();
      await this.#thenWriteStatus(run, async () => {
        await this.#runAll(run, 'none', now);
      });
    }
    let next: number | undefined;
    for (const { id } of due.keys()) {
      const at = progress.timers.get(id) ?? NEVER;
      if (at !== NEVER) next = earliest(next, Math.max(0, at - clock.monotonicMs()));
    }
    return next;
  }

  /**
   * Calls every handler that isn't done, also after one of them failed.
   *
   * @returns the error of a handler that was given up, if any
   * @throws the error of a handler that is to be retried; of several, the one that is due first
   */
  async #runAll(run: Run, cause: Cause, handlers: readonly Handler[]): Promise<PermanentError | undefined> {
    let retry: unknown;
    let givenUp: PermanentError | undefined;
    for (const handler of handlers) {
      const { id, declaration } = handler;
      const value = declaration.kind === 'field' ? valueAt(run.object, declaration.path) : undefined;
      if (declaration.kind === 'cause' && run.progress.done.has(id)) continue;
      try {
        await this.#call(run, cause, handler, value);
        this.#settle(run, handler, value, false);
      } catch (error) {
        if (!(error instanceof PermanentError)) {
          retry = sooner(retry, error);
          continue;
        }
        givenUp = error;
        this.#ports.recordEvent(run.object, { type: 'Warning', reason: 'HandlerGaveUp', message: error.message });
        this.#settle(run, handler, value, true);
        if (cause !== 'delete') this.#giveUp(run, declaration.method, error);
      }
    }
    if (retry !== undefined) throw retry;
    return givenUp;
  }

  /** A handler succeeded or was given up: it rests until its cause comes again. */
  #settle({ progress }: Run, handler: Handler, value: unknown, givenUp: boolean): void {
    const { id, declaration } = handler;
    switch (declaration.kind) {
      case 'cause':
        progress.done.add(id);
        return;
      case 'field':
        progress.fields.set(id, value);
        return;
      case 'timer':
        progress.timers.set(id, givenUp ? NEVER : this.#ports.clock.monotonicMs() + declaration.settings.intervalMs);
        return;
      default: {
        const exhaustiveCheck: never = declaration;
        return exhaustiveCheck;
      }
    }
  }

  async #call(run: Run, cause: Cause, handler: Handler, value: unknown): Promise<void> {
    const { object, request, draft, progress } = run;
    const { id } = handler;
    const attempt = (progress.tries.get(id) ?? 0) + 1;
    progress.tries.set(id, attempt);
    try {
      await handler.run(object, {
        key: request.key,
        namespace: request.namespace,
        name: request.name,
        signal: request.signal,
        cause,
        attempt,
        value,
        previous: progress.fields.get(id),
        setStatus: (fields) => {
          draft.set(fields);
        },
        setCondition: (condition) => {
          const { generation } = object.metadata;
          draft.setCondition(generation === undefined ? condition : { ...condition, observedGeneration: generation });
        },
        recordEvent: (note) => {
          this.#ports.recordEvent(object, note);
        },
        logger: this.#ports.logger,
      });
      progress.tries.delete(id);
    } catch (error) {
      throw this.#judge(error, handler.settings, attempt);
    }
  }

  /** Applies the handler's own limits to its error. */
  #judge(error: unknown, { retries, retryDelayMs }: HandlerSettings, attempt: number): unknown {
    if (error instanceof PermanentError) return error;
    if (retries !== undefined && attempt >= retries) {
      return new PermanentError(`given up after ${attempt} tries: ${errorText(error)}`, { cause: error });
    }
    if (retryDelayMs === undefined || error instanceof TemporaryError) return error;
    return new TemporaryError(errorText(error), { delayMs: retryDelayMs, cause: error });
  }

  #giveUp({ request }: Run, method: string, error: PermanentError): void {
    this.#ports.onTerminal();
    const { name } = this.#definition.options;
    const kind = `${name} ${method} ${errorKind(error, [request.key, request.name])}`;
    this.#ports.digest.report('error', 'Handler gave up until the object changes', kind, {
      operator: name,
      key: request.key,
      handler: method,
      error: error.message,
    });
  }

  /** One status write follows the handlers, also when one failed: its conditions say why. */
  async #thenWriteStatus(run: Run, handle: () => Promise<unknown>): Promise<void> {
    try {
      await handle();
    } catch (error) {
      await this.#writeStatusAfter(run, error);
      throw error;
    }
    await this.#writeStatus(run);
  }

  /** Writes the status after a handler failed. That error counts, so that one of this write doesn't hide it. */
  async #writeStatusAfter(run: Run, failure: unknown): Promise<void> {
    try {
      await this.#writeStatus(run);
    } catch (error) {
      if (error instanceof NotLeaderError) throw error;
      const { name } = this.#definition.options;
      this.#ports.digest.report(
        'warn',
        'Status could not be written after a handler failed',
        `${name} ${errorKind(error)}`,
        {
          operator: name,
          key: run.request.key,
          error: errorText(error),
          handlerError: errorText(failure),
        },
      );
    }
  }

  async #writeStatus(run: Run): Promise<void> {
    const { request, object, draft } = run;
    const { client, clock } = this.#ports;
    const apply = (status: Status | undefined): Status => draft.applyTo(status, clock.epochMs());
    const { resource } = this.#definition.options;
    const written = await writeStatus(client, resource, object, apply, request.signal);
    if (written === undefined || written === object) return;
    run.object = written;
    this.#ports.recordWrite(request.key, written.metadata.resourceVersion ?? '');
  }
}

function isCauseDeclaration(declaration: HandlerDeclaration): declaration is CauseDeclaration {
  return declaration.kind === 'cause' || declaration.kind === 'field' || declaration.kind === 'timer';
}

function timerSettings({ declaration }: Handler): Partial<TimerSettings> {
  return declaration.kind === 'timer' ? declaration.settings : {};
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

/** Of two errors the one whose retry is due first. */
function sooner(known: unknown, error: unknown): unknown {
  const delay = (candidate: unknown): number =>
    candidate instanceof TemporaryError && candidate.delayMs !== undefined ? candidate.delayMs : 0;
  return known === undefined || delay(error) < delay(known) ? error : known;
}
