import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { hostname } from 'node:os';
import { randomBytes } from 'node:crypto';
import { ApiModule } from './modules/api/api.module.js';
import { HealthModule } from './modules/health/health.module.js';
import { KubeModule } from './modules/kube/kube.module.js';
import { OperatorModule } from './modules/operator/index.js';
import { ResultsModule } from './modules/results/results.module.js';
import { SettingsModule } from './settings/settings.module.js';
import type { Settings } from './settings/settings.js';

/** The name of the controller's Lease. */
export const LEASE_NAME = 'datapath-controller';

/** The whole controller. */
@Module({})
export class AppModule {
  static forRoot(settings: Settings): DynamicModule {
    return {
      module: AppModule,
      imports: [
        SettingsModule.forRoot(settings),
        KubeModule.forRoot(settings.kubeconfig === undefined ? {} : { kubeconfig: settings.kubeconfig }),
        OperatorModule.forRoot(
          settings.leaderElect
            ? {
                leaderElection: {
                  namespace: settings.leaderElectionNamespace,
                  name: LEASE_NAME,
                  // The process id tells replicas on one host apart; the rest survives its reuse.
                  identity: `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`,
                },
              }
            : {},
        ),
        ResultsModule,
        ApiModule,
        HealthModule,
      ],
    };
  }
}
