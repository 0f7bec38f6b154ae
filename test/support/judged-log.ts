/** Logs written by hand, judged: a good one to start from, and what the invariants say of it. */
import { checkEvents } from '../../tools/invariants/check.js';
import type { Expectations, Verdict } from '../../tools/invariants/expectations.js';
import type { ResultStatus } from '../../tools/invariants/objects.js';
import { HandMadeLog } from './hand-made-log.js';

export const STARTED_AT = 'datapath.observer/started-at';
export const READY_AT = 'datapath.observer/ready-at';
export const REPORT = 'datapath.observer/report';
export const at = (seconds: number): string => HandMadeLog.at(seconds);

export function status(outcome: string, more: Partial<ResultStatus> = {}): ResultStatus {
  return { outcome, ...more };
}

/** A log in which a controller watches and one Pod becomes ready at the cost of two writes. */
export function goodLog(): HandMadeLog {
  const log = new HandMadeLog();
  log.watch();
  log.pod('create', 'a').result('create', { podUid: 'a' });
  log.pod('patch', 'a', { annotations: { [STARTED_AT]: at(1), [READY_AT]: at(2) } });
  log.result('patch', { podUid: 'a', status: status('Ready', { startedAt: at(1), datapathReadyAt: at(2) }) });
  return log;
}

/** The verdict after a minute of quiet. */
export function judged(log: HandMadeLog, expectations: Partial<Expectations> = {}, controller = 'one'): Verdict {
  return checkEvents(log.pass(60).read(controller).events, { pods: 1, ...expectations });
}

export function broken(log: HandMadeLog, expectations: Partial<Expectations> = {}): string[] {
  return judged(log, expectations).violations.map(({ invariant, why }) => `${invariant}: ${why}`);
}
