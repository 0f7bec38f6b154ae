/**
 * The DatapathResult custom resource: the durable record of one Pod's measurement. This schema is the only source of the
 * CustomResourceDefinition (`make manifests`) and of the types.
 *
 * The API server itself holds two promises by it, whoever writes: what was measured first stands (`FirstWins`), and the outcome
 * moves only along its graph (`Legal`).
 */
import { z } from 'zod';
import {
  CREATION_SOURCES,
  FAILURE_CLASSES,
  MILESTONE_NAMES,
  OUTCOMES,
  PROBE_ERROR_KINDS,
} from '../../datapath/vocabulary.js';
import type { KubeObject } from '../kube/resource.js';
import {
  atomicList,
  atomicObject,
  condition,
  count,
  instant,
  mapListBy,
  milliseconds,
  neverChanges,
  oneOf,
  rules,
  signedMilliseconds,
  text,
} from './resource-fields.js';

const MILESTONE_SOURCES = [
  'WatchReceipt',
  'CreationTimestamp',
  'Condition',
  'Annotation',
  'TerminationMessage',
  'LegacyAnnotation',
] as const;

export const datapathResultSpec = z
  .object({
    podRef: z
      .object({
        namespace: text(63, 'Namespace of the Pod.', 1),
        name: text(253, 'Name of the Pod.', 1),
        uid: text(128, 'UID of the Pod.', 1),
      })
      .meta({ description: 'The Pod that was measured.', ...atomicObject }),
    owner: z
      .object({
        kind: text(253, 'Kind of the owner, such as ReplicaSet.', 1),
        name: text(253, 'Name of the owner.', 1),
      })
      .exactOptional()
      .meta({ description: 'The controller that owns the Pod.', ...atomicObject }),
    createdAt: instant('When the Pod was created, as exactly as it is known: see creationSource.'),
    creationSource: oneOf(
      CREATION_SOURCES,
      'WatchReceipt: the creation was seen live. CreationTimestamp: only the whole second is known.',
    ),
    runName: text(253, 'The run that the Pod belongs to.', 1),
  })
  .meta({
    description: 'Identity of the measurement: written once, never changed.',
    ...atomicObject,
    ...rules({ rule: 'self == oldSelf', message: 'spec is immutable' }),
  });

const milestone = z.object({
  name: oneOf(MILESTONE_NAMES, 'The step.'),
  at: instant('When it was taken.'),
  source: oneOf(
    MILESTONE_SOURCES,
    'Where the instant was read; without it, in a condition of the Pod.',
  ).exactOptional(),
  resolutionMs: milliseconds(
    'The step was taken within this many milliseconds after `at` (before it, for a WatchReceipt); without it, 1000 for a condition or a creationTimestamp, else 0.',
  ).exactOptional(),
});

const probe = z.object({
  target: text(512, 'What was probed; several targets are separated by commas.').exactOptional(),
  attempts: count('Attempts that were begun, over all targets.').exactOptional(),
  lastError: z
    .object({
      kind: oneOf(PROBE_ERROR_KINDS, 'Kind of the error.'),
      message: text(512, 'The error in words.'),
    })
    .exactOptional()
    .meta({ description: 'Why the last failed attempt failed.' }),
  dnsMs: count('Milliseconds of the successful attempt that its name look-up took.').exactOptional(),
  connectMs: count('Milliseconds of the successful attempt that its connection took.').exactOptional(),
  tlsMs: count('Milliseconds of the successful attempt that its TLS handshake took.').exactOptional(),
  firstByteMs: count('Milliseconds of the successful attempt until the first byte of the answer.').exactOptional(),
});

export const datapathResultStatus = z
  .object({
    conditions: z
      .array(condition)
      .max(8)
      .exactOptional()
      .meta({ description: 'Started, DatapathReady and Complete.', ...mapListBy('type') }),
    outcome: oneOf(OUTCOMES, 'How the measurement stands. Pending and Started are open; pending is not failed.'),
    nodeName: text(253, 'Node that the Pod was bound to.').exactOptional(),
    startedAt: instant('When the workload started: the start of the reporter process.').exactOptional(),
    datapathReadyAt: instant('First successful probe.').exactOptional(),
    timeToStartMs: signedMilliseconds(
      'Milliseconds from created to started; negative where the node clock is behind.',
    ).exactOptional(),
    timeToDatapathReadyMs: signedMilliseconds(
      'Milliseconds from created to the first successful probe; negative where the node clock is behind.',
    ).exactOptional(),
    datapathDelayMs: signedMilliseconds(
      'Milliseconds from started to the first successful probe, by one monotonic clock where the reporter says so.',
    ).exactOptional(),
    milestones: z
      .array(milestone)
      .max(16)
      .exactOptional()
      .meta({
        description:
          "The dated steps of the Pod's life that no other field tells (createdAt, startedAt, datapathReadyAt).",
        ...atomicList,
      }),
    probe: probe.exactOptional().meta({ description: 'What the reporter tried.', ...atomicObject }),
    failure: z
      .object({
        class: oneOf(FAILURE_CLASSES, 'The cause.'),
        message: text(1024, 'The evidence.'),
      })
      .exactOptional()
      .meta({ description: 'Why the Pod has no datapath readiness.', ...atomicObject }),
    uncertaintyMs: milliseconds('By how much the creation instant may be off, milliseconds.').exactOptional(),
    clockSkew: z
      .object({
        behindMs: milliseconds('The clock of the node is behind by at least this, milliseconds.').exactOptional(),
        aheadMs: milliseconds('The clock of the node is ahead by at least this, milliseconds.').exactOptional(),
      })
      .exactOptional()
      .meta({ description: "By how much the node's clock is off at least.", ...atomicObject }),
    restarts: count('How often the reporter was started again.').exactOptional(),
    podDeletedAt: instant('When the Pod was deleted.').exactOptional(),
    observedGeneration: z
      .int()
      .min(0)
      .exactOptional()
      .meta({ description: 'The metadata.generation that the status was made from.', format: 'int64' }),
  })
  .meta({
    description: 'What was measured.',
    // Written as a whole, by one controller. Who owns each field of it would be half of what the API server keeps of a result.
    ...atomicObject,
    ...rules(neverChanges('startedAt'), neverChanges('datapathReadyAt'), {
      rule:
        "self.outcome == oldSelf.outcome || oldSelf.outcome == 'Pending' || " +
        "(oldSelf.outcome == 'Started' && self.outcome != 'Pending') || " +
        "(oldSelf.outcome == 'Failed' && self.outcome == 'Ready')",
      message: 'the outcome never moves back: Pending, Started, then Ready, Failed or Aborted; Failed may become Ready',
    }),
  });

export type DatapathResultSpec = z.infer<typeof datapathResultSpec>;
export type DatapathResultStatus = z.infer<typeof datapathResultStatus>;

export interface DatapathResult extends KubeObject {
  readonly spec: DatapathResultSpec;
  readonly status?: DatapathResultStatus;
}
