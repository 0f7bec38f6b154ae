// npx tsx examples/sites/main.ts — against the cluster of your kubeconfig, where site.crd.yaml was applied.
import 'reflect-metadata';
import { hostname } from 'node:os';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { KubeModule } from '../../src/modules/kube/kube.module.js';
import { OperatorEngine, OperatorModule } from '../../src/modules/operator/index.js';
import { SiteOperator } from './site.operator.js';

@Module({
  imports: [
    KubeModule.forRoot(),
    OperatorModule.forRoot({
      leaderElection: { namespace: 'default', name: 'sites', identity: `${hostname()}-${process.pid}` },
    }),
  ],
  providers: [SiteOperator],
})
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule);
app.enableShutdownHooks();
// A start that failed, such as for want of rights, ends the process with its reason.
await app.get(OperatorEngine).ready();
