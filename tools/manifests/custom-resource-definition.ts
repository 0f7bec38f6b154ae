/** Makes a CustomResourceDefinition from the zod schemas of its spec and status. */
import type { z } from 'zod';
import { structuralSchema } from './structural-schema.js';

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** 1 shows the column only with `-o wide`. */
  readonly priority?: 1;
}

export interface CustomResource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  /** Paths that a field selector may name; at most eight. */
  readonly selectableFields: readonly string[];
  /** CEL rules over the whole object; of the metadata they see only name and generateName. */
  readonly rules?: readonly { readonly rule: string; readonly message: string }[];
}

export function customResourceDefinition(resource: CustomResource): object {
  const { kind, plural, singular, shortNames, categories } = resource;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${resource.group}` },
    spec: {
      group: resource.group,
      names: { kind, listKind: `${kind}List`, plural, singular, shortNames, categories },
      scope: resource.scope,
      versions: [
        {
          name: resource.version,
          served: true,
          storage: true,
          additionalPrinterColumns: resource.columns,
          selectableFields: resource.selectableFields.map((jsonPath) => ({ jsonPath })),
          schema: {
            openAPIV3Schema: {
              description: resource.description,
              type: 'object',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: structuralSchema(resource.spec),
                status: structuralSchema(resource.status),
              },
              ...(resource.rules === undefined ? {} : { 'x-kubernetes-validations': resource.rules }),
            },
          },
          subresources: { status: {} },
        },
      ],
    },
  };
}
