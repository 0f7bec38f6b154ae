import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { hostname } from 'node:os';
import { register } from 'prom-client';
import { randomBytes } from 'node:crypto';
import { ApiModule } from './modules/api/api.module.js';
import { HealthModule } from './modules/health/health.module.js';
import { KubeModule } from './modules/kube/kube.module.js';
import { OperatorModule } from './modules/operator/index.js';
import { ReadinessGateModule } from './modules/results/readiness-gate.module.js';
import { ResultsModule } from './modules/results/results.module.js';
import { RunsModule } from './modules/runs/runs.module.js';
import { PrometheusKubeMetrics } from './modules/telemetry/prometheus-kube-metrics.js';
import { TelemetryModule } from './modules/telemetry/telemetry.module.js';
import { SettingsModule } from './settings/settings.module.js';
import type { Settings } from './settings/settings.js';
import { VERSION } from './version.js';

/** The name of the controller's Lease. */
export const LEASE_NAME = 'datapath-controller';

/** The whole controller. */
@Module({})
export class AppModule {
  /** @param onFatal called when the engine can't start: a right is missing, or the caches don't fill in two minutes */
  static forRoot(settings: Settings, onFatal: (error: Error) => void): DynamicModule {
    return {
      module: AppModule,
      imports: [
        SettingsModule.forRoot(settings),
        KubeModule.forRoot({
          metrics: new PrometheusKubeMetrics(register),
          ...(settings.kubeconfig === undefined ? {} : { kubeconfig: settings.kubeconfig }),
        }),
        OperatorModule.forRoot({
          // Its pages know callers of this machine alone, and no tokens.
          debugEndpoint: settings.apiAuth !== 'strict',
          onFatal,
          ...(settings.leaderElect
            ? {
                leaderElection: {
                  namespace: settings.leaderElectionNamespace,
                  name: LEASE_NAME,
                  // The process id tells replicas on one host apart; the rest survives its reuse.
                  identity: `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`,
                },
              }
            : {}),
        }),
        ResultsModule,
        // A right that isn't used isn't asked for.
        ...(settings.readinessGates ? [ReadinessGateModule] : []),
        RunsModule,
        ApiModule,
        HealthModule,
        TelemetryModule.forRoot({ version: VERSION, extraLabels: settings.metricsLabels }),
      ],
    };
  }
}
