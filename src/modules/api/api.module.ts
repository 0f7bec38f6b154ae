import { Module } from '@nestjs/common';
import { SETTINGS } from '../../settings/settings.js';
import type { Settings } from '../../settings/settings.js';
import { systemClock } from '../kube/clock.js';
import { KubeClient } from '../kube/kube-client.js';
import { AccessGuard } from './access.guard.js';
import { AccessReviewer, KubeAccessReviewer } from './access-reviewer.js';
import { AccessService } from './access.service.js';
import { API_AUTH } from './api-auth.js';
import { API_CLOCK } from './api-clock.js';
import { DocumentationController } from './documentation.controller.js';
import { PodHealthController } from './pod-health.controller.js';
import { ResultEventLog } from './result-event-log.js';
import { KeptLists } from './result-order.js';
import { ResultsController } from './results.controller.js';
import { StatisticsController } from './statistics.controller.js';
import { StreamHub } from './stream-hub.service.js';
import { StreamController } from './stream.controller.js';
import { SyncedGuard } from './synced.guard.js';

/**
 * The REST API. `configureApi` sets up the application that carries it; global modules must provide `ReadModel`, the settings and
 * the client of Kubernetes.
 */
@Module({
  controllers: [
    DocumentationController,
    StatisticsController,
    PodHealthController,
    ResultsController,
    StreamController,
  ],
  providers: [
    SyncedGuard,
    AccessGuard,
    AccessService,
    ResultEventLog,
    KeptLists,
    StreamHub,
    { provide: API_CLOCK, useValue: systemClock },
    { provide: API_AUTH, inject: [SETTINGS], useFactory: (settings: Settings) => settings.apiAuth },
    {
      provide: AccessReviewer,
      inject: [KubeClient],
      useFactory: (client: KubeClient) => new KubeAccessReviewer(client),
    },
  ],
  exports: [StreamHub, AccessService, AccessGuard, SyncedGuard],
})
export class ApiModule {}
