/** The reporter's entry: settings from the environment, the runtime's sockets and clock, one run, one ending. */
import { formatInstant } from '../datapath/instant.js';
import { encodeReport } from '../datapath/report.js';
import { ApiClient } from './api-client.js';
import { createClock, systemTimers } from './clock.js';
import type { Clock } from './clock.js';
import { EXIT } from './exit-codes.js';
import { overwriteFile, readSmallFile } from './files.js';
import { findIdentity, readServiceAccount } from './identity.js';
import { idleInProcess } from './idle.js';
import { listen } from './listener.js';
import { createLogger, messageOf } from './log.js';
import type { Logger } from './log.js';
import { Publisher } from './publisher.js';
import { Reporter } from './reporter.js';
import { parseResolvConf } from './resolv-conf.js';
import { createResolver } from './resolver.js';
import type { Resolver } from './resolver.js';
import { readSettings, SettingsError } from './settings.js';
import type { Environment, Settings } from './settings.js';
import type { Connect } from './socket.js';
import { createNodeConnect } from './socket-node.js';

async function main(env: Environment): Promise<void> {
  let clock = createClock(performance, () => process.hrtime.bigint());
  const logger = createLogger(() => formatInstant(clock.now()));
  let settings: Settings;
  let ca: string | undefined;
  try {
    settings = readSettings(env);
    ca = readAuthorities(settings.probe.caFile);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    endWithWrongSettings(error, env, clock, logger);
    return;
  }
  if (settings.clockOffsetMs !== 0)
    clock = createClock(performance, () => process.hrtime.bigint(), settings.clockOffsetMs);
  const resolver = createResolver({
    readConf: () => parseResolvConf(readSmallFile(settings.resolvConf) ?? ''),
    readHosts: () => readSmallFile(settings.hostsFile) ?? '',
    random: Math.random,
  });
  const connect = createNodeConnect();
  const { uid, publisher } = createPublisher(settings, connect, resolver, logger);
  const reporter = new Reporter({
    settings,
    createTerminationLog: isSet(env, 'TERMINATION_LOG'),
    io: { connect, resolver, clock, timers: systemTimers, ca },
    logger,
    uid,
    publisher,
  });
  const ending = reporter.run();
  // One handler from here to the end: a signal that comes while handlers are exchanged would be lost.
  let onSignal = (): void => reporter.terminate();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => onSignal());
  for (const name of settings.warnings) logger.warn('no such setting', { name });
  if (settings.listen !== undefined) {
    listen(settings.listen, (error) => {
      endWithWrongSettings(
        new SettingsError([`LISTEN is ${JSON.stringify(env['LISTEN'])}: ${messageOf(error)}`]),
        env,
        clock,
        logger,
      );
    });
  }
  const { action, ...rest } = await ending;
  publisher?.stop();
  if (action === 'exit') process.exit('code' in rest ? rest.code : EXIT.done);
  onSignal = () => process.exit(EXIT.done);
  idleInProcess();
}

function createPublisher(
  settings: Settings,
  connect: Connect,
  resolver: Resolver,
  logger: Logger,
): { uid: string | undefined; publisher: Publisher | undefined } {
  const account = readServiceAccount(settings.serviceAccountDir);
  const { podName, podNamespace, podUid } = settings;
  const identity = findIdentity({
    podName,
    podNamespace,
    podUid,
    token: account.token,
    namespaceFile: account.namespace,
    hostname: process.getBuiltinModule('node:os').hostname(),
  });
  if (identity === undefined || account.token === undefined || settings.apiHost === undefined) {
    const missing =
      settings.apiHost === undefined ? 'KUBERNETES_SERVICE_HOST' : account.token === undefined ? 'token' : 'namespace';
    logger.info('no way to the API server; the report goes to the termination message alone', { missing });
    return { uid: identity?.uid, publisher: undefined };
  }
  const client = new ApiClient({
    host: settings.apiHost.replace(/^\[(.*)\]$/, '$1'),
    port: settings.apiPort,
    serviceAccountDir: settings.serviceAccountDir,
    timeoutMs: settings.apiTimeoutMs,
    connect,
    resolver,
    timers: systemTimers,
  });
  const wantsPod = settings.afterReport === 'auto';
  return {
    uid: identity.uid,
    publisher: new Publisher({ client, identity, timers: systemTimers, random: Math.random, logger, wantsPod }),
  };
}

/** @throws SettingsError where the file can't be used */
function readAuthorities(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const text = readSmallFile(path);
  if (text?.includes('-----BEGIN CERTIFICATE-----') === true) return text;
  const problem = text === undefined ? 'cannot be read' : 'holds no PEM certificate';
  throw new SettingsError([`PROBE_CA_FILE is ${JSON.stringify(path)}: the file ${problem}`]);
}

/** Says what is wrong in the log and in the termination message, and ends. */
function endWithWrongSettings(error: SettingsError, env: Environment, clock: Clock, logger: Logger): void {
  for (const problem of error.problems) logger.warn('wrong setting', { problem });
  const report = encodeReport({
    state: 'ConfigError',
    startedAt: clock.start,
    attempts: 0,
    restarts: 0,
    target: env['PROBE_TARGET'] ?? '',
    lastError: { kind: 'other', message: error.problems.join('; ') },
  });
  try {
    overwriteFile(env['TERMINATION_LOG'] ?? '/dev/termination-log', report, isSet(env, 'TERMINATION_LOG'));
  } catch (failure) {
    logger.warn('the termination message could not be written', { reason: messageOf(failure) });
  }
  process.exit(EXIT.wrongUse);
}

function isSet(env: Environment, name: string): boolean {
  return (env[name] ?? '') !== '';
}

void main(process.env).catch((error: unknown) => {
  createLogger(() => new Date().toISOString()).warn('the reporter ended by its own error', {
    reason: messageOf(error),
  });
  process.exit(EXIT.wrongUse);
});
