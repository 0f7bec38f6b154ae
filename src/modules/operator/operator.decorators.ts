import 'reflect-metadata';
import { Inject } from '@nestjs/common';
import type { ResourceType } from '../kube/resource.js';
import { resourceName } from '../kube/resource-path.js';
import type { HandlerSettings, TimerSettings } from './handler-settings.js';
import { OperatorStartError } from './operator-errors.js';
import type { OperatorOptions } from './operator-options.js';
import type { ReconcileFunction } from './reconcile-request.js';

/** One decorated method of an operator class. */
export type HandlerDeclaration =
  | { readonly kind: 'reconcile'; readonly method: string }
  | { readonly kind: 'event'; readonly method: string; readonly resource: ResourceType }
  | {
      readonly kind: 'index';
      readonly method: string;
      readonly name: string;
      readonly resource: ResourceType | undefined;
    }
  | { readonly kind: 'cause'; readonly method: string; readonly cause: CauseKind; readonly settings: HandlerSettings }
  | { readonly kind: 'field'; readonly method: string; readonly path: string; readonly settings: HandlerSettings }
  | { readonly kind: 'timer'; readonly method: string; readonly settings: TimerSettings };

export type CauseKind = 'create' | 'update' | 'resume' | 'delete';

const OPTIONS = Symbol('operator:options');
const HANDLERS = Symbol('operator:handlers');

type Constructor = abstract new (...args: never[]) => object;

/**
 * Declares a Nest provider as an operator: its decorated methods are called when objects change. Put `@Injectable()` below it and
 * list the class among the providers of a module.
 */
export function Operator(options: OperatorOptions): (target: Constructor) => void {
  return (target) => {
    Reflect.defineMetadata(OPTIONS, options, target);
  };
}

/**
 * The method that brings the world in line with one key. It runs on the leader only, never twice at once for a key, and may run again at
 * any time: whatever it did before must do no harm.
 */
export function Reconcile(): <F extends ReconcileFunction>(
  target: object,
  property: string,
  descriptor: TypedPropertyDescriptor<F>,
) => void {
  return (target, method) => {
    declare(target, { kind: 'reconcile', method });
  };
}

/**
 * A method that sees every event of a resource, synchronously and in order, on every replica, before the event's keys are queued: for
 * caches of one's own. It must be fast and must not throw.
 */
export function OnEvent(
  resource: ResourceType,
): <F extends (event: never) => void>(
  target: object,
  property: string,
  descriptor: TypedPropertyDescriptor<F>,
) => void {
  return (target, method) => {
    declare(target, { kind: 'event', method, resource });
  };
}

/**
 * A method that gives the values under which an object is found in the index `name`. Pure; called for each version of each object.
 *
 * @param resource which of the operator's resources; its own by default
 */
export function Index(
  name: string,
  resource?: ResourceType,
): <F extends (object: never) => string | readonly string[] | undefined>(
  target: object,
  property: string,
  descriptor: TypedPropertyDescriptor<F>,
) => void {
  return (target, method) => {
    declare(target, { kind: 'index', method, name, resource });
  };
}

type CauseMethod = (object: never, context: never) => unknown;
type CauseDecorator = <F extends CauseMethod>(
  target: object,
  property: string,
  descriptor: TypedPropertyDescriptor<F>,
) => void;

/** Runs for an object that no operator of this name has handled yet (its `status.observedGeneration` is missing). */
export function OnCreate(settings: HandlerSettings = {}): CauseDecorator {
  return onCause('create', settings);
}

/** Runs when the object's generation is newer than the one that was handled last, even if it changed while no operator ran. */
export function OnUpdate(settings: HandlerSettings = {}): CauseDecorator {
  return onCause('update', settings);
}

/** Runs once for each object that was handled before, when an operator starts or becomes the leader. */
export function OnResume(settings: HandlerSettings = {}): CauseDecorator {
  return onCause('resume', settings);
}

/**
 * Runs for an object that is being deleted, and holds it by a finalizer until it succeeded. The finalizer is set before any other
 * handler runs: if one ever started, this one succeeds before the object disappears.
 */
export function OnDelete(settings: HandlerSettings = {}): CauseDecorator {
  return onCause('delete', settings);
}

/** Runs when the value at `path` changes (see `valueAt`), and once for each object after a start unless it is known to be unchanged. */
export function OnField(path: string, settings: HandlerSettings = {}): CauseDecorator {
  return (target, method) => {
    declare(target, { kind: 'field', method, path, settings });
  };
}

/** Runs for each object again and again. */
export function OnTimer(settings: TimerSettings): CauseDecorator {
  return (target, method) => {
    declare(target, { kind: 'timer', method, settings });
  };
}

function onCause(cause: CauseKind, settings: HandlerSettings): CauseDecorator {
  return (target, method) => {
    declare(target, { kind: 'cause', method, cause, settings });
  };
}

/** Tells the handlers of an operator apart: several decorators may stand on one method. */
export function handlerId(handler: HandlerDeclaration): string {
  const { kind, method } = handler;
  switch (kind) {
    case 'cause':
      return `${handler.cause}:${method}`;
    case 'field':
      return `field:${handler.path}:${method}`;
    case 'event':
      return `event:${resourceName(handler.resource)}:${method}`;
    case 'index':
      return `index:${handler.name}:${method}`;
    case 'reconcile':
    case 'timer':
      return `${kind}:${method}`;
    default: {
      const exhaustiveCheck: never = kind;
      return exhaustiveCheck;
    }
  }
}

/** @throws OperatorStartError for a static method, and for one that has the same decorator twice: one of them would never run */
function declare(prototype: object, handler: HandlerDeclaration): void {
  if (typeof prototype === 'function') {
    throw new OperatorStartError(`${prototype.name}.${handler.method} is static; handlers are methods of the instance`);
  }
  const known = (Reflect.getOwnMetadata(HANDLERS, prototype.constructor) ?? []) as HandlerDeclaration[];
  if (known.some((other) => handlerId(other) === handlerId(handler))) {
    throw new OperatorStartError(
      `${prototype.constructor.name}.${handler.method} has the same decorator twice (${handlerId(handler)}); use one, or two methods`,
    );
  }
  Reflect.defineMetadata(HANDLERS, [...known, handler], prototype.constructor);
}

/** The settings that a class was declared with, or undefined when it is no operator. */
export function declaredOptions(target: object): OperatorOptions | undefined {
  return Reflect.getMetadata(OPTIONS, target) as OperatorOptions | undefined;
}

/** The decorated methods of a class and of those it extends; of a method that is overridden, the nearest declaration. */
export function declaredHandlers(target: object): readonly HandlerDeclaration[] {
  const found = new Map<string, HandlerDeclaration>();
  for (
    let type: object | null = target;
    typeof type === 'function';
    type = Object.getPrototypeOf(type) as object | null
  ) {
    const own = (Reflect.getOwnMetadata(HANDLERS, type) ?? []) as HandlerDeclaration[];
    for (const handler of own) {
      const id = handlerId(handler);
      if (!found.has(id)) found.set(id, handler);
    }
  }
  return [...found.values()];
}

/** Every resource whose store some class asked for, by its token. Filled while classes are declared. */
const INJECTED_STORES = new Map<string, ResourceType>();
const INJECTED_INDEXES = new Set<string>();

/** The token of the store of a resource. */
export function storeToken(resource: ResourceType): string {
  return `operator:store:${resourceName(resource)}/${resource.version}`;
}

export function indexToken(name: string): string {
  return `operator:index:${name}`;
}

/** Injects the shared cache of a resource that some operator of the process watches. It is filled once the engine says `synced`. */
export function InjectStore(resource: ResourceType): ParameterDecorator & PropertyDecorator {
  INJECTED_STORES.set(storeToken(resource), resource);
  return Inject(storeToken(resource));
}

/** Injects the index of a name (see {@link Index}). */
export function InjectIndex(name: string): ParameterDecorator & PropertyDecorator {
  INJECTED_INDEXES.add(name);
  return Inject(indexToken(name));
}

export function injectedStores(): readonly ResourceType[] {
  return [...INJECTED_STORES.values()];
}

export function injectedIndexes(): readonly string[] {
  return [...INJECTED_INDEXES];
}
