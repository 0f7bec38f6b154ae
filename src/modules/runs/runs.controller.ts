import { Controller, Get, Inject, Param, Query, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { setImmediate } from 'node:timers/promises';
import { formatInstant, fromEpochMs } from '../../datapath/instant.js';
import type { RunFigures } from '../../statistics/run-figures.js';
import { API_CLOCK } from '../api/api-clock.js';
import { Problem } from '../api/problem.js';
import { Produces } from '../api/produces.js';
import { ReadModel } from '../api/read-model.js';
import { SyncedGuard } from '../api/synced.guard.js';
import type { Clock } from '../kube/clock.js';
import { exportRun, MEDIA_TYPES } from './export/formats.js';
import { RunAccessGuard } from './run-access.guard.js';
import { differencesOf, liveReport, runComparison, runDetail, runSummary } from './run-answer.js';
import { RunDirectory } from './run-directory.js';
import type { RunView } from './run-view.js';
import { ComparisonQuery, ExportQuery, RunName, RunsQuery } from './runs.schema.js';
import type { RunComparison, RunDetail, RunsAnswer, RunSummary } from './runs.schema.js';

/** Runs: what they say now, how two differ, and what other tools read of them. */
@Controller('api/v1/runs')
@UseGuards(RunAccessGuard, SyncedGuard)
export class RunsController {
  constructor(
    private readonly directory: RunDirectory,
    private readonly model: ReadModel,
    @Inject(API_CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  @Produces('application/json')
  async runs(@Query({ schema: RunsQuery }) _query: RunsQuery): Promise<RunsAnswer> {
    const nowMs = this.clock.epochMs();
    const items: RunSummary[] = [];
    for (const run of this.directory.all()) {
      items.push(runSummary(run, this.directory.figures(run, nowMs)));
      // A pass over the results each: others get their turn in between.
      await setImmediate();
    }
    return { items, ...this.#frame(nowMs) };
  }

  @Get(':name')
  @Produces('application/json')
  run(@Param('name', { schema: RunName }) name: string): RunDetail {
    const nowMs = this.clock.epochMs();
    const run = this.#find(name);
    return runDetail(run, this.directory.figures(run, nowMs), nowMs, this.model.synced);
  }

  @Get(':name/comparison')
  @Produces('application/json')
  async comparison(
    @Param('name', { schema: RunName }) name: string,
    @Query({ schema: ComparisonQuery }) { baseline, tolerance }: ComparisonQuery,
  ): Promise<RunComparison> {
    const nowMs = this.clock.epochMs();
    const [before, after] = [this.#find(baseline), this.#find(name)].map(
      (run) => [run, this.directory.figures(run, nowMs)] as const,
    ) as [readonly [RunView, RunFigures], readonly [RunView, RunFigures]];
    const differences: RunComparison['differences'] = [];
    for (const difference of differencesOf(before[1], after[1], tolerance)) {
      differences.push(difference);
      await setImmediate();
    }
    return { ...runComparison(before, after, tolerance, differences), ...this.#frame(nowMs) };
  }

  @Get(':name/export')
  @Produces(...new Set(Object.values(MEDIA_TYPES)))
  export(
    @Param('name', { schema: RunName }) name: string,
    @Query({ schema: ExportQuery }) { format }: ExportQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): string {
    const run = this.#find(name);
    const text = exportRun(liveReport(run, this.directory.figures(run, this.clock.epochMs())), format);
    void reply.type(`${MEDIA_TYPES[format]}; charset=utf-8`);
    return text;
  }

  #find(name: string): RunView {
    const run = this.directory.get(name) ?? this.directory.orphan(name);
    if (run === undefined) throw new Problem('not-found', `No run is named ${name}`);
    return run;
  }

  #frame(nowMs: number): { generatedAt: string; synced: boolean } {
    return { generatedAt: formatInstant(fromEpochMs(nowMs)), synced: this.model.synced };
  }
}
