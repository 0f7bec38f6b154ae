import { Global, Module } from '@nestjs/common';
import { DatapathRunReconciler } from './datapath-run.reconciler.js';
import { RetentionService } from './retention.service.js';
import { RunDirectory } from './run-directory.js';
import { RunMembership } from './run-membership.js';

/** The runs: whose a Pod is, what a run says, and what it keeps of results that are deleted. */
@Global()
@Module({
  providers: [RunMembership, RunDirectory, DatapathRunReconciler, RetentionService],
  exports: [RunMembership, RunDirectory],
})
export class RunsModule {}
