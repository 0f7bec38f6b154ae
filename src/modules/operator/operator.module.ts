import { hostname } from 'node:os';
import {
  type DynamicModule,
  type FactoryProvider,
  Logger,
  Module,
  type ModuleMetadata,
  type Provider,
} from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { register, type Registry } from 'prom-client';
import { type Clock, isDelay, type Random, systemClock, systemRandom } from '../kube/clock.js';
import { EventLoopBudget } from '../kube/event-loop-budget.js';
import { KubeClient } from '../kube/kube-client.js';
import type { KubeMetrics } from '../kube/kube-metrics.js';
import { LogDigest } from '../kube/log-digest.js';
import type { StructuredLogger } from '../kube/logger.js';
import { LeaderElector, type LeaseSettings } from '../kube/lease.js';
import { Reflector } from '../kube/reflector.js';
import type { ReflectorSettings } from '../kube/reflector-settings.js';
import { DEFAULT_ENGINE_OPTIONS, EngineContext, type EngineOptions } from './engine-context.js';
import { OperatorDebugController } from './operator-debug.controller.js';
import { OperatorDebugService } from './operator-debug.service.js';
import { OperatorEngine } from './operator-engine.service.js';
import { OperatorStartError } from './operator-errors.js';
import { OperatorMetrics } from './operator-metrics.js';
import { indexToken, injectedIndexes, injectedStores, storeToken } from './operator.decorators.js';
import type { ReflectorFactory } from './ports.js';
import { WatchRegistry } from './watch-registry.js';

export interface OperatorModuleOptions extends Partial<EngineOptions> {
  /** Where metrics are registered. Default: prom-client's own. */
  readonly registry?: Registry | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly logger?: StructuredLogger | undefined;
  /** What the watches count. */
  readonly kubeMetrics?: KubeMetrics | undefined;
  /** Times of the election that differ from the defaults (15/10/2 s). */
  readonly lease?: Partial<LeaseSettings> | undefined;
  /** Settings of every watch that differ from the defaults. */
  readonly reflector?: Partial<ReflectorSettings> | undefined;
}

export interface OperatorModuleAsyncOptions {
  readonly imports?: ModuleMetadata['imports'];
  readonly inject?: FactoryProvider['inject'];
  /** Whether `GET /debug/operator/keys/{key}` is served, to callers on this machine only. Default false. */
  readonly debugEndpoint?: boolean | undefined;
  /** Called with what `inject` names. */
  readonly useFactory: (...injected: never[]) => OperatorModuleOptions | Promise<OperatorModuleOptions>;
}

const OPTIONS = Symbol('OPERATOR_MODULE_OPTIONS');

/**
 * The operator engine. Import it once, beside the modules whose providers are operators; it finds them by itself. Needs a `KubeClient`,
 * which `KubeModule.forRoot()` gives.
 */
@Module({})
export class OperatorModule {
  static forRoot(
    options: OperatorModuleOptions & Pick<OperatorModuleAsyncOptions, 'debugEndpoint'> = {},
  ): DynamicModule {
    return OperatorModule.forRootAsync({ useFactory: () => options, debugEndpoint: options.debugEndpoint });
  }

  static forRootAsync(options: OperatorModuleAsyncOptions): DynamicModule {
    return {
      module: OperatorModule,
      global: true,
      controllers: options.debugEndpoint === true ? [OperatorDebugController] : [],
      imports: [DiscoveryModule, ...(options.imports ?? [])],
      // Read when the application is put together: by then every class has said which stores it wants.
      get providers(): Provider[] {
        return [
          { provide: OPTIONS, inject: options.inject ?? [], useFactory: options.useFactory },
          { provide: EngineContext, inject: [OPTIONS, KubeClient], useFactory: makeContext },
          OperatorEngine,
          OperatorDebugService,
          ...injectedProviders(),
        ];
      },
      get exports(): NonNullable<DynamicModule['exports']> {
        return [
          OperatorEngine,
          OperatorDebugService,
          EngineContext,
          ...injectedProviders().map(({ provide }) => provide),
        ];
      },
    };
  }
}

function injectedProviders(): FactoryProvider[] {
  return [
    ...injectedStores().map((resource) => ({
      provide: storeToken(resource),
      inject: [EngineContext],
      useFactory: (context: EngineContext) => context.registry.store(resource),
    })),
    ...injectedIndexes().map((name) => ({
      provide: indexToken(name),
      inject: [EngineContext],
      useFactory: (context: EngineContext) => context.registry.index(name),
    })),
  ];
}

function makeContext(options: OperatorModuleOptions, client: KubeClient): EngineContext {
  for (const name of ['syncTimeoutMs', 'shutdownGraceMs', 'abortGraceMs'] as const) {
    const value = options[name];
    if (value !== undefined && !isDelay(value)) {
      throw new OperatorStartError(`the operator module's ${name} must be 0 or more ms, not ${value}`);
    }
  }
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const logger = options.logger ?? new Logger('Operator');
  const budget = new EventLoopBudget(clock);
  const metricsRegistry = options.registry ?? register;
  const reflectors: ReflectorFactory = ({ resource, project, namespace, labelSelector, fieldSelector }) =>
    new Reflector({
      client,
      type: resource,
      project,
      namespace,
      labelSelector,
      fieldSelector,
      clock,
      random,
      logger,
      metrics: options.kubeMetrics,
      budget,
      settings: options.reflector,
    });
  return new EngineContext({
    client,
    reflectors,
    registry: new WatchRegistry(reflectors, logger),
    clock,
    random,
    budget,
    logger,
    digest: new LogDigest(logger, clock),
    metrics: new OperatorMetrics(metricsRegistry, clock),
    metricsRegistry,
    elector: makeElector(options, { client, clock, random, logger }),
    instance: options.leaderElection?.identity ?? `${hostname()}-${process.pid}`,
    options: { ...DEFAULT_ENGINE_OPTIONS, ...withoutUndefined(options) },
  });
}

function makeElector(
  { leaderElection, lease }: OperatorModuleOptions,
  parts: {
    readonly client: KubeClient;
    readonly clock: Clock;
    readonly random: Random;
    readonly logger: StructuredLogger;
  },
): LeaderElector | undefined {
  if (leaderElection === undefined) return undefined;
  const { namespace, name, identity } = leaderElection;
  return new LeaderElector({ ...parts, lease: { namespace, name }, identity, settings: lease });
}

function withoutUndefined(options: OperatorModuleOptions): Partial<EngineOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
