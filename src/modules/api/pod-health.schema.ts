/** The parameters and the answer of /pod-health: field names that existing consumers read, and what was added. */
import { z } from 'zod';
import { filterParameters, topN } from './query-parameters.js';
import { dateTime } from './statistic.schema.js';

export const PodHealthQuery = z.strictObject({
  namespace: filterParameters.namespace,
  labelSelector: filterParameters.labelSelector,
  node: filterParameters.node,
  topN,
});
export type PodHealthQuery = z.output<typeof PodHealthQuery>;

const count = z.int().min(0);

export const PodDetails = z
  .object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    nodeName: z.string().optional(),
    phase: z.string(),
    reason: z.string().optional().describe("Why, in Kubernetes' word: from the Pod, its conditions or its containers"),
    message: z.string().optional(),
  })
  .meta({ id: 'PodDetails' });
export type PodDetails = z.output<typeof PodDetails>;

export const PodHealthAnswer = z
  .object({
    namespace: z.string().describe('The namespaces asked for, separated by commas; empty for all'),
    labelSelector: z.string().describe('The label selector in canonical form'),
    desiredReplicas: count.describe('How many Pods their owners want, so that missing ones count'),
    runningPods: count.describe('Phase Running, not being deleted'),
    readyPods: count.describe('Running and ready'),
    pendingPods: count.describe('Phase Pending, not being deleted'),
    failedPods: count.describe('Phase Failed'),
    succeededPods: count.describe('Phase Succeeded'),
    terminatingPods: count.describe('Being deleted'),
    successPct: z
      .number()
      .min(0)
      .max(100)
      .describe('Ready and succeeded Pods of the desired ones, in percent; 0 where none is desired'),
    pendingPodList: z.array(PodDetails).describe('By namespace and name'),
    failedPodList: z.array(PodDetails).describe('By namespace and name'),
    notReadyPodList: z.array(PodDetails).describe('Running but not ready, by namespace and name'),
    warnings: z.array(z.string()),
    generatedAt: dateTime,
    synced: z.boolean(),
  })
  .meta({ id: 'PodHealth' });
export type PodHealthAnswer = z.output<typeof PodHealthAnswer>;
