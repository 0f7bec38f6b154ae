/** Results as a fuzzer makes them: every field, hostile values, few different words so that they collide. */
import fc from 'fast-check';
import type { ResultState } from '../../src/datapath/result-state.js';
import {
  CREATION_SOURCES,
  FAILURE_CLASSES,
  MILESTONE_NAMES,
  OUTCOMES,
  PROBE_ERROR_KINDS,
} from '../../src/datapath/vocabulary.js';

const NS_PER_MS = 1_000_000n;
const BASE = 1_770_000_000_000n * NS_PER_MS;

const instant = fc.oneof(
  { weight: 8, arbitrary: fc.bigInt({ min: BASE, max: BASE + 100_000n * NS_PER_MS }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0n, -1n, -5_000_000_000n, 4_102_444_800_000_000_000n, 253_402_300_799n * 10n ** 9n),
  },
);
const text = fc.oneof(fc.constantFrom('', 'a', 'connection refused'), fc.string({ unit: 'grapheme', maxLength: 20 }));
const small = fc.integer({ min: 0, max: 5000 });

export const labelKeys = ['app', 'tier', 'pod-index', 'example.com/role', 'topology.kubernetes.io/zone'] as const;
export const labelValues = ['', 'a', 'b', '1', '2', '10', '-5', '007', '99999999999999999999'] as const;
export const labels: fc.Arbitrary<Record<string, string>> = fc.dictionary(
  fc.constantFrom(...labelKeys),
  fc.constantFrom(...labelValues),
  { noNullPrototype: true },
);

function without<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const probe = fc
  .record({
    target: maybe(text),
    attempts: maybe(small),
    lastError: maybe(fc.record({ kind: fc.constantFrom(...PROBE_ERROR_KINDS), message: text })),
    phases: maybe(
      fc
        .record({ dnsMs: maybe(small), connectMs: maybe(small), tlsMs: maybe(small), firstByteMs: maybe(small) })
        .map(without),
    ),
  })
  .map(without);

const milestone = fc.record({
  name: fc.constantFrom(...MILESTONE_NAMES),
  at: instant,
  source: fc.constantFrom(
    'WatchReceipt',
    'CreationTimestamp',
    'Condition',
    'Annotation',
    'TerminationMessage',
    'LegacyAnnotation',
  ),
  resolutionMs: fc.constantFrom(0, 1, 1000, 1023, 5000),
});

/** A result with this uid. */
export function resultWithUid(uid: fc.Arbitrary<string>): fc.Arbitrary<ResultState> {
  return fc
    .record({
      namespace: fc.constantFrom('perf', 'other', 'third'),
      name: fc.constantFrom('a', 'b', 'c', 'web-0', 'web-1'),
      uid,
      ownerKind: maybe(fc.constantFrom('ReplicaSet', 'Job')),
      ownerName: maybe(fc.constantFrom('web', 'batch')),
      createdAt: instant,
      creationSource: fc.constantFrom(...CREATION_SOURCES),
      runName: fc.constantFrom('run-1', 'run-2'),
      labels,
      outcome: fc.constantFrom(...OUTCOMES),
      nodeName: maybe(fc.constantFrom('n1', 'n2')),
      startedAt: maybe(instant),
      datapathReadyAt: maybe(instant),
      datapathDelayMs: maybe(fc.oneof(small, fc.constantFrom(-3, 0, 2 ** 40))),
      milestones: fc.array(milestone, { maxLength: 8 }),
      probe: maybe(probe),
      failure: maybe(fc.record({ class: fc.constantFrom(...FAILURE_CLASSES), message: text })),
      uncertaintyMs: fc.constantFrom(0, 1000),
      clockSkew: maybe(fc.record({ behindMs: maybe(small), aheadMs: maybe(small) }).map(without)),
      restarts: fc.constantFrom(0, 1, 7, 2 ** 33),
      podDeletedAt: maybe(instant),
    })
    .map((state) => without(state) as ResultState);
}
