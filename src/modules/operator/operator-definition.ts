import type { ResourceType } from '../kube/resource.js';
import { isDelay } from '../kube/clock.js';
import { resourceName } from '../kube/resource-path.js';
import { declaredHandlers, declaredOptions, type HandlerDeclaration } from './operator.decorators.js';
import { OperatorStartError } from './operator-errors.js';
import {
  DEFAULT_OPERATOR_OPTIONS,
  type OperatorOptions,
  type OperatorOptionsSource,
  progressOf,
  wholeObject,
} from './operator-options.js';

type Defaulted =
  | 'maxConcurrentReconciles'
  | 'reconcileTimeoutMs'
  | 'ownWriteWaitMs'
  | 'skipOwnWrites'
  | 'watches'
  | 'access'
  | 'project'
  | 'finalizer'
  | 'progress';

/** An operator's settings with every default filled in. */
export type ResolvedOptions = Omit<OperatorOptions, Defaulted> & {
  readonly [Name in Defaulted]-?: NonNullable<OperatorOptions[Name]>;
};

/** An operator as the engine runs it: a provider's instance, its settings and its decorated methods. */
export interface OperatorDefinition {
  readonly instance: object;
  readonly options: ResolvedOptions;
  readonly handlers: readonly HandlerDeclaration[];
}

/**
 * Reads a provider. Undefined when its class isn't declared with `@Operator`.
 *
 * @throws OperatorStartError when it is declared wrongly, or has handlers without being an operator
 */
export function readDefinition(instance: object): OperatorDefinition | undefined {
  // A provider may be any value, such as a module's namespace, which has no prototype.
  const type: unknown = instance.constructor;
  if (typeof type !== 'function') return undefined;
  const declared = declaredOptions(type);
  const handlers = declaredHandlers(type);
  if (declared === undefined) {
    if (handlers[0] === undefined) return undefined;
    throw new OperatorStartError(
      `${type.name}.${handlers[0].method} is a handler, but ${type.name} is not declared with @Operator()`,
    );
  }
  const options = resolveOptions(declared, instance);
  const definition = { instance, options, handlers };
  check(definition);
  return definition;
}

function resolveOptions(declared: OperatorOptions, instance: object): ResolvedOptions {
  const given = isOptionsSource(instance) ? instance.operatorOptions() : {};
  if ('then' in given) {
    throw new OperatorStartError(`${instance.constructor.name}.operatorOptions must give the settings, not a promise`);
  }
  const options: OperatorOptions = { ...declared, ...withoutUndefined(given) };
  const { group } = options.resource;
  return {
    ...options,
    project: options.project ?? wholeObject,
    watches: options.watches ?? [],
    access: options.access ?? [],
    maxConcurrentReconciles: options.maxConcurrentReconciles ?? DEFAULT_OPERATOR_OPTIONS.maxConcurrentReconciles,
    reconcileTimeoutMs: options.reconcileTimeoutMs ?? DEFAULT_OPERATOR_OPTIONS.reconcileTimeoutMs,
    ownWriteWaitMs: options.ownWriteWaitMs ?? DEFAULT_OPERATOR_OPTIONS.ownWriteWaitMs,
    skipOwnWrites: options.skipOwnWrites ?? false,
    finalizer: options.finalizer ?? (group === '' ? '' : `${group}/${options.name}`),
    progress: progressOf(options),
  };
}

/**
 * Checks what holds of the operators of one process together.
 *
 * @throws OperatorStartError when two have one name, one index, or keep what they handled in one field
 */
export function checkTogether(definitions: readonly OperatorDefinition[]): void {
  const owners = new Map<string, string>();
  const claim = (what: string, name: string, remedy: string): void => {
    const other = owners.get(what);
    if (other !== undefined) throw new OperatorStartError(`"${other}" and "${name}" both have ${what}; ${remedy}`);
    owners.set(what, name);
  };
  for (const definition of definitions) {
    const { options, handlers, instance } = definition;
    const { name, resource } = options;
    claim(`the name ${name}`, instance.constructor.name, 'name each operator differently');
    for (const handler of handlers) {
      if (handler.kind === 'index')
        claim(`an index ${handler.name}`, name, 'an index has one source: name each differently');
    }
    if (options.progress === 'status' && keepsProgress(definition)) {
      claim(
        `status.observedGeneration of ${resourceName(resource)} for their progress`,
        name,
        "the second would never see a creation: set `progress: 'memory'` in one, or put the handlers into one operator",
      );
    }
  }
}

/** The resources that an operator watches, its own first. */
export function watchedResources(options: OperatorOptions): readonly ResourceType[] {
  return [options.resource, ...(options.watches ?? []).map((watch) => watch.resource)];
}

/** Whether some method handles causes, which makes the engine keep its progress. */
export function handlesCauses({ handlers }: Pick<OperatorDefinition, 'handlers'>): boolean {
  return handlers.some(({ kind }) => kind === 'cause' || kind === 'field' || kind === 'timer');
}

/** Whether some method's success is to be remembered, so that a restart doesn't repeat it: timers and deletions aren't. */
export function keepsProgress({ handlers }: Pick<OperatorDefinition, 'handlers'>): boolean {
  return handlers.some(
    (handler) => handler.kind === 'field' || (handler.kind === 'cause' && handler.cause !== 'delete'),
  );
}

/** The method of an operator under a name, bound to its instance. */
export function boundMethod<F>(instance: object, method: string): F {
  const value = (instance as Record<string, unknown>)[method];
  if (typeof value !== 'function')
    throw new OperatorStartError(`${instance.constructor.name}.${method} is not a method`);
  return value.bind(instance) as F;
}

function check({ instance, options, handlers }: OperatorDefinition): void {
  const where = `operator "${options.name}" (${instance.constructor.name})`;
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(options.name)) {
    throw new OperatorStartError(`${where}: the name must be lower-case letters, digits, "-" and "."`);
  }
  if (!Number.isInteger(options.maxConcurrentReconciles) || options.maxConcurrentReconciles < 1) {
    throw new OperatorStartError(
      `${where}: maxConcurrentReconciles must be a whole number from 1, not ${options.maxConcurrentReconciles}`,
    );
  }
  const least = options.leastConcurrentReconciles ?? 1;
  if (!Number.isInteger(least) || least < 1) {
    throw new OperatorStartError(`${where}: leastConcurrentReconciles must be a whole number from 1, not ${least}`);
  }
  for (const name of ['reconcileTimeoutMs', 'ownWriteWaitMs'] as const) {
    if (!isDelay(options[name]) || options[name] === 0)
      throw new OperatorStartError(`${where}: ${name} must be more than 0 ms, not ${options[name]}`);
  }
  checkQueue(where, options);
  for (const handler of handlers) checkSettings(where, handler);
  if (handlers.filter((handler) => handler.kind === 'reconcile').length > 1) {
    throw new OperatorStartError(`${where}: only one method may be decorated with @Reconcile()`);
  }
  if (!handlers.some((handler) => handler.kind !== 'index')) {
    throw new OperatorStartError(
      `${where}: no method is decorated; add @Reconcile() or one of @OnCreate(), @OnEvent(), …`,
    );
  }
  const watched = new Set(watchedResources(options).map(resourceName));
  for (const handler of handlers) {
    if ((handler.kind === 'event' || handler.kind === 'index') && handler.resource !== undefined) {
      if (!watched.has(resourceName(handler.resource))) {
        throw new OperatorStartError(
          `${where}: ${handler.method} wants ${resourceName(handler.resource)}, which it doesn't watch; add it to \`watches\``,
        );
      }
    }
  }
  const cleanup = handlers.find((handler) => handler.kind === 'cause' && handler.cause === 'delete');
  if (cleanup !== undefined && !/^[^/]+\/[^/]+$/.test(options.finalizer)) {
    throw new OperatorStartError(
      `${where}: ${cleanup.method} needs a finalizer of the form <domain>/<name>; set \`finalizer\`, since "${options.finalizer}" is none`,
    );
  }
  const causes = handlers.filter(({ kind }) => kind === 'cause' || kind === 'field' || kind === 'timer');
  const first = causes[0];
  if (first !== undefined && options.project !== wholeObject) {
    throw new OperatorStartError(
      `${where}: ${first.method} is a handler of causes, which needs whole objects; leave \`project\` out or use @Reconcile()`,
    );
  }
}

function checkQueue(where: string, { queue = {} }: ResolvedOptions): void {
  const { backoff, backgroundEvery } = queue;
  if (backgroundEvery !== undefined && !(Number.isInteger(backgroundEvery) && backgroundEvery >= 2)) {
    throw new OperatorStartError(
      `${where}: queue.backgroundEvery must be a whole number from 2, not ${backgroundEvery}`,
    );
  }
  if (backoff === undefined) return;
  const { initialMs, factor, maxMs, jitter } = backoff;
  if (!(initialMs > 0 && factor >= 1 && maxMs >= initialMs && jitter >= 0 && isDelay(maxMs) && isDelay(jitter))) {
    throw new OperatorStartError(
      `${where}: queue.backoff needs initialMs > 0, factor ≥ 1, maxMs ≥ initialMs and jitter ≥ 0, not ${JSON.stringify(backoff)}`,
    );
  }
}

/** A delay that is no number would make a loop without a pause. */
function checkSettings(where: string, handler: HandlerDeclaration): void {
  if (!('settings' in handler)) return;
  const { retries, retryDelayMs } = handler.settings;
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 1)) {
    throw new OperatorStartError(
      `${where}: retries of ${handler.method} must be a whole number from 1, not ${retries}`,
    );
  }
  const delays: Record<string, number | undefined> = { retryDelayMs };
  if (handler.kind === 'timer') {
    const { intervalMs, initialDelayMs } = handler.settings;
    if (!isDelay(intervalMs) || intervalMs === 0) {
      throw new OperatorStartError(
        `${where}: intervalMs of ${handler.method} must be more than 0 ms, not ${intervalMs}`,
      );
    }
    delays['initialDelayMs'] = initialDelayMs;
  }
  for (const [name, value] of Object.entries(delays)) {
    if (value !== undefined && !isDelay(value)) {
      throw new OperatorStartError(`${where}: ${name} of ${handler.method} must be 0 or more ms, not ${value}`);
    }
  }
}

function isOptionsSource(instance: object): instance is OperatorOptionsSource {
  return 'operatorOptions' in instance && typeof instance.operatorOptions === 'function';
}

function withoutUndefined(options: Partial<OperatorOptions>): Partial<OperatorOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
