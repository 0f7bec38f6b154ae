import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService } from '@nestjs/terminus';
import type { HealthCheckResult } from '@nestjs/terminus';
import { EngineHealthIndicator } from './engine.health.js';

/** The probes of the kubelet: 200 when all is well, 503 with the reason when not. */
@Controller()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly engine: EngineHealthIndicator,
  ) {}

  /** Restart me when this fails. */
  @Get('livez')
  @HealthCheck()
  livez(): Promise<HealthCheckResult> {
    return this.health.check([() => this.engine.live()]);
  }

  /** Send me requests when this succeeds. */
  @Get('readyz')
  @HealthCheck()
  readyz(): Promise<HealthCheckResult> {
    return this.health.check([() => this.engine.ready()]);
  }

  /** Both, for people and for clients of older controllers. */
  @Get('healthz')
  @HealthCheck()
  healthz(): Promise<HealthCheckResult> {
    return this.health.check([() => this.engine.live(), () => this.engine.ready()]);
  }
}
