/**
 * JUnit XML: a test case per objective, with the failed Pods as evidence. `Missed` is a failure, `Inconclusive` an error: what wasn't shown
 * is no pass. A run without objectives has one case, that it is complete.
 */
import type { RunReport } from '../run-report.js';

type Objective = NonNullable<RunReport['status']['objectives']>[number];

export function junitXml(report: RunReport): string {
  const objectives = report.status.objectives ?? [];
  const evidence = evidenceOf(report);
  const cases =
    report.complete && objectives.length > 0
      ? objectives.map((objective) => caseOf(report.name, objective, evidence))
      : [completionCase(report)];
  const failures = report.complete ? objectives.filter(({ verdict }) => verdict === 'Missed').length : 0;
  const errors = report.complete ? objectives.filter(({ verdict }) => verdict === 'Inconclusive').length : 1;
  const isShown = report.complete && failures + errors > 0;
  const { completedAt, updatedAt } = report.status;
  const timestamp = completedAt ?? updatedAt;
  const counts = `tests="${String(cases.length)}" failures="${String(failures)}" errors="${String(errors)}" skipped="0"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="datapath" ${counts}>`,
    `  <testsuite name="${xml(report.name)}" ${counts}${timestamp === undefined ? '' : ` timestamp="${xml(timestamp)}"`}>`,
    ...cases,
    // Where no case has the evidence: a run may be met although Pods failed.
    ...(evidence === '' || isShown ? [] : [`    <system-out>${xml(evidence)}</system-out>`]),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function caseOf(run: string, objective: Objective, evidence: string): string {
  const { metric, statistic, thresholdMs, verdict, reason, message } = objective;
  const open = `    <testcase classname="${xml(run)}" name="${xml(`${metric} ${statistic} at most ${String(thresholdMs)} ms`)}" time="0"`;
  switch (verdict) {
    case 'Met':
      return `${open}/>`;
    case 'Missed':
    case 'Inconclusive': {
      const tag = verdict === 'Missed' ? 'failure' : 'error';
      return `${open}><${tag} type="${xml(reason)}" message="${xml(message)}">${xml(evidence)}</${tag}></testcase>`;
    }
    default: {
      const exhaustiveCheck: never = verdict;
      return exhaustiveCheck;
    }
  }
}

function completionCase({ name, complete, completeReason }: RunReport): string {
  const open = `    <testcase classname="${xml(name)}" name="the run is complete" time="0"`;
  return complete
    ? `${open}/>`
    : `${open}><error type="${xml(completeReason)}" message="the run is not complete"/></testcase>`;
}

function evidenceOf({ status }: RunReport): string {
  const pods = (status.failedPods ?? []).map(
    (pod) =>
      `${pod.namespace}/${pod.name}${pod.nodeName === undefined ? '' : ` on ${pod.nodeName}`}: ${pod.class}: ${pod.message}`,
  );
  const more = (status.failed ?? 0) - pods.length;
  return [...pods, ...(more > 0 ? [`and ${String(more)} more failed Pods`] : [])].join('\n');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Escaped, and without the characters that XML 1.0 doesn't know: messages come from Pods. */
function xml(text: string): string {
  // oxlint-disable-next-line no-control-regex -- that is what is taken out
  const known = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd');
  return known.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
