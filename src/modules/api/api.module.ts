import { Module } from '@nestjs/common';
import { systemClock } from '../kube/clock.js';
import { API_CLOCK } from './api-clock.js';
import { PodHealthController } from './pod-health.controller.js';
import { ResultEventLog } from './result-event-log.js';
import { KeptLists } from './result-order.js';
import { ResultsController } from './results.controller.js';
import { StatisticsController } from './statistics.controller.js';
import { StreamHub } from './stream-hub.service.js';
import { StreamController } from './stream.controller.js';
import { SyncedGuard } from './synced.guard.js';

/**
 * The REST API. `configureApi` sets up the application that carries it; a global module must provide `ReadModel`.
 */
@Module({
  controllers: [StatisticsController, PodHealthController, ResultsController, StreamController],
  providers: [SyncedGuard, ResultEventLog, KeptLists, StreamHub, { provide: API_CLOCK, useValue: systemClock }],
  exports: [StreamHub],
})
export class ApiModule {}
