/**
 * What must hold of each DatapathRun: Conserved, and how often it may be written. A second opinion: sketches and percentiles are read
 * and computed here anew, from the results as they were stored.
 */
import type { RunCount } from './expectations.js';
import type { ResultHistory, ResultVersion, RunHistory, RunVersion } from './history.js';
import type { OutcomeCounts, ResultStatus, RunNumbers, RunStatus } from './objects.js';
import type { Run } from './run.js';

/** At most one write of a status within this, milliseconds. */
const WRITE_INTERVAL_MS = 5_000;
/** How long after the last change of its results a run may be behind, milliseconds. */
const BEHIND_MS = WRITE_INTERVAL_MS + 3_000;
/** What percentiles of a run may be off by where they come from a sketch. */
const RELATIVE_ERROR = 0.01;

const OUTCOMES = ['pending', 'started', 'ready', 'failed', 'aborted'] as const;
const METRICS = ['timeToStart', 'timeToDatapathReady', 'datapathDelay'] as const;
const VALUES = {
  timeToStart: 'timeToStartMs',
  timeToDatapathReady: 'timeToDatapathReadyMs',
  datapathDelay: 'datapathDelayMs',
} as const satisfies Record<(typeof METRICS)[number], keyof ResultStatus>;
const PERCENTILES = { p50Ms: 0.5, p90Ms: 0.9, p99Ms: 0.99 } as const;
/** Reasons of a completion whose verdict stands, whatever comes later. */
const STANDING = ['ExpectedPodsFinal', 'DeadlinePassed'];

/** Counts add up to the results, what is archived stays and is counted once, and at rest a run says what its results say. */
export function conserved(run: Run): string[] {
  const broken: string[] = [];
  const results = new Map(run.history.results.map((result) => [result.uid, result]));
  const folded = new Map<string, RunVersion>();
  for (const one of run.history.runs) {
    const why = (text: string): void => void broken.push(`run ${one.name}: ${text}`);
    for (const [i, version] of one.versions.entries()) {
      for (const text of sumsOf(version.object.status ?? {})) why(text);
      const before = one.versions[i - 1];
      const fresh = newlyReleasing(before, version);
      if (before !== undefined || one.createdAt !== undefined) {
        for (const text of stepOf(before?.object.status, version.object.status ?? {}, fresh, results)) why(text);
      }
      for (const uid of fresh) {
        if (folded.has(uid)) why(`result ${results.get(uid)?.key ?? uid} was counted twice`);
        folded.set(uid, version);
      }
    }
  }
  broken.push(...lost(run, folded), ...summaries(run));
  return broken;
}

/** A run's status is written at most every five seconds. */
export function paced(run: Run): string[] {
  const broken: string[] = [];
  for (const one of run.history.runs) {
    const writes = one.versions.filter(({ byController }) => byController);
    for (const [i, after] of writes.entries()) {
      const before = writes[i - 1];
      if (before === undefined || after.receivedAt - before.receivedAt >= WRITE_INTERVAL_MS) continue;
      const ms = Math.round(after.receivedAt - before.receivedAt);
      broken.push(`run ${one.name} was written ${ms} ms after the write before (version ${after.version})`);
    }
  }
  return broken;
}

export function countRun({ name, versions }: RunHistory): RunCount {
  const received = versions.filter(({ byController }) => byController).map(({ receivedAt }) => receivedAt);
  const distances = received.slice(1).map((at, i) => at - (received[i] ?? at));
  return {
    name,
    writes: received.length,
    closestMs: distances.length === 0 ? undefined : Math.min(...distances),
    archived: versions.at(-1)?.object.status?.archive?.results ?? 0,
  };
}

/** What one status says in two ways. */
function sumsOf(status: RunStatus): string[] {
  const broken: string[] = [];
  const { archive } = status;
  const equal = (what: string, said: number | undefined, sum: number): void => {
    if (said !== sum) broken.push(`${what} ${String(said)}, its parts add up to ${sum}`);
  };
  if (status.pods !== undefined) equal('it counts Pods', status.pods, total(status));
  if (archive !== undefined) equal('its archive counts results', archive.results, total(archive));
  for (const [where, numbers] of [
    ['', status.metrics],
    ['archive of ', archive?.metrics],
  ] as const) {
    for (const metric of METRICS) {
      const one = numbers?.[metric];
      if (one !== undefined) equal(`the ${where}${metric} counts values`, one.count, countOf(readSketch(one.sketch)));
    }
  }
  return broken;
}

/** What became of the archive from one version to the next: exactly the results that were folded came in. */
function stepOf(
  before: RunStatus | undefined,
  after: RunStatus,
  fresh: readonly string[],
  results: ReadonlyMap<string, ResultHistory>,
): string[] {
  const broken: string[] = [];
  const [was, is] = [before?.archive, after.archive];
  const grown = (is?.results ?? 0) - (was?.results ?? 0);
  if (grown !== fresh.length) {
    broken.push(`its archive grew by ${grown} results, ${fresh.length} were listed as kept`);
  }
  for (const outcome of OUTCOMES) {
    const [less, more] = [was?.[outcome] ?? 0, is?.[outcome] ?? 0];
    if (more < less) broken.push(`its archive had ${less} ${outcome}, then ${more}`);
  }
  const stored = fresh.map((uid) => lastStored(results.get(uid)));
  for (const [i, uid] of fresh.entries()) {
    if (!isOver(stored[i])) broken.push(`result ${results.get(uid)?.key ?? uid} was kept before its end was stored`);
  }
  for (const metric of METRICS) {
    const [less, more] = [was?.metrics?.[metric], is?.metrics?.[metric]];
    const bins = readSketch(more?.sketch);
    for (const [bin, count] of readSketch(less?.sketch)) {
      if ((bins.get(bin) ?? 0) < count) broken.push(`its archive of ${metric} lost values of bin ${bin}`);
    }
    const values = stored.flatMap((status) => status?.[VALUES[metric]] ?? []);
    const kept = (more?.sumMs ?? 0) - (less?.sumMs ?? 0);
    const sum = values.reduce((a, b) => a + b, 0);
    if (kept !== sum) broken.push(`its archive of ${metric} grew by ${kept} ms, the results by ${sum} ms`);
  }
  const complete = before?.conditions?.find(({ type }) => type === 'Complete');
  const stands = complete?.status === 'True' && STANDING.includes(complete.reason ?? '');
  if (stands && before?.observedGeneration === after.observedGeneration) {
    for (const field of ['verdict', 'completedAt'] as const) {
      if (before?.[field] === after[field]) continue;
      broken.push(`its ${field} stood at ${String(before?.[field])}, became ${String(after[field])}`);
    }
  }
  return broken;
}

/** Results that are gone for good, and that no run has counted before they went, though theirs was there. */
function lost(run: Run, folded: ReadonlyMap<string, RunVersion>): string[] {
  const broken: string[] = [];
  for (const result of run.history.results) {
    const last = result.versions.at(-1);
    const { deletedAt } = result;
    // Whoever takes the finalizer off by hand wants them gone.
    if (deletedAt === undefined || last?.byController !== true) continue;
    const fold = folded.get(result.uid);
    if (fold !== undefined) {
      if (fold.receivedAt > last.at) broken.push(`${result.key} went before its run counted it`);
      continue;
    }
    const name = last.object.spec?.runName;
    const pod = run.history.pods.get(result.podUid);
    const madeAgain =
      (pod !== undefined && (pod.deletedAt === undefined || pod.deletedAt > deletedAt)) ||
      run.resultsOf(result.podUid).some((other) => (other.createdAt ?? 0) >= deletedAt);
    const home = run.history.runs.find((one) => one.name === name && isThere(one, deletedAt));
    if (home !== undefined && !madeAgain) broken.push(`run ${home.name}: ${result.key} went and was never counted`);
  }
  return broken;
}

/** At rest: the summary of each run against its results, those that are there and those that went. */
function summaries(run: Run): string[] {
  if (run.expectations.atRest !== true) return [];
  const broken: string[] = [];
  for (const one of run.history.runs) {
    const last = one.versions.at(-1);
    const { status } = last?.object ?? {};
    if (last === undefined || status?.pods === undefined) continue;
    if (one.createdAt === undefined || one.deletedAt !== undefined || run.history.runsElsewhere.has(one.name)) continue;
    const kept = new Set(one.versions.flatMap(({ object }) => object.status?.archive?.releasing ?? []));
    const mine = run.history.results.filter(
      ({ uid, deletedAt, versions }) =>
        kept.has(uid) || (deletedAt === undefined && versions.at(-1)?.object.spec?.runName === one.name),
    );
    const changedAt = Math.max(...mine.map(({ versions }) => versions.at(-1)?.at ?? 0));
    if (changedAt > last.receivedAt && changedAt > run.history.last - BEHIND_MS) continue;
    const statuses = mine.map(lastStored);
    for (const text of summaryOf(status, statuses)) broken.push(`run ${one.name}: ${text}`);
  }
  return broken;
}

function summaryOf(status: RunStatus, results: readonly (ResultStatus | undefined)[]): string[] {
  const broken: string[] = [];
  const equal = (what: string, said: number | undefined, computed: number): void => {
    if ((said ?? 0) !== computed) broken.push(`it says ${what} ${String(said)}, its results say ${computed}`);
  };
  equal('pods', status.pods, results.length);
  for (const outcome of ['ready', 'failed', 'aborted'] as const) {
    equal(outcome, status[outcome], results.filter((one) => one?.outcome?.toLowerCase() === outcome).length);
  }
  for (const metric of METRICS) {
    const numbers: RunNumbers = status.metrics?.[metric] ?? {};
    // Of a Pod under way the controller may know more than it has stored.
    if (!results.every(isOver)) continue;
    const values = results.flatMap((one) => one?.[VALUES[metric]] ?? []).toSorted((a, b) => a - b);
    equal(`${metric} count`, numbers.count, values.length);
    equal(
      `${metric} sumMs`,
      numbers.sumMs,
      values.reduce((a, b) => a + b, 0),
    );
    if (values.length === 0) continue;
    equal(`${metric} minMs`, numbers.minMs, values[0] ?? 0);
    equal(`${metric} maxMs`, numbers.maxMs, values.at(-1) ?? 0);
    for (const [name, q] of Object.entries(PERCENTILES) as [keyof typeof PERCENTILES, number][]) {
      const exact = values[Math.ceil(values.length * q - 1e-9) - 1] ?? 0;
      const off = Math.abs((numbers[name] ?? Infinity) - exact);
      if (off <= (numbers.estimated === true ? RELATIVE_ERROR * Math.abs(exact) : 0)) continue;
      broken.push(`it says ${metric} ${name} ${String(numbers[name])}, its results say ${exact}`);
    }
  }
  return broken;
}

function newlyReleasing(before: RunVersion | undefined, after: RunVersion): string[] {
  const known = new Set(before?.object.status?.archive?.releasing);
  return (after.object.status?.archive?.releasing ?? []).filter((uid) => !known.has(uid));
}

/** The last status of a result that says something. */
function lastStored(result: ResultHistory | undefined): ResultStatus | undefined {
  return result?.versions.findLast((version: ResultVersion) => version.object.status !== undefined)?.object.status;
}

function isOver(status: ResultStatus | undefined): boolean {
  return ['Ready', 'Failed', 'Aborted'].includes(status?.outcome ?? '');
}

function isThere(run: RunHistory, at: number): boolean {
  return (run.createdAt ?? 0) <= at && (run.deletedAt ?? Infinity) > at;
}

function total(counts: OutcomeCounts): number {
  return OUTCOMES.reduce((sum, outcome) => sum + (counts[outcome] ?? 0), 0);
}

/** Counts by bin, by the description of the field in the CustomResourceDefinition. */
function readSketch(text = ''): Map<number, number> {
  const bins = new Map<number, number>();
  let bin = 0;
  for (const part of text === '' ? [] : text.split(',')) {
    const [distance = '', count = ''] = part.split('.');
    bin += parseInt(distance, 36);
    bins.set(bin, parseInt(count, 36));
  }
  return bins;
}

function countOf(bins: ReadonlyMap<number, number>): number {
  return [...bins.values()].reduce((sum, count) => sum + count, 0);
}
