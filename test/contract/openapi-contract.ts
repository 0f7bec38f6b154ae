/** The description of the API as a judge: whether an answer is one that it promises. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { openApiDocument } from '../../src/modules/api/openapi.js';

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

interface MediaType {
  readonly schema: object;
  readonly example?: unknown;
}
interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, MediaType>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly schema: { readonly type?: string; readonly default?: unknown };
  readonly example?: unknown;
}
export interface DescribedOperation {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly responses: Readonly<Record<string, Response>>;
}
export interface Description {
  readonly paths: Readonly<Record<string, { readonly get: DescribedOperation }>>;
  readonly components: { readonly responses: Readonly<Record<string, Response>>; readonly schemas: object };
}

export class Contract {
  readonly description = openApiDocument() as unknown as Description;
  readonly #ajv: Ajv2020;
  readonly #validators = new Map<string, ValidateFunction>();

  constructor() {
    this.#ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
    this.#ajv.addSchema({ $id: 'openapi', components: { schemas: closed(this.description.components.schemas) } });
  }

  /** What is wrong with an answer to a call of the operation, in words; `undefined` when it is as described. */
  complaint(path: string, answer: Answer): string | undefined {
    const operation = this.description.paths[path]?.get;
    if (operation === undefined) return `${path} is not described`;
    if (answer.status >= 500 && answer.status !== 503) return `status ${String(answer.status)}`;
    const response = this.#resolve(operation.responses[String(answer.status)]);
    if (response === undefined) return `status ${String(answer.status)} is not described`;
    if (response.content === undefined) return answer.body === '' ? undefined : 'a body is not described';
    const mediaType = answer.contentType.split(';', 1)[0] as string;
    const content = response.content[mediaType];
    if (content === undefined) return `${mediaType} is not described for status ${String(answer.status)}`;
    if (!mediaType.endsWith('json') || mediaType.endsWith('ndjson')) return undefined;
    return this.#mismatch(content.schema, answer.body);
  }

  #mismatch(schema: object, body: string): string | undefined {
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch {
      return 'the body is not JSON';
    }
    const key = JSON.stringify(schema);
    const validate =
      this.#validators.get(key) ?? this.#ajv.compile(JSON.parse(key.replaceAll('"#/', '"openapi#/')) as object);
    this.#validators.set(key, validate);
    return validate(value) ? undefined : this.#ajv.errorsText(validate.errors);
  }

  #resolve(response: Response | undefined): Response | undefined {
    const name = response?.$ref?.split('/').at(-1);
    return name === undefined ? response : this.description.components.responses[name];
  }
}

/** Objects without fields that aren't described: what a reader may not rely on, the server shouldn't send. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, closed(value)] as const);
  const copy = Object.fromEntries(entries);
  return 'properties' in copy && !('additionalProperties' in copy) ? { ...copy, additionalProperties: false } : copy;
}
