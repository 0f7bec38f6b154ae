import { Injectable } from '@nestjs/common';
import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { parameterProblem } from './parameter-errors.js';

/**
 * Checks the parameters of a call against its schema (the `schema` option of Nest's decorators); what is wrong becomes a problem
 * document that says what is allowed. Nest's own pipe drops a parameter named `__proto__` before it looks; this one refuses it.
 */
@Injectable()
export class ParameterPipe implements PipeTransform<unknown, Promise<unknown>> {
  async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const { schema } = metadata;
    if (schema === undefined) return value;
    const result = await schema['~standard'].validate(value);
    if (result.issues === undefined) return result.value;
    const allowed = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    throw parameterProblem(result.issues, { allowed, name: metadata.data });
  }
}
