import { Module } from '@nestjs/common';
import { systemClock } from '../kube/clock.js';
import { API_CLOCK } from './api-clock.js';
import { PodHealthController } from './pod-health.controller.js';
import { StatisticsController } from './statistics.controller.js';
import { SyncedGuard } from './synced.guard.js';

/**
 * The REST API. `configureApi` sets up the application that carries it; a global module must provide `ReadModel`.
 */
@Module({
  controllers: [StatisticsController, PodHealthController],
  providers: [SyncedGuard, { provide: API_CLOCK, useValue: systemClock }],
})
export class ApiModule {}
