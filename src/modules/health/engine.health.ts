import { Injectable } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import type { HealthIndicatorResult } from '@nestjs/terminus';
import { OperatorEngine } from '../operator/index.js';

/** What the operator engine says of itself, as terminus indicators. */
@Injectable()
export class EngineHealthIndicator {
  constructor(
    private readonly engine: OperatorEngine,
    private readonly indicators: HealthIndicatorService,
  ) {}

  /** Down when this process can't recover by itself; an API server that is away is no reason to restart it. */
  live(): HealthIndicatorResult {
    const { live, problems, watches } = this.engine.health();
    const check = this.indicators.check('engine');
    return live ? check.up({ watches: watches.length }) : check.down({ problems });
  }

  /** Down until every cache was filled once: before that, answers would be wrong. */
  ready(): HealthIndicatorResult {
    const { synced, leader, operators } = this.engine.health();
    const check = this.indicators.check('caches');
    const waiting = operators.filter((operator) => !operator.synced).map((operator) => operator.name);
    return synced ? check.up({ leader }) : check.down({ message: 'the caches are being filled', waiting });
  }
}
