/**
 * One deliberate fault of our own code for each invariant. What the checker of `tools/invariants` doesn't find broken after such a
 * change, it can't be trusted to guard.
 */
import type { Invariant } from '../invariants/expectations.js';

export interface Mutation {
  readonly invariant: Exclude<Invariant, 'Ran'>;
  /** The fault in words. */
  readonly title: string;
  readonly file: string;
  /** Must stand in the file exactly once, or the code has moved on and the mutation has to follow. */
  readonly search: string;
  readonly replace: string;
  /** Controllers that compete for the lease. Default 1, without a lease. */
  readonly replicas?: number;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    invariant: 'Unique',
    title: "names a result by its Pod's name and chance, not by the uid",
    file: 'src/modules/results/result-conversion.ts',
    search: 'name: resultName(state.uid),',
    replace: 'name: `dpresult-${state.name}-${Math.random().toString(36).slice(2)}`,',
  },
  {
    invariant: 'Complete',
    title: 'forgets a pending Pod when it is deleted',
    file: 'src/modules/results/result-tracker.ts',
    search: "    if (event.type === 'Synced') return;\n    const pod = event.object;\n",
    replace:
      "    if (event.type === 'Synced') return;\n    const pod = event.object;\n" +
      "    if (event.type === 'Deleted') return this.#index.remove(pod.uid);\n",
  },
  {
    invariant: 'FirstWins',
    title: 'lets a later start take the place of the first',
    file: 'src/datapath/assess.ts',
    search: 'const startedAt = state.startedAt ?? reported.startedAt?.at;',
    replace: 'const startedAt = reported.startedAt?.at ?? state.startedAt;',
  },
  {
    invariant: 'Legal',
    title: 'stamps every condition with the time of the write',
    file: 'src/modules/results/result-conversion.ts',
    search: 'before?.status === status ? before.at : formatInstant',
    replace: 'before === undefined ? formatInstant(startOfSecond(now), 0) : formatInstant',
  },
  {
    invariant: 'Frugal',
    title: 'writes the status at every change',
    file: 'src/modules/results/write-plan.ts',
    search: 'const waitMs = isFinal(state.outcome)',
    replace: 'const waitMs = true ? 0 : isFinal(state.outcome)',
  },
  {
    invariant: 'Fenced',
    title: 'takes the lease without waiting until it expires',
    file: 'src/modules/kube/lease.ts',
    search: "if (holder !== '' && holder !== this.identity && !this.#isExpired(lease)) return;",
    replace: "if (holder === 'nobody') return;",
    replicas: 2,
  },
  {
    invariant: 'Conserved',
    title: 'lets deleted results go without keeping their numbers',
    file: 'src/modules/runs/datapath-run.reconciler.ts',
    search: 'mergeArchives(run.archive, archiveOf(batch.states))',
    replace: 'run.archive',
  },
  {
    invariant: 'Honest',
    title: 'takes the deadline for seconds, and calls pending Pods failed',
    file: 'src/modules/results/datapath-result.reconciler.ts',
    search: 'toEpochMs(state.createdAt) + this.settings.deadlineMs -',
    replace: 'toEpochMs(state.createdAt) + this.settings.deadlineMs / 1000 -',
  },
  {
    invariant: 'Bounded',
    title: 'asks the API server for each open Pod ten times a second, instead of its cache',
    file: 'src/modules/results/datapath-result.reconciler.ts',
    search: '      if (pod === undefined) return this.#followUnwatched(state, stored, request);',
    replace:
      '      if (pod === undefined) return this.#followUnwatched(state, stored, request);\n' +
      '      const { namespace, name } = state;\n' +
      '      if (stored !== undefined) return this.client.get<KubeObject>(PODS, { namespace, name }).then(() => ({ requeueAfterMs: 100 }));',
  },
];
