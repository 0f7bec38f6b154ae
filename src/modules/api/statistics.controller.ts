import { Controller, Get, Inject, Query, UseGuards } from '@nestjs/common';
import type { Metric } from '../../datapath/vocabulary.js';
import type { ResultFilter } from '../../statistics/result-filter.js';
import type { Clock } from '../kube/clock.js';
import { AccessGuard } from './access.guard.js';
import { API_CLOCK } from './api-clock.js';
import { resultFilter } from './result-query.js';
import { Produces } from './produces.js';
import { ReadModel } from './read-model.js';
import { statisticAnswer } from './statistic-answer.js';
import { StatisticQuery } from './statistic.schema.js';
import type { StatisticAnswer } from './statistic.schema.js';
import { SyncedGuard } from './synced.guard.js';

/** The three statistics. */
@Controller('api/v1')
@Produces('application/json')
@UseGuards(AccessGuard, SyncedGuard)
export class StatisticsController {
  constructor(
    private readonly model: ReadModel,
    @Inject(API_CLOCK) private readonly clock: Clock,
  ) {}

  @Get('time-to-start')
  timeToStart(@Query({ schema: StatisticQuery }) query: StatisticQuery): StatisticAnswer {
    return this.#answer('timeToStart', query);
  }

  @Get('time-to-datapath-ready')
  timeToDatapathReady(@Query({ schema: StatisticQuery }) query: StatisticQuery): StatisticAnswer {
    return this.#answer('timeToDatapathReady', query);
  }

  @Get('datapath-delay')
  datapathDelay(@Query({ schema: StatisticQuery }) query: StatisticQuery): StatisticAnswer {
    return this.#answer('datapathDelay', query);
  }

  #answer(metric: Metric, query: StatisticQuery): StatisticAnswer {
    const nowMs = this.clock.epochMs();
    const filter: ResultFilter = resultFilter(query, nowMs);
    return statisticAnswer(this.model.index.table, {
      metric,
      filter,
      topN: query.topN,
      method: query.method,
      quantiles: query.quantiles ?? [],
      ...(query.groupBy === undefined ? {} : { groupBy: query.groupBy }),
      kept: query.run === undefined ? undefined : this.model.runArchive(query.run),
      nowMs,
      synced: this.model.synced,
    });
  }
}
