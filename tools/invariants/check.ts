/**
 * The invariants of this system, judged from outside: from what the API server wrote down of who asked for what and what became
 * of it. One pure model for the demo, the tests and the soak.
 *
 * | name | statement |
 * |---|---|
 * | Unique | one DatapathResult per Pod UID, for ever |
 * | Complete | every Pod with a reporter that existed while a controller ran has a result soon after quiet; what couldn't be known is ReportLost |
 * | FirstWins | startedAt, datapathReadyAt and spec never change once set |
 * | Legal | the outcome moves only along its graph; a transition time moves only when the status flips |
 * | Frugal | at most 2 writes per Pod without a fault; none once converged |
 * | Fenced | no write by an identity outside its lease |
 * | Conserved | counts by outcome add up to the results; a run's summary equals a recomputation; archived numbers stay |
 * | Honest | an answer that says synced holds every event before it; pending is never reported as failed |
 * | Bounded | requests, memory, queue and event-loop delay stay below their limits |
 * | Ran | what was to be proven happened: as many Pods, kills and faults as were intended |
 */
import type { AuditEvent } from './audit-event.js';
import type { Counts, Expectations, Invariant, Verdict, Violation } from './expectations.js';
import { HistoryBuilder } from './history.js';
import type { History } from './history.js';
import { complete, honest } from './pod-rules.js';
import { firstWins, legal, unique } from './result-rules.js';
import { conserved, countRun, paced } from './run-rules.js';
import { Run } from './run.js';
import { bounded, busiest, fenced, frugal, interruptionsOf, meetsFault } from './write-rules.js';

export const CONTROLLER_USER = 'system:serviceaccount:datapath-observer:datapath-controller';
export const LEASE_NAME = 'datapath-controller';

const RULES: readonly (readonly [Invariant, (run: Run) => readonly string[]])[] = [
  ['Unique', unique],
  ['Complete', complete],
  ['FirstWins', firstWins],
  ['Legal', legal],
  ['Frugal', (run) => [...frugal(run), ...paced(run)]],
  ['Fenced', fenced],
  ['Conserved', conserved],
  ['Honest', honest],
  ['Bounded', bounded],
];

export function historyBuilder(expectations: Expectations): HistoryBuilder {
  return new HistoryBuilder({
    namespaces: expectations.namespaces,
    since: expectations.since,
    controllerUser: expectations.controllerUser ?? CONTROLLER_USER,
    leaseName: expectations.leaseName ?? LEASE_NAME,
  });
}

export function checkEvents(events: Iterable<AuditEvent>, expectations: Expectations): Verdict {
  const builder = historyBuilder(expectations);
  for (const event of events) builder.add(event);
  return judge(builder.build(), expectations);
}

export function judge(history: History, expectations: Expectations): Verdict {
  const run = new Run(history, expectations);
  const counts = countsOf(run);
  const violations: Violation[] = RULES.flatMap(([invariant, rule]) => rule(run).map((why) => ({ invariant, why })));
  violations.push(...emptiness(counts, expectations).map((why): Violation => ({ invariant: 'Ran', why })));
  return { violations, counts };
}

/** What did not happen although it was intended: then the other invariants prove nothing. */
function emptiness(counts: Counts, expectations: Expectations): string[] {
  const missing: string[] = [];
  const atLeast = (what: string, happened: number, intended: number): void => {
    if (happened < intended) missing.push(`${happened} ${what}, ${intended} were intended`);
  };
  const { faults, answers, samples } = expectations;
  atLeast('events in the audit log', counts.events, 1);
  atLeast('Pods with a reporter', counts.pods, expectations.pods);
  atLeast('writes of results', counts.writes, expectations.pods);
  atLeast('controller processes', counts.controllers, expectations.controllers ?? 1);
  atLeast('changes of the leader', counts.leaderChanges, expectations.leaderChanges ?? 0);
  atLeast('deletions of Pods', counts.deletions, expectations.deletions ?? 0);
  if (expectations.leaderElection === true && counts.leaseWrites === 0) missing.push('nobody wrote the lease');
  if (faults !== undefined) atLeast('faults', faults.happened.length, faults.intended);
  if (answers?.length === 0) missing.push('no answer of the API was taken');
  if (samples?.length === 0) missing.push('no process was measured');
  return missing;
}

function countsOf(run: Run): Counts {
  let mostWritesPerPod = 0;
  let mostWritesPerInterruptedPod = 0;
  let interruptedPods = 0;
  for (const pod of run.pods) {
    const writes = run.attemptsFor(pod).length;
    if (interruptionsOf(run, pod) > 0 || meetsFault(run, pod)) {
      interruptedPods++;
      mostWritesPerInterruptedPod = Math.max(mostWritesPerInterruptedPod, writes);
    } else mostWritesPerPod = Math.max(mostWritesPerPod, writes);
  }
  const { history, expectations } = run;
  const since = expectations.since ?? Number.NEGATIVE_INFINITY;
  const minutes = [...history.actors.values()].map((actor) => busiest(actor.requests, 60_000)?.count ?? 0);
  const deletions = history.attempts.filter(({ verb }) => verb === 'delete').map(({ receivedAt }) => receivedAt);
  return {
    events: history.events,
    pods: run.pods.length,
    results: history.results.length,
    runs: history.runs.map(countRun),
    writes: history.attempts.length,
    writesForNothing: run.writesForNothing,
    mostWritesPerPod,
    interruptedPods,
    mostWritesPerInterruptedPod,
    deletions: run.pods.filter((pod) => pod.deletedAt !== undefined).length,
    controllers: new Set(history.watches.filter(({ to = since }) => to >= since).map((watch) => watch.actor)).size,
    leaseWrites: history.leaseWrites.length,
    leaderChanges: run.leaderChanges().filter(({ at }) => at >= since).length,
    answers: expectations.answers?.length ?? 0,
    samples: expectations.samples?.length ?? 0,
    mostRequestsPerMinute: Math.max(0, ...minutes),
    mostDeletionsPerSecond: busiest(deletions, 1_000)?.count ?? 0,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** The verdict in lines: one `broke NAME: why` for each violation (the first ones of each kind), then what was looked at. */
export function formatVerdict(verdict: Verdict, perInvariant = 5): string[] {
  const { violations, counts } = verdict;
  const lines: string[] = [];
  for (const invariant of [...RULES.map(([name]) => name), 'Ran' as const]) {
    const broken = violations.filter((violation) => violation.invariant === invariant);
    for (const { why } of broken.slice(0, perInvariant)) lines.push(`broke ${invariant}: ${why}`);
    if (broken.length > perInvariant) lines.push(`broke ${invariant}: ... and ${broken.length - perInvariant} more`);
  }
  const interrupted =
    counts.interruptedPods === 0
      ? ''
      : `, ${counts.mostWritesPerInterruptedPod} for the ${counts.interruptedPods} that a kill, a fault or a change of leader met`;
  const runs =
    counts.runs.length === 0
      ? ''
      : `${counts.runs.length} runs (${sum(counts.runs.map(({ writes }) => writes))} writes, ` +
        `${sum(counts.runs.map(({ archived }) => archived))} results archived), `;
  const names = new Set(violations.map((violation) => violation.invariant));
  lines.push(
    `invariants: ${counts.pods} Pods, ${counts.writes} writes (at most ${counts.mostWritesPerPod} a Pod${interrupted}), ` +
      `${runs}${counts.controllers} controller processes, ${counts.leaderChanges} changes of leader, ${names.size} broken`,
  );
  return lines;
}
