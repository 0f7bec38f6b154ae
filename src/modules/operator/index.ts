/** The public face of the operator engine. */
export {
  InjectIndex,
  InjectStore,
  Index,
  OnCreate,
  OnDelete,
  OnEvent,
  OnField,
  OnResume,
  OnTimer,
  OnUpdate,
  Operator,
  Reconcile,
} from './operator.decorators.js';
export { type EngineHealth, OperatorEngine, type OperatorHealth } from './operator-engine.service.js';
export { type EngineOptions, type LeaderElectionOptions } from './engine-context.js';
export { OperatorModule, type OperatorModuleAsyncOptions, type OperatorModuleOptions } from './operator.module.js';
export { type KeyReport, OperatorDebugService } from './operator-debug.service.js';
export { electionRules, type PolicyRule, rbacRules } from './rbac.js';
export {
  OperatorStartError,
  PermanentError,
  ReconcileAbortedError,
  ReconcileTimeoutError,
  TemporaryError,
} from './operator-errors.js';
export {
  type Access,
  identityOf,
  type OperatorOptions,
  type OperatorOptionsSource,
  type OwnedView,
  owns,
  type Projector,
  reads,
  type Selection,
  watch,
  type WatchSpec,
  type Whole,
  wholeObject,
} from './operator-options.js';
export {
  allOf,
  annotationsChanged,
  anyOf,
  changed,
  fieldChanged,
  finalizersChanged,
  generationChanged,
  isSame,
  labelsChanged,
  type Predicate,
  valueAt,
  when,
} from './predicates.js';
export { type EventNote, EVENTS, type EventSubject, subjectOf } from '../kube/event-recorder.js';
export type { Cause } from './causes.js';
export type { HandlerContext } from './handler-context.js';
export type { CauseFilter, HandlerSettings, TimerSettings } from './handler-settings.js';
export type { ReconcileOutcome, ReconcileRequest, ReconcileResult } from './reconcile-request.js';
export type { ResourceIndex } from './resource-index.js';
export { difference } from './status-writer.js';
