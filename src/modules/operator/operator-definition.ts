import type { ResourceType } from '../kube/resource.js';
import { resourceName } from '../kube/resource-path.js';
import { declaredHandlers, declaredOptions, type HandlerDeclaration } from './operator.decorators.js';
import { OperatorStartError } from './operator-errors.js';
import {
  DEFAULT_OPERATOR_OPTIONS,
  type OperatorOptions,
  type OperatorOptionsSource,
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

/** Reads a provider. Undefined when its class isn't declared with `@Operator`. */
export function readDefinition(instance: object): OperatorDefinition | undefined {
  const type = instance.constructor;
  const declared = declaredOptions(type);
  if (declared === undefined) return undefined;
  const options = resolveOptions(declared, instance);
  const handlers = declaredHandlers(type);
  const definition = { instance, options, handlers };
  check(definition);
  return definition;
}

function resolveOptions(declared: OperatorOptions, instance: object): ResolvedOptions {
  const given = isOptionsSource(instance) ? withoutUndefined(instance.operatorOptions()) : {};
  const options: OperatorOptions = { ...declared, ...given };
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
    progress: options.progress ?? 'status',
  };
}

/** The resources that an operator watches, its own first. */
export function watchedResources(options: OperatorOptions): readonly ResourceType[] {
  return [options.resource, ...(options.watches ?? []).map((watch) => watch.resource)];
}

/** Whether some method handles causes, which makes the engine keep its progress. */
export function handlesCauses({ handlers }: Pick<OperatorDefinition, 'handlers'>): boolean {
  return handlers.some(({ kind }) => kind === 'cause' || kind === 'field' || kind === 'timer');
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
  for (const name of ['reconcileTimeoutMs', 'ownWriteWaitMs'] as const) {
    if (!(options[name] > 0))
      throw new OperatorStartError(`${where}: ${name} must be more than 0 ms, not ${options[name]}`);
  }
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

function isOptionsSource(instance: object): instance is OperatorOptionsSource {
  return 'operatorOptions' in instance && typeof instance.operatorOptions === 'function';
}

function withoutUndefined(options: Partial<OperatorOptions>): Partial<OperatorOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
