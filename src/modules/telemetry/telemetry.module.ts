import { Inject, Module } from '@nestjs/common';
import type { DynamicModule, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { collectDefaultMetrics, Gauge, register, Registry } from 'prom-client';
import type { Subscription } from 'rxjs';
import { ApiModule } from '../api/api.module.js';
import { ReadModel } from '../api/read-model.js';
import { StreamHub } from '../api/stream-hub.service.js';
import { systemClock } from '../kube/clock.js';
import { ApiMetrics, NO_ROUTE } from './api-metrics.js';
import { DatapathMetrics } from './datapath-metrics.js';
import type { MetricsLabel } from '../../settings/settings.js';
import { MetricsController } from './metrics.controller.js';

export interface TelemetryModuleOptions {
  /** Where metrics are registered. Default: prom-client's own, as for the operator engine. */
  readonly registry?: Registry;
  /** Of this program, for `datapath_build_info`. */
  readonly version: string;
  /** What histograms are divided by, beside namespaces. Default: nothing. */
  readonly extraLabels?: readonly MetricsLabel[];
}

const OPTIONS = Symbol('TELEMETRY_MODULE_OPTIONS');

/** Prometheus: `/metrics`, what is measured of Pods, and of the API itself. */
@Module({})
export class TelemetryModule implements OnModuleInit, OnModuleDestroy {
  #subscription: Subscription | undefined;

  constructor(
    private readonly registry: Registry,
    @Inject(OPTIONS) private readonly options: TelemetryModuleOptions,
    private readonly model: ReadModel,
    private readonly streams: StreamHub,
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
  ) {}

  static forRoot(options: TelemetryModuleOptions): DynamicModule {
    return {
      module: TelemetryModule,
      imports: [ApiModule],
      controllers: [MetricsController],
      providers: [
        { provide: OPTIONS, useValue: options },
        { provide: Registry, useValue: options.registry ?? register },
      ],
    };
  }

  onModuleInit(): void {
    const { registry, model, streams } = this;
    registerBuildInfo(registry, this.options.version);
    collectDefaultMetrics({ register: registry });
    const datapath = new DatapathMetrics(registry, {
      table: model.index.table,
      synced: () => model.synced,
      newestRuns: (limit) => model.newestRuns(limit),
      epochMs: () => systemClock.epochMs(),
      extraLabels: this.options.extraLabels ?? [],
    });
    this.#subscription = model.index.changes.subscribe((change) => {
      datapath.onChange(change);
    });
    const api = new ApiMetrics(registry, () => streams.size);
    this.adapterHost.httpAdapter.getInstance().addHook('onResponse', (request, reply, done) => {
      api.answered(request.routeOptions.url ?? NO_ROUTE, request.method, reply.statusCode, reply.elapsedTime);
      done();
    });
  }

  onModuleDestroy(): void {
    this.#subscription?.unsubscribe();
  }
}

export function registerBuildInfo(registry: Registry, version: string): void {
  new Gauge({
    name: 'datapath_build_info',
    help: 'Always 1; the labels name the program',
    labelNames: ['version', 'runtime'],
    registers: [registry],
  }).set({ version, runtime: process.version }, 1);
}
