/** What people are told of a run, in an Event. Pure. */
import { type Condition, findCondition } from '../kube/conditions.js';
import type { EventNote } from '../operator/index.js';
import type { DatapathRunStatus } from './datapath-run.schema.js';

/** What the step from one status to the next tells: that the run is complete, or that its verdict is another one than before. */
export function noteOf(before: DatapathRunStatus | undefined, after: DatapathRunStatus): EventNote | undefined {
  const complete = conditionOf(after, 'Complete');
  if (complete?.status !== 'True') return undefined;
  if (conditionOf(before, 'Complete')?.status === 'True' && before?.verdict === after.verdict) return undefined;
  const { verdict } = after;
  if (verdict === undefined) {
    return { type: 'Normal', reason: 'Complete', action: 'Judging', message: complete.message };
  }
  return {
    type: verdict === 'Met' ? 'Normal' : 'Warning',
    reason: `Objectives${verdict}`,
    action: 'Judging',
    message: `${complete.message}; ${conditionOf(after, 'ObjectivesMet')?.message ?? ''}`,
  };
}

/** What one of a run's results tells for all of its namespace, once the DatapathRun was deleted. */
export function lostRunNote(run: string, results: number): EventNote {
  return {
    type: 'Warning',
    reason: 'RunDeleted',
    action: 'Keeping',
    message:
      `DatapathRun ${run} was deleted: ${String(results)} results of it are left in this namespace, and count again if it is made anew; ` +
      'what it had kept of others is lost',
  };
}

function conditionOf(status: DatapathRunStatus | undefined, type: string): Condition | undefined {
  return findCondition(status?.conditions as readonly Condition[] | undefined, type);
}
