/** The parameters and the answer of /results. */
import { z } from 'zod';
import { FAILURE_CLASSES } from '../../datapath/vocabulary.js';
import { filterParameters, optionalWholeNumber, repeatable } from './query-parameters.js';
import { ResultRecord } from './result-record.schema.js';
import { SORTS } from './result-order.js';
import type { Sort, SortKey } from './result-order.js';
import { dateTime } from './statistic.schema.js';

export const FORMATS = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
} as const;
export type Format = keyof typeof FORMATS;

const SORT_RULE = `must be given once, as one of ${SORTS.join(', ')}, with "-" in front for the largest first`;
const sort = z
  .enum([...SORTS, ...SORTS.map((by) => `-${by}` as const)], SORT_RULE)
  .default('createdAt')
  .transform((text): Sort => {
    const descending = text.startsWith('-');
    return { by: (descending ? text.slice(1) : text) as SortKey, descending };
  })
  .describe('createdAt, name, timeToStart, timeToDatapathReady or datapathDelay; with "-" in front the largest first');

const CURSOR_RULE = 'must be given once, as the cursor of an answer of this call';

export const ResultsQuery = z.strictObject({
  ...filterParameters,
  failureClass: repeatable(z.enum(FAILURE_CLASSES, `must be one of ${FAILURE_CLASSES.join(', ')}`), false).describe(
    'Only results that failed for this class of reasons; may be repeated',
  ),
  sort,
  limit: optionalWholeNumber(1, 1000).describe(
    'How many results come at most: 100 unless given; as NDJSON and CSV all come unless it is given',
  ),
  cursor: z
    .string(CURSOR_RULE)
    .min(1, CURSOR_RULE)
    .max(2048, CURSOR_RULE)
    .optional()
    .describe('The cursor of the page before, with the same other parameters'),
  format: z
    .enum(['json', 'ndjson', 'csv'], 'must be one of json, ndjson, csv')
    .optional()
    .describe('The media type, for who cannot send an Accept header'),
});
export type ResultsQuery = z.output<typeof ResultsQuery>;

export const ResultsAnswer = z
  .object({
    items: z.array(ResultRecord),
    total: z.int().min(0).describe('How many results match, on all pages'),
    cursor: z.string().nullable().describe('Give it back as "cursor" for the next page; null on the last'),
    lastEventId: z.string().describe('Where the stream goes on from what this answer shows'),
    generatedAt: dateTime,
    synced: z.boolean(),
  })
  .meta({ id: 'Results' });
export type ResultsAnswer = z.output<typeof ResultsAnswer>;
