/** The OpenAPI 3.1 document, made from the schemas that the server checks with. Pure. */
import { z } from 'zod';
import { answerExample } from './answer-examples.js';
import { API_OPERATIONS } from './operations.js';
import type { ApiOperation } from './operations.js';
import { PROBLEM_TYPE, ProblemDocument, PROBLEMS } from './problem.js';
import type { ProblemName } from './problem.js';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = Record<string, Json>;

/** The version of the API, by semantic versioning: a field more is a minor one. */
export const API_VERSION = '1.0.0';

/** How long a caller is asked to wait, by problem. */
const RETRY: readonly ProblemName[] = ['too-many-requests', 'not-ready', 'unavailable'];

/** The document as text, with a line break at its end: what /openapi.json answers and docs/openapi.json holds. */
export function openApiText(operations: readonly ApiOperation[] = API_OPERATIONS): string {
  return `${JSON.stringify(openApiDocument(operations), null, 2)}\n`;
}

export function openApiDocument(operations: readonly ApiOperation[] = API_OPERATIONS): JsonObject {
  const schemas: JsonObject = {};
  const problems = [...new Set(operations.flatMap((operation) => operation.problems))].toSorted(
    (a, b) => PROBLEMS[a].status - PROBLEMS[b].status,
  );
  const paths: JsonObject = {};
  for (const operation of operations) paths[operation.path] = { get: operationObject(operation, schemas) };
  schemaObject(ProblemDocument, schemas);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Pod Datapath Readiness',
      version: API_VERSION,
      summary: 'How long Pods take until their workload starts and their network works',
      description:
        'All durations are whole milliseconds, all instants RFC 3339. Percentiles are exact. An unknown parameter is an error, ' +
        'because a filter that is dropped shows the wrong Pods.',
      license: { name: 'Apache License 2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'Where this document came from' }],
    security: [{ bearer: [] }, {}],
    tags: [
      { name: 'Statistics', description: 'One number of many Pods' },
      { name: 'Results', description: 'One record per Pod' },
      { name: 'Pods', description: 'Pods as they are now' },
      { name: 'Runs', description: 'Experiments and their verdicts' },
    ],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A Kubernetes token that may list datapathresults in the namespaces asked for. None is needed through kubectl port-forward.',
        },
      },
      responses: Object.fromEntries(problems.map((name) => [name, problemResponse(name)])),
      schemas: Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

function operationObject(operation: ApiOperation, schemas: JsonObject): JsonObject {
  const content = Object.entries(operation.answers).map(([mediaType, answer]): [string, JsonObject] => {
    const schema =
      typeof answer === 'string' ? textSchema(mediaType, answer, operation, schemas) : schemaObject(answer, schemas);
    const example = answerExample(operation.id, mediaType);
    return [mediaType, { schema, ...(example === undefined ? {} : { example }) }];
  });
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    description: operation.description,
    parameters: [...pathParameters(operation, schemas), ...queryParameters(operation, schemas)],
    responses: {
      '200': {
        description: operation.summary,
        ...(operation.id === 'streamResults' ? {} : { headers: answerHeaders(operation) }),
        content: Object.fromEntries(content),
      },
      ...(operation.id === 'streamResults'
        ? {}
        : { '304': { description: 'The answer is still that of If-None-Match' } }),
      ...problemResponses(operation.problems),
    },
  };
}

/** A text, and the schema of the JSON in it where there is some (JSON Schema, validation, section 8.5). */
function textSchema(
  mediaType: string,
  description: string,
  { schemas: inside = [] }: ApiOperation,
  components: JsonObject,
): JsonObject {
  const refs = mediaType === 'text/csv' ? [] : inside.map((schema) => schemaObject(schema, components));
  const [first] = refs;
  return {
    type: 'string',
    description,
    ...(first === undefined
      ? {}
      : { contentMediaType: mediaType, contentSchema: refs.length === 1 ? first : { anyOf: refs } }),
  };
}

function answerHeaders(operation: ApiOperation): JsonObject {
  const headers: JsonObject = {
    ETag: { description: 'Changes with the content, for If-None-Match', schema: { type: 'string' } },
  };
  if (operation.id === 'listResults') {
    headers['Link'] = { description: 'The next page, as rel="next"', schema: { type: 'string' } };
  }
  return headers;
}

function pathParameters({ pathParameters: parameters = {} }: ApiOperation, schemas: JsonObject): JsonObject[] {
  return Object.entries(parameters).map(([name, { schema, description, example }]) => ({
    name,
    in: 'path',
    required: true,
    description,
    schema: schemaObject(schema, schemas, 'input'),
    example,
  }));
}

function queryParameters({ query, example }: ApiOperation, schemas: JsonObject): JsonObject[] {
  return Object.entries(query?.shape ?? {}).map(([name, field]) => {
    const { description = '', ...schema } = schemaObject(field as z.ZodType, schemas, 'input') as JsonObject;
    const value = example[name];
    const typed: Json | undefined =
      schema['type'] === 'integer' ? Number(value) : schema['type'] === 'array' ? [value ?? ''] : value;
    return {
      name,
      in: 'query',
      required: !z.safeParse(field as z.ZodType, undefined).success,
      description,
      ...(schema['type'] === 'array' ? { style: 'form', explode: true } : {}),
      schema,
      ...(value === undefined || typed === undefined ? {} : { example: typed }),
    };
  });
}

/** Problems of one status share one entry. */
function problemResponses(names: readonly ProblemName[]): JsonObject {
  return Object.fromEntries(
    names.map((name) => [String(PROBLEMS[name].status), { $ref: `#/components/responses/${name}` }]),
  );
}

function problemResponse(name: ProblemName): JsonObject {
  const { status, title } = PROBLEMS[name];
  const headers: JsonObject = {};
  if (RETRY.includes(name)) {
    headers['Retry-After'] = { description: 'Seconds to wait', schema: { type: 'integer', minimum: 0 } };
  }
  if (name === 'unauthorized') {
    headers['WWW-Authenticate'] = { description: 'The scheme that is expected', schema: { type: 'string' } };
  }
  return {
    description: title,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    content: {
      [PROBLEM_TYPE]: {
        schema: { $ref: '#/components/schemas/Problem' },
        example: { type: `/problems/${name}`, title, status, detail: 'What went wrong this time, and what to do' },
      },
    },
  };
}

/** The JSON Schema of a schema; those with a name are put among the components and referred to. */
function schemaObject(schema: z.ZodType, components: JsonObject, io: 'input' | 'output' = 'output'): JsonObject {
  const {
    $schema: _,
    $defs = {},
    ...root
  } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonObject & {
    $defs?: JsonObject;
  };
  for (const [name, definition] of Object.entries($defs)) components[name] = tidy(definition);
  const { id } = root;
  if (typeof id !== 'string') return tidy(root) as JsonObject;
  components[id] = tidy(root);
  return { $ref: `#/components/schemas/${id}` };
}

/** References to the components, no marks of the generator, no ban on fields that a later version may add. */
function tidy(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(tidy);
  if (typeof value !== 'object' || value === null) return value;
  const tidied: JsonObject = {};
  for (const [key, each] of Object.entries(nullable(value as JsonObject))) {
    if (key === 'id' && typeof each === 'string') continue;
    if (key === 'additionalProperties' && each === false) continue;
    if (key === '$ref' && typeof each === 'string') tidied[key] = each.replace('#/$defs/', '#/components/schemas/');
    // The bounds of a safe integer are the generator's, not ours.
    else if ((key === 'minimum' || key === 'maximum') && Math.abs(Number(each)) === Number.MAX_SAFE_INTEGER) continue;
    else tidied[key] = tidy(each);
  }
  return tidied;
}

/** `anyOf: [{ type: X }, { type: null }]` is `type: [X, null]`. */
function nullable(schema: JsonObject): JsonObject {
  const { anyOf, ...rest } = schema;
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return schema;
  const [first, second] = anyOf as JsonObject[];
  if (first === undefined || typeof first['type'] !== 'string' || second?.['type'] !== 'null') return schema;
  const values = first['enum'];
  // A list of words refuses whatever it doesn't hold, also null.
  const words = Array.isArray(values) ? { enum: [...(values as readonly Json[]), null] } : {};
  return { ...first, type: [first['type'], 'null'], ...words, ...rest };
}
