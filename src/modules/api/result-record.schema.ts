/** One result as the API gives it. */
import { z } from 'zod';
import {
  CREATION_SOURCES,
  FAILURE_CLASSES,
  MILESTONE_NAMES,
  OUTCOMES,
  PROBE_ERROR_KINDS,
} from '../../datapath/vocabulary.js';
import { dateTime } from './statistic.schema.js';

const UID_RULE = 'must be the uid of a Pod: letters, digits, "-", "_" and "."';
export const PodUid = z
  .string(UID_RULE)
  .max(253, UID_RULE)
  .regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/, UID_RULE);

const milliseconds = z.int();
const count = z.int().min(0);

export const ResultRecord = z
  .object({
    namespace: z.string(),
    name: z.string().describe('The name of the Pod'),
    uid: z.string().describe('The uid of the Pod'),
    owner: z.object({ kind: z.string(), name: z.string() }).optional(),
    nodeName: z.string().optional(),
    run: z.string(),
    outcome: z.enum(OUTCOMES),
    createdAt: dateTime,
    creationSource: z
      .enum(CREATION_SOURCES)
      .describe('WatchReceipt: seen when it was created; CreationTimestamp: truncated to a second by Kubernetes'),
    startedAt: dateTime.optional(),
    datapathReadyAt: dateTime.optional(),
    timeToStartMs: milliseconds.nullable(),
    timeToDatapathReadyMs: milliseconds.nullable(),
    datapathDelayMs: milliseconds.nullable(),
    uncertaintyMs: count.describe(
      'By how much the two times since creation may be off: too large with CreationTimestamp, too small with WatchReceipt',
    ),
    failure: z.object({ class: z.enum(FAILURE_CLASSES), message: z.string() }).optional(),
    probe: z
      .object({
        target: z.string().optional(),
        attempts: count.optional(),
        lastError: z.object({ kind: z.enum(PROBE_ERROR_KINDS), message: z.string() }).optional(),
        dnsMs: milliseconds.optional(),
        connectMs: milliseconds.optional(),
        tlsMs: milliseconds.optional(),
        firstByteMs: milliseconds.optional(),
      })
      .optional(),
    clockSkew: z
      .object({ behindMs: milliseconds.optional(), aheadMs: milliseconds.optional() })
      .optional()
      .describe("By how much the node's clock is off at least"),
    restarts: z.int(),
    podDeletedAt: dateTime.optional(),
    labels: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Result' });
export type ResultRecord = z.output<typeof ResultRecord>;

export const TimelineStep = z
  .object({
    name: z.enum(MILESTONE_NAMES),
    at: dateTime,
    source: z.string().describe('Where the instant was read'),
    resolutionMs: count.describe(
      'The step lay within this many milliseconds after its instant; with the source WatchReceipt, before it',
    ),
    sinceCreatedMs: milliseconds,
    sincePreviousMs: milliseconds.nullable().describe('Since the step before it in time; null for the first'),
  })
  .meta({ id: 'TimelineStep' });

export const ResultDetail = ResultRecord.extend({
  timeline: z.array(TimelineStep).describe('The dated steps, in the order of time'),
  generatedAt: dateTime,
  synced: z.boolean(),
}).meta({ id: 'ResultDetail' });
export type ResultDetail = z.output<typeof ResultDetail>;
