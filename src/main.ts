/** The controller's entry: settings, application, listeners, signals. */
import 'reflect-metadata';
import { ConsoleLogger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { LogLevel } from '@nestjs/common';
import type { Server } from 'node:http';
import { AppModule } from './app.module.js';
import { closeListener, formatAddress, listenFor, sameAddress } from './listeners.js';
import { API_ADAPTER_OPTIONS, configureApi } from './modules/api/index.js';
import { helpText, parseCommandLine, SettingsError } from './settings/settings.js';
import type { Settings } from './settings/settings.js';

const HEALTH_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz', '/healthz']);
const METRICS_PATHS: ReadonlySet<string> = new Set(['/metrics']);
const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'log', 'debug'];

/** @returns the exit status, or `undefined` while the controller runs */
async function main(): Promise<number | undefined> {
  let settings: Settings;
  try {
    const parsed = parseCommandLine(process.argv.slice(2), process.env);
    if (parsed.help) {
      process.stdout.write(helpText());
      return 0;
    }
    settings = parsed.settings;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`datapath-controller: ${error.message}\n`);
    return 2;
  }
  const logger = new ConsoleLogger({ json: true, logLevels: LEVELS.slice(0, LEVELS.indexOf(settings.logLevel) + 1) });
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(settings),
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
  logger.log(
    `controller started: api ${settings.api === undefined ? 'off' : formatAddress(settings.api)}, ` +
      `metrics ${settings.metrics === undefined ? 'off' : formatAddress(settings.metrics)}, ` +
      `health ${settings.healthProbe === undefined ? 'off' : formatAddress(settings.healthProbe)}`,
    'main',
  );
  return undefined;
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

try {
  const status = await main();
  if (status !== undefined) process.exitCode = status;
} catch (error) {
  process.stderr.write(`datapath-controller: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
