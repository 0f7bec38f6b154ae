/** The parameters that calls share, each with its rule, so that it means the same everywhere. */
import { z } from 'zod';
import { parseInstant, toEpochMs } from '../../datapath/instant.js';
import { OUTCOMES } from '../../datapath/vocabulary.js';
import { parseSelector, SelectorSyntaxError } from '../../statistics/label-selector.js';
import type { LabelSelector } from '../../statistics/label-selector.js';
import { checkLabelKey } from '../../statistics/label-syntax.js';
import { QUANTILE_METHODS } from '../../statistics/quantile.js';
import type { GroupKey } from '../../statistics/result-grouping.js';

const MAX_LIST = 100;
const MAX_SELECTOR = 4096;
const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_VALUE = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** A parameter that may be repeated; an empty one counts as not given, as in the calls of kubectl. */
export function repeatable<T extends z.ZodType>(member: T, dropEmpty: boolean): z.ZodType<z.output<T>[] | undefined> {
  return z.preprocess(
    (value) => {
      if (value === undefined) return undefined;
      const list = (Array.isArray(value) ? value : [value]) as unknown[];
      const kept = dropEmpty ? list.filter((each) => each !== '') : list;
      return kept.length === 0 ? undefined : kept;
    },
    z
      .array(member)
      .max(MAX_LIST, `is given more than ${String(MAX_LIST)} times`)
      .optional(),
  ) as z.ZodType<z.output<T>[] | undefined>;
}

/** A whole number in decimal digits, once. */
export function wholeNumber(min: number, max: number, fallback: number): z.ZodType<number> {
  return z.preprocess(readDigits, digits(min, max).default(fallback)) as z.ZodType<number>;
}

export function optionalWholeNumber(min: number, max: number): z.ZodType<number | undefined> {
  return z.preprocess(readDigits, digits(min, max).optional()) as z.ZodType<number | undefined>;
}

function digits(min: number, max: number): z.ZodInt {
  const rule = `must be given once, as a whole number from ${String(min)} to ${String(max)}`;
  return z.int(rule).min(min, rule).max(max, rule);
}

function readDigits(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}

const namespace = repeatable(
  z
    .string()
    .max(63)
    .regex(DNS_LABEL, 'must be the name of a namespace: lower-case letters, digits and "-", at most 63'),
  true,
).describe('Only results of this namespace; may be repeated. Left out or empty: all that the caller may see');

const labelSelector = z
  .string('must be given once')
  .max(MAX_SELECTOR, `has more than ${String(MAX_SELECTOR)} characters`)
  .transform((text, context): LabelSelector => {
    try {
      return parseSelector(text);
    } catch (error) {
      if (!(error instanceof SelectorSyntaxError)) throw error;
      context.addIssue({ code: 'custom', message: `is no label selector: ${error.message}` });
      return z.NEVER;
    }
  })
  .prefault('')
  .describe(
    'Only results whose Pod has these labels: the grammar of kubectl get -l, such as app=web,tier in (a,b),!canary',
  );

const INSTANT_RULE =
  'must be given once, as an RFC 3339 date-time such as 2026-01-31T12:00:00Z, or as the time back from now such as 15m or 1h30m';
const DURATION = /^(?=.)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,3})?)s)?$/;

/** An instant, or how long ago. */
export type When = { readonly epochMs: number } | { readonly agoMs: number };

const when = z
  .string(INSTANT_RULE)
  .max(64, INSTANT_RULE)
  .transform((text, context): When => {
    const instant = parseInstant(text);
    if (instant !== undefined) return { epochMs: toEpochMs(instant) };
    const match = DURATION.exec(text);
    if (match !== null) {
      const [, hours = '0', minutes = '0', seconds = '0'] = match;
      return { agoMs: Math.round(Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000) };
    }
    context.addIssue({ code: 'custom', message: INSTANT_RULE });
    return z.NEVER;
  })
  .optional();

export function epochMsOf(value: When | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  return 'epochMs' in value ? value.epochMs : nowMs - value.agoMs;
}

const OUTCOME_RULE = `must be one of ${OUTCOMES.join(', ')}`;

/** Which results a call is about. */
export const filterParameters = {
  namespace,
  labelSelector,
  run: repeatable(
    z.string().regex(LABEL_VALUE, 'must be the name of a run: letters, digits, "-", "_" and "."'),
    false,
  ).describe('Only results of this run; may be repeated'),
  node: repeatable(
    z.string().max(253).regex(DNS_SUBDOMAIN, 'must be the name of a node: lower-case letters, digits, "-" and "."'),
    false,
  ).describe('Only results of Pods on this node; may be repeated'),
  outcome: repeatable(z.enum(OUTCOMES, OUTCOME_RULE), false).describe(
    'Only results with this outcome; may be repeated',
  ),
  since: when.describe('Only results of Pods created at or after this: a date-time, or the time back from now'),
  until: when.describe('Only results of Pods created before this: a date-time, or the time back from now'),
} as const;

export const topN = wholeNumber(0, 1000, 10).describe('How many Pods each list names at most');

const METHOD_RULE = `must be one of ${QUANTILE_METHODS.join(', ')}`;
export const method = z
  .enum(QUANTILE_METHODS, METHOD_RULE)
  .default('nearest-rank')
  .describe(
    'The rule of percentiles: nearest-rank as Kubernetes does, linear as NumPy does, legacy as the first controller did',
  );

const GROUPS: readonly string[] = ['node', 'namespace', 'owner', 'run', 'zone', 'failureClass'];
const GROUP_RULE = `must be ${GROUPS.join(', ')} or label:<key>`;
export const groupBy = z
  .string(GROUP_RULE)
  .max(330, GROUP_RULE)
  .transform((text, context): GroupKey => {
    if (GROUPS.includes(text)) return text as GroupKey;
    const key = text.startsWith('label:') ? text.slice('label:'.length) : undefined;
    const wrong = key === undefined ? GROUP_RULE : checkLabelKey(key);
    if (wrong === undefined) return text as GroupKey;
    context.addIssue({ code: 'custom', message: key === undefined ? wrong : `names no valid label: ${wrong}` });
    return z.NEVER;
  })
  .optional()
  .describe(`One statistic per group besides the whole: ${GROUPS.join(', ')} or label:<key>`);

const QUANTILES = /^ *(?:0?\.\d{1,6}|0|1(?:\.0{1,6})?) *(?:, *(?:0?\.\d{1,6}|0|1(?:\.0{1,6})?) *){0,19}$/;
const QUANTILE_RULE = 'must be at most 20 numbers from 0 to 1, separated by commas, such as 0.5,0.95,0.999';
export const quantiles = z
  .string(QUANTILE_RULE)
  .regex(QUANTILES, QUANTILE_RULE)
  .transform((text): number[] => {
    return [...new Set(text.split(',').map(Number))];
  })
  .optional()
  .describe('Further quantiles, answered in `quantiles`: numbers from 0 to 1 separated by commas');
