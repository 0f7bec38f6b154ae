import { randomBytes } from 'node:crypto';
import type { INestApplicationContext, Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Registry } from 'prom-client';
import { isNotFound } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { KubeModule } from '../../src/modules/kube/kube.module.js';
import type { KubeObject, ResourceType } from '../../src/modules/kube/resource.js';
import { OperatorEngine, OperatorModule, type OperatorModuleOptions } from '../../src/modules/operator/index.js';
import { type Definition, isEstablished } from './definitions.js';
import { eventually } from './kube-fixtures.js';
import { WIDGETS } from './widgets.js';

export { type Widget, widget, WIDGETS } from './widgets.js';

const CRDS: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

interface Crd extends KubeObject, Definition {
  readonly spec: unknown;
}

/** Makes sure that the API server serves {@link WIDGETS}. */
export async function serveWidgets(client: KubeClient): Promise<void> {
  await serve(client, WIDGETS, { type: 'object', 'x-kubernetes-preserve-unknown-fields': true });
}

/** Makes sure that the API server serves a resource in the manner of {@link WIDGETS}, with this schema of its status. */
export async function serve(client: KubeClient, resource: ResourceType, status: object): Promise<void> {
  const name = `${resource.plural}.${resource.group}`;
  try {
    await client.get(CRDS, { namespace: '', name });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await client.create<Crd>(CRDS, definition(name, resource, status)).catch((conflict: unknown) => {
      // Another test file made it at the same moment.
      if (!(conflict instanceof Error && conflict.message.includes('already exists'))) throw conflict;
    });
  }
  await eventually(`${resource.plural} are served`, async () => {
    const crd = await client.get<Crd>(CRDS, { namespace: '', name });
    return isEstablished(crd);
  });
}

function definition(name: string, { group, version, plural, kind }: ResourceType, status: object): Crd {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, singular: kind.toLowerCase(), kind },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: { type: 'object', properties: { size: { type: 'integer' }, color: { type: 'string' } } },
                status,
              },
            },
          },
        },
      ],
    },
  };
}

export function randomName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`;
}

/** An application with the given operators, as a user would put it together. */
export interface RunningOperators {
  readonly app: INestApplicationContext;
  readonly engine: OperatorEngine;
  readonly registry: Registry;
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  stop(): Promise<void>;
}

export interface RunOptions extends OperatorModuleOptions {
  /** Whether to wait until the caches are filled. Default true. */
  readonly ready?: boolean;
  readonly kubeconfig?: string;
}

export async function runOperators(
  providers: readonly (Type | { provide: unknown; useValue: unknown })[],
  { ready = true, kubeconfig, ...options }: RunOptions = {},
): Promise<RunningOperators> {
  const registry = new Registry();
  class TestModule {}
  Module({
    imports: [
      KubeModule.forRoot(kubeconfig === undefined ? {} : { kubeconfig }),
      OperatorModule.forRoot({ registry, ...options }),
    ],
    providers: [...providers] as Type[],
  })(TestModule);
  const app = await NestFactory.createApplicationContext(TestModule, { logger: ['error'], abortOnError: false });
  const engine = app.get(OperatorEngine);
  if (ready) await engine.ready();
  return {
    app,
    engine,
    registry,
    metric: async (name, labels = {}) => {
      const metric = await registry.getSingleMetric(name)?.get();
      const found = metric?.values.find((entry) =>
        Object.entries(labels).every(([key, value]) => (entry.labels as Record<string, unknown>)[key] === value),
      );
      return found?.value ?? Number.NaN;
    },
    stop: () => app.close(),
  };
}
