/** The parameters and the events of /stream. */
import { z } from 'zod';
import { filterParameters } from './query-parameters.js';
import { ResultRecord } from './result-record.schema.js';
import { dateTime } from './statistic.schema.js';

export const StreamQuery = z.strictObject({
  namespace: filterParameters.namespace,
  labelSelector: filterParameters.labelSelector,
  run: filterParameters.run,
  node: filterParameters.node,
  lastEventId: z
    .string('must be given once')
    .max(64, 'must be the id of an event')
    .optional()
    .describe('The same as the header Last-Event-ID, for the first connection of an EventSource: from /results'),
});
export type StreamQuery = z.output<typeof StreamQuery>;

const count = z.int().min(0);
const nullableMs = z.number().nullable();

/** Data of the event `results`. */
export const StreamResults = z
  .object({
    changed: z.array(ResultRecord),
    removed: z
      .array(z.object({ namespace: z.string(), name: z.string(), uid: z.string() }))
      .describe('Gone, or not matching any more'),
  })
  .meta({ id: 'StreamResults' });

/** Data of the event `summary`. */
export const StreamSummary = z
  .object({
    total: count,
    outcomes: z.record(z.string(), count),
    metrics: z.record(
      z.string(),
      z.object({ count, p50: nullableMs, p90: nullableMs, p99: nullableMs, max: nullableMs }),
    ),
    listeners: count.describe('How many listen to this replica'),
    synced: z.boolean(),
    generatedAt: dateTime,
  })
  .meta({ id: 'StreamSummary' });
export type StreamSummary = z.output<typeof StreamSummary>;
