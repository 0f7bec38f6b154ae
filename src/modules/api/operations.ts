/** Every call of the API, as its documentation has it. The tests hold this list against the routes of the server. */
import { z } from 'zod';
import { PodHealthAnswer, PodHealthQuery } from './pod-health.schema.js';
import type { ProblemName } from './problem.js';
import { PodUid, ResultDetail, ResultRecord } from './result-record.schema.js';
import { ResultsAnswer, ResultsQuery } from './results.schema.js';
import { StatisticAnswer, StatisticQuery } from './statistic.schema.js';
import { EXPORT_FORMATS } from '../runs/export/formats.js';
import {
  ComparisonQuery,
  ExportQuery,
  RunComparison,
  RunDetail,
  RunName,
  RunsAnswer,
  RunsQuery,
} from '../runs/runs.schema.js';
import { StreamQuery, StreamResults, StreamSummary } from './stream.schema.js';

export interface ApiOperation {
  readonly id: string;
  /** With parameters in braces. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly pathParameters?: Readonly<
    Record<string, { readonly schema: z.ZodType; readonly description: string; readonly example: string }>
  >;
  readonly query?: z.ZodObject;
  /** Values of parameters that make a sensible question. */
  readonly example: Readonly<Record<string, string>>;
  /** Media types of the answer, and what is in it: a schema, or words for a text. */
  readonly answers: Readonly<Record<string, z.ZodType | string>>;
  /** Schemas of the JSON inside texts. */
  readonly schemas?: readonly z.ZodType[];
  readonly problems: readonly ProblemName[];
}

const COMMON = [
  'invalid-parameter',
  'unauthorized',
  'forbidden',
  'not-acceptable',
  'content-too-large',
  'unsupported-media-type',
  'uri-too-long',
  'too-many-requests',
  'header-too-large',
  'not-ready',
] as const satisfies readonly ProblemName[];

const RUN_NAME = { name: { schema: RunName, description: 'The name of the run', example: 'nightly-42' } };

function statistic(id: string, path: string, summary: string, description: string): ApiOperation {
  return {
    id,
    path,
    tag: 'Statistics',
    summary,
    description,
    query: StatisticQuery,
    example: { namespace: 'perf', labelSelector: 'app=web,tier in (a,b)', topN: '10' },
    answers: { 'application/json': StatisticAnswer },
    problems: COMMON,
  };
}

export const API_OPERATIONS: readonly ApiOperation[] = [
  statistic(
    'timeToStart',
    '/api/v1/time-to-start',
    'How long until the workloads started',
    'From the creation of the Pod to the start of the reporter process in it.',
  ),
  statistic(
    'timeToDatapathReady',
    '/api/v1/time-to-datapath-ready',
    'How long until the network really worked',
    'From the creation of the Pod to the first successful probe.',
  ),
  statistic(
    'datapathDelay',
    '/api/v1/datapath-delay',
    'How long the network kept started workloads waiting',
    'From the start of the reporter process to the first successful probe, by one monotonic clock.',
  ),
  {
    id: 'podHealth',
    path: '/api/v1/pod-health',
    tag: 'Pods',
    summary: 'How many Pods there should be, how many are well, and why the others are not',
    description:
      'From the Pods as they are now, and from what their owners want, so that a Pod that was never created counts.',
    query: PodHealthQuery,
    example: { namespace: 'perf', labelSelector: 'app=web', topN: '10' },
    answers: { 'application/json': PodHealthAnswer },
    problems: COMMON,
  },
  {
    id: 'listResults',
    path: '/api/v1/results',
    tag: 'Results',
    summary: 'The records themselves',
    description:
      'In pages as JSON; all at once, as a stream, as NDJSON (one record a line) or CSV (RFC 4180; a text that a spreadsheet ' +
      'would run as a formula has an apostrophe in front). A result that is there from the first page to the last comes exactly ' +
      'once, whatever is written meanwhile.',
    query: ResultsQuery,
    example: { namespace: 'perf', outcome: 'Failed', sort: '-createdAt', limit: '100' },
    answers: {
      'application/json': ResultsAnswer,
      'application/x-ndjson': 'One Result a line',
      'text/csv': 'A header, then one result a line',
    },
    schemas: [ResultRecord],
    problems: [...COMMON, 'cursor-expired'],
  },
  {
    id: 'getResult',
    path: '/api/v1/results/{uid}',
    tag: 'Results',
    summary: 'One record, with the timeline of its Pod',
    description: 'A result that the caller may not see is not found.',
    pathParameters: {
      uid: { schema: PodUid, description: 'The uid of the Pod', example: '0f1e2d3c-4b5a-4697-8877-665544332211' },
    },
    example: {},
    answers: { 'application/json': ResultDetail },
    problems: [...COMMON.filter((name) => name !== 'forbidden'), 'not-found'],
  },
  {
    id: 'streamResults',
    path: '/api/v1/stream',
    tag: 'Results',
    summary: 'Changes as they happen',
    description:
      'Server-Sent Events, at most four writes a second. Event `results` (StreamResults): the latest state of each result that ' +
      'changed; its id is a moment to go on from, by the header Last-Event-ID. Event `summary` (StreamSummary): counts and ' +
      'percentiles, at most once a second. Event `reset`: what came after the id is no longer known, so list again. A comment ' +
      'every 15 seconds while nothing happens; the connection ends after 30 minutes, or when the caller takes nothing in.',
    query: StreamQuery,
    example: { namespace: 'perf' },
    answers: { 'text/event-stream': 'Events' },
    schemas: [StreamResults, StreamSummary],
    problems: COMMON,
  },
  {
    id: 'listRuns',
    path: '/api/v1/runs',
    tag: 'Runs',
    summary: 'Every run, with its counts and verdict',
    description: 'For callers that may list datapathruns.',
    query: RunsQuery,
    example: {},
    answers: { 'application/json': RunsAnswer },
    problems: COMMON,
  },
  {
    id: 'getRun',
    path: '/api/v1/runs/{name}',
    tag: 'Runs',
    summary: 'One run: its verdict, statistics and failed Pods',
    description: 'Also of a run whose results, Pods and namespaces are gone; percentiles are then within 1 %.',
    pathParameters: RUN_NAME,
    example: {},
    answers: { 'application/json': RunDetail },
    problems: [...COMMON, 'not-found'],
  },
  {
    id: 'compareRuns',
    path: '/api/v1/runs/{name}/comparison',
    tag: 'Runs',
    summary: 'How a run differs from another',
    description:
      'Per statistic the difference, its confidence interval by bootstrap, and whether it exceeds the tolerance.',
    pathParameters: RUN_NAME,
    query: ComparisonQuery,
    example: { baseline: 'nightly-41', tolerance: '0.05' },
    answers: { 'application/json': RunComparison },
    problems: [...COMMON, 'not-found'],
  },
  {
    id: 'exportRun',
    path: '/api/v1/runs/{name}/export',
    tag: 'Runs',
    summary: 'A run as other tools read it',
    description: `Formats: ${EXPORT_FORMATS.join(', ')}.`,
    pathParameters: RUN_NAME,
    query: ExportQuery,
    example: { format: 'junit' },
    answers: {
      'application/json': z.union([
        z.object({ version: z.string(), dataItems: z.array(z.object({})), labels: z.record(z.string(), z.string()) }),
        z.array(z.object({ metricName: z.string() })),
      ]),
      'application/xml': 'JUnit: a test case per objective',
      'text/csv': 'A header, then one figure a line',
      'application/x-ndjson': 'One metric a line',
    },
    problems: [...COMMON, 'not-found'],
  },
];
