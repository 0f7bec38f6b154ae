/**
 * Errors as problem documents (RFC 9457), `application/problem+json`. The type is a relative reference, so that it stays right
 * behind any address.
 */
import { HttpException } from '@nestjs/common';
import { z } from 'zod';

/** Every kind of problem: its status and its title, which never vary. */
export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request is malformed' },
  'invalid-parameter': { status: 400, title: 'A parameter has a value that is not allowed' },
  'unknown-parameter': { status: 400, title: 'A parameter is not known' },
  unauthorized: { status: 401, title: 'A valid bearer token is needed' },
  forbidden: { status: 403, title: 'The caller may not see this' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'method-not-allowed': { status: 405, title: 'This path does not answer that method' },
  'not-acceptable': { status: 406, title: 'No media type that is accepted can be given' },
  'request-timeout': { status: 408, title: 'The request did not arrive in time' },
  'cursor-expired': { status: 410, title: 'The cursor has expired' },
  'content-too-large': { status: 413, title: 'The body of the request is too large' },
  'uri-too-long': { status: 414, title: 'The address is too long' },
  'unsupported-media-type': { status: 415, title: 'The body of the request has a media type that is not read' },
  'too-many-requests': { status: 429, title: 'Too many requests at once' },
  'header-too-large': { status: 431, title: 'The header of the request is too large' },
  'internal-error': { status: 500, title: 'The server failed' },
  'not-ready': { status: 503, title: 'The server has not yet seen the whole cluster' },
  unavailable: { status: 503, title: 'The server cannot answer now' },
} as const satisfies Record<string, { status: number; title: string }>;
export type ProblemName = keyof typeof PROBLEMS;

export const ParameterError = z
  .object({
    parameter: z.string().describe('The name of the parameter, as it was sent'),
    detail: z.string().describe('What is wrong with it'),
    allowed: z.string().optional().describe('What is allowed'),
  })
  .meta({ id: 'ParameterError' });
export type ParameterError = z.infer<typeof ParameterError>;

export const ProblemDocument = z
  .object({
    type: z.string().describe('A relative reference that names the kind of problem').meta({ format: 'uri-reference' }),
    title: z.string().describe('The kind of problem in words, always the same for the type'),
    status: z.int().min(400).max(599).describe('The HTTP status'),
    detail: z.string().describe('What went wrong this time, and what to do'),
    errors: z.array(ParameterError).optional().describe('One entry per wrong parameter'),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457)' });
export type ProblemDocument = z.infer<typeof ProblemDocument>;

export const PROBLEM_TYPE = 'application/problem+json';

export interface ProblemExtras {
  readonly errors?: readonly ParameterError[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error that reaches the caller as it stands here: `detail` must not tell what the caller may not know. */
export class Problem extends HttpException {
  readonly document: ProblemDocument;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly kind: ProblemName,
    detail: string,
    { errors, headers = {}, cause }: ProblemExtras = {},
  ) {
    super(detail, PROBLEMS[kind].status, cause === undefined ? {} : { cause });
    this.headers = headers;
    this.document = {
      type: `/problems/${kind}`,
      title: PROBLEMS[kind].title,
      status: PROBLEMS[kind].status,
      detail,
      ...(errors === undefined ? {} : { errors: [...errors] }),
    };
  }
}

const BY_STATUS = new Map<number, ProblemName>(
  (Object.keys(PROBLEMS) as ProblemName[]).toReversed().map((name) => [PROBLEMS[name].status, name]),
);

/** The kind of problem that stands for a status of the server's own making. */
export function problemOfStatus(status: number): ProblemName {
  return BY_STATUS.get(status) ?? (status < 500 ? 'bad-request' : 'internal-error');
}
