/** Puts the application together, opens its listeners and ends it in order. */
import 'reflect-metadata';
import { ConsoleLogger } from '@nestjs/common';
import type { LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Server } from 'node:http';
import { AppModule } from './app.module.js';
import { closeListener, formatAddress, listenFor, sameAddress } from './listeners.js';
import { API_ADAPTER_OPTIONS, configureApi } from './modules/api/index.js';
import type { BindAddress, Settings } from './settings/settings.js';

const HEALTH_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz', '/healthz']);
const METRICS_PATHS: ReadonlySet<string> = new Set(['/metrics']);
const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'log', 'debug'];

/** Resolves when everything listens; the controller then runs until a signal ends the process. */
export async function runController(settings: Settings): Promise<void> {
  const logger = new ConsoleLogger({ json: true, logLevels: LEVELS.slice(0, LEVELS.indexOf(settings.logLevel) + 1) });
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(settings, (error) => {
      logger.error(`the controller can't do its work, and ends: ${error.message}`, 'main');
      process.exit(1);
    }),
    new FastifyAdapter(API_ADAPTER_OPTIONS),
    { logger, forceCloseConnections: true, abortOnError: false },
  );
  configureApi(app);
  const listeners: Server[] = [];
  stopOnSignal(async () => {
    await app.close();
    await Promise.all(listeners.map(closeListener));
  }, logger);

  await app.init();
  const fastify = app.getHttpAdapter().getInstance();
  await fastify.ready();
  // The probes answer before the caches are filled, or a slow start would look like a dead process.
  for (const [address, paths] of [
    [settings.healthProbe, HEALTH_PATHS],
    [settings.metrics, METRICS_PATHS],
  ] as const) {
    if (address === undefined || sameAddress(address, settings.api)) continue;
    listeners.push(await listenFor(address, paths, (request, response) => fastify.routing(request, response)));
  }
  if (settings.api !== undefined) await app.listen(settings.api.port, settings.api.host ?? '::');
  const show = (address: BindAddress | undefined): string => (address === undefined ? 'off' : formatAddress(address));
  logger.log(
    `controller started: api ${show(settings.api)}, metrics ${show(settings.metrics)}, health ${show(settings.healthProbe)}`,
    'main',
  );
}

/** The first SIGTERM or SIGINT ends in order, the second at once. */
function stopOnSignal(stop: () => Promise<void>, logger: ConsoleLogger): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.log(`${signal}: stopping`, 'main');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error(`the stop failed: ${String(error)}`, 'main');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
