import { Controller, Get, Inject, Query, UseGuards } from '@nestjs/common';
import { formatInstant, fromEpochMs } from '../../datapath/instant.js';
import { formatSelector } from '../../statistics/label-selector.js';
import type { Clock } from '../kube/clock.js';
import { AccessGuard } from './access.guard.js';
import { API_CLOCK } from './api-clock.js';
import { podHealth } from './pod-health.js';
import { PodHealthQuery } from './pod-health.schema.js';
import type { PodHealthAnswer } from './pod-health.schema.js';
import { Produces } from './produces.js';
import { ReadModel } from './read-model.js';
import { SyncedGuard } from './synced.guard.js';

@Controller('api/v1')
@Produces('application/json')
@UseGuards(AccessGuard, SyncedGuard)
export class PodHealthController {
  constructor(
    private readonly model: ReadModel,
    @Inject(API_CLOCK) private readonly clock: Clock,
  ) {}

  @Get('pod-health')
  podHealth(@Query({ schema: PodHealthQuery }) query: PodHealthQuery): PodHealthAnswer {
    const health = podHealth(this.model.pods.values(), this.model.workloads(), {
      selector: query.labelSelector,
      topN: query.topN,
      ...(query.namespace === undefined ? {} : { namespaces: query.namespace }),
      ...(query.node === undefined ? {} : { nodes: query.node }),
    });
    return {
      namespace: (query.namespace ?? []).join(','),
      labelSelector: formatSelector(query.labelSelector),
      ...health,
      generatedAt: formatInstant(fromEpochMs(this.clock.epochMs())),
      synced: this.model.synced,
    };
  }
}
