/** `make test-mutations`: for each invariant a fault in our own code that its check must find. */
import { rmSync } from 'node:fs';
import { startControlPlane } from '../control-plane/launcher.js';
import type { ControlPlane } from '../control-plane/launcher.js';
import { applyManifests } from '../controller/deployment.js';
import { table } from '../demo/report.js';
import type { Verdict } from '../invariants/expectations.js';
import { MUTATIONS } from './mutations.js';
import type { Mutation } from './mutations.js';
import { makeMutant } from './mutant.js';
import { playScenario } from './scenario.js';

interface Outcome {
  readonly mutation: Mutation | undefined;
  readonly verdict: Verdict | Error;
}

const only = process.argv.slice(2);
const chosen = MUTATIONS.filter(({ invariant }) => only.length === 0 || only.includes(invariant));
if (chosen.length === 0) {
  process.stderr.write(`Usage: make test-mutations [ARGS="${MUTATIONS.map((one) => one.invariant).join(' ')}"]\n`);
  process.exit(2);
}

const outcomes: Outcome[] = [];
const startedAt = Date.now();
const note = (text: string): void =>
  void process.stderr.write(`[${((Date.now() - startedAt) / 1000).toFixed(0).padStart(4)} s] ${text}\n`);

note('starting the control plane');
const plane = await startControlPlane({ progress: note });
try {
  await applyManifests(plane);
  await liftRules(plane);
  for (const mutation of [undefined, ...chosen]) {
    note(mutation === undefined ? 'the code as it is' : `${mutation.invariant}: ${mutation.title}`);
    outcomes.push({ mutation, verdict: await judge(plane, mutation) });
  }
} finally {
  await plane.stop();
}

const rows = outcomes.map(({ mutation, verdict }): readonly string[] => {
  const title = mutation?.title ?? 'none: the code as it is';
  if (verdict instanceof Error) return [mutation?.invariant ?? '', title, `ERROR: ${verdict.message.split('\n')[0]}`];
  const broken = [...new Set(verdict.violations.map(({ invariant }) => invariant))];
  if (mutation === undefined)
    return ['', title, broken.length === 0 ? 'nothing broken' : `BROKEN: ${broken.join(', ')}`];
  const others = broken.filter((name) => name !== mutation.invariant);
  const caught = broken.includes(mutation.invariant) ? 'caught' : 'SURVIVED';
  return [mutation.invariant, title, others.length === 0 ? caught : `${caught} (also ${others.join(', ')})`];
});
process.stdout.write(`\n${table(['invariant', 'mutation', 'verdict'], rows, 3)}\n`);
for (const { mutation, verdict } of outcomes) {
  if (verdict instanceof Error) {
    process.stdout.write(`\n${mutation?.invariant ?? 'the code as it is'}: ${verdict.stack}\n`);
    continue;
  }
  const shown =
    mutation === undefined
      ? verdict.violations
      : verdict.violations.filter((one) => one.invariant === mutation.invariant);
  for (const { invariant, why } of shown.slice(0, 2)) process.stdout.write(`\nbroke ${invariant}: ${why}`);
}
const survived = rows.filter(([, , verdict]) => !/^(caught|nothing broken)/.test(verdict ?? ''));
process.stdout.write(`\n\n${chosen.length} mutations, ${survived.length} not as it must be\n`);
process.exitCode = survived.length === 0 ? 0 : 1;

async function judge(controlPlane: ControlPlane, mutation: Mutation | undefined): Promise<Verdict | Error> {
  let folder: string | undefined;
  try {
    const mutant = await makeMutant(mutation);
    folder = mutant.folder;
    return await playScenario(controlPlane, {
      ...mutant,
      replicas: mutation === undefined ? 2 : (mutation.replicas ?? 1),
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Takes the validation rules out of the CRDs: they'd refuse some of the faults (a name without the uid, a start that changes), and
 * it is the checker that is tested here.
 */
async function liftRules(controlPlane: ControlPlane): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/datapathresults.datapath.observer';
  const definition = JSON.parse((await controlPlane.request('GET', path)).text) as unknown;
  const answer = await controlPlane.request('PUT', path, withoutRules(definition));
  if (answer.status !== 200)
    throw new Error(`the rules can't be lifted: ${answer.status} ${answer.text.slice(0, 300)}`);
}

function withoutRules(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutRules);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== 'x-kubernetes-validations');
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutRules(member)]));
}
