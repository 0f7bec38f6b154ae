import { Global, Module } from '@nestjs/common';
import { systemClock } from '../kube/clock.js';
import { API_CLOCK } from '../api/api-clock.js';
import { ApiModule } from '../api/api.module.js';
import { DatapathRunReconciler } from './datapath-run.reconciler.js';
import { RetentionService } from './retention.service.js';
import { RunAccessGuard } from './run-access.guard.js';
import { RunDirectory } from './run-directory.js';
import { RunMembership } from './run-membership.js';
import { RunsController } from './runs.controller.js';

/** The runs: whose a Pod is, what a run says, and what it keeps of results that are deleted. */
@Global()
@Module({
  imports: [ApiModule],
  controllers: [RunsController],
  providers: [
    RunMembership,
    RunDirectory,
    RunAccessGuard,
    DatapathRunReconciler,
    RetentionService,
    { provide: API_CLOCK, useValue: systemClock },
  ],
  exports: [RunMembership, RunDirectory],
})
export class RunsModule {}
