import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { EngineHealthIndicator } from './engine.health.js';
import { HealthController } from './health.controller.js';

/** `/livez`, `/readyz`, `/healthz`. */
@Module({
  imports: [TerminusModule],
  controllers: [HealthController],
  providers: [EngineHealthIndicator],
})
export class HealthModule {}
