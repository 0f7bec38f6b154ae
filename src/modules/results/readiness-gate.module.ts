import { Module } from '@nestjs/common';
import { ReadinessGateReconciler } from './readiness-gate.reconciler.js';

/** The readiness gate: a module of its own, so that without the setting no right for it is asked for. */
@Module({ providers: [ReadinessGateReconciler] })
export class ReadinessGateModule {}
