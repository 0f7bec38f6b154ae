import { boundMethod, type OperatorDefinition } from './operator-definition.js';
import type { ReconcileFunction } from './reconcile-request.js';

/** What an operator does with a key: its `@Reconcile` method, or nothing where it only looks at events. */
export function reconcileFunctionOf({ instance, handlers }: OperatorDefinition): ReconcileFunction {
  const reconcile = handlers.find(({ kind }) => kind === 'reconcile');
  return reconcile === undefined ? () => undefined : boundMethod<ReconcileFunction>(instance, reconcile.method);
}
