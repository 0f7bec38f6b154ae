/** The reporter's entry: settings from the environment, the runtime's sockets and clock, one run, one ending. */
import { formatInstant } from '../datapath/instant.js';
import { encodeReport } from '../datapath/report.js';
import { findApi } from './api-access.js';
import { createClock, systemTimers } from './clock.js';
import { EXIT } from './exit-codes.js';
import { createLogger, messageOf } from './log.js';
import { Reporter } from './reporter.js';
import { parseResolvConf } from './resolv-conf.js';
import { createResolver } from './resolver.js';
import { createRuntime } from './runtime.js';
import { readSettings, SettingsError, unknownSettings } from './settings.js';
import type { Settings } from './settings.js';

const { env } = process;
const runtime = createRuntime();
const { connect, files } = runtime;
const logger = createLogger(
  () => formatInstant(createProcessClock(0).now()),
  (line) => files.writeStandardError(line),
);

/** What the port of `LISTEN` says. */
const LISTEN_ANSWER =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n';

async function run(settings: Settings, ca: string | undefined): Promise<void> {
  const timers = systemTimers;
  const resolver = createResolver({
    readConf: () => parseResolvConf(files.read(settings.resolvConf) ?? ''),
    readHosts: () => files.read(settings.hostsFile) ?? '',
    random: Math.random,
    timers,
  });
  const reporter = new Reporter({
    settings,
    createTerminationLog: isSet('TERMINATION_LOG'),
    io: { connect, resolver, clock: createProcessClock(settings.clockOffsetMs), timers, ca },
    files,
    logger,
    findApi: () =>
      findApi({ settings, hostname: env['HOSTNAME'], files, connect, resolver, timers, random: Math.random, logger }),
  });
  const ending = reporter.run();
  // One handler from here to the end: a signal that comes while handlers are exchanged would be lost.
  let onSignal = (): void => reporter.terminate();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => onSignal());
  if (settings.listen !== undefined) {
    const { host, port } = settings.listen;
    runtime.listen(host, port, LISTEN_ANSWER, (reason) => {
      endWithWrongSettings([`LISTEN is ${JSON.stringify(env['LISTEN'])}: ${reason}`]);
    });
  }
  for (const name of unknownSettings(env)) logger.warn('no such setting', { name });
  const how = await ending;
  if (how.action === 'exit') process.exit(how.code);
  onSignal = () => process.exit(EXIT.done);
  const reason = await runtime.becomeIdle(settings.idleProgram, settings.listen);
  if (reason !== undefined) logger.warn('the idle program could not be started; idling in this one', { reason });
  // Where it can't become another program, it waits by itself, without ever waking.
  setInterval(() => undefined, 2 ** 31 - 1);
}

function createProcessClock(offsetMs: number): ReturnType<typeof createClock> {
  return createClock(performance, () => process.hrtime.bigint(), offsetMs);
}

/** @throws SettingsError where the file can't be used */
function readAuthorities(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const text = files.read(path);
  let problem = 'cannot be read';
  if (text !== undefined) {
    try {
      const { X509Certificate } = process.getBuiltinModule('node:crypto');
      void new X509Certificate(text);
      return text;
    } catch {
      problem = 'holds no PEM certificate';
    }
  }
  throw new SettingsError([`PROBE_CA_FILE is ${JSON.stringify(path)}: the file ${problem}`]);
}

/** Says what is wrong in the log and in the termination message, and ends. */
function endWithWrongSettings(problems: readonly string[]): void {
  for (const problem of problems) logger.warn('wrong setting', { problem });
  const report = encodeReport({
    state: 'ConfigError',
    startedAt: createProcessClock(0).start,
    attempts: 0,
    restarts: 0,
    target: env['PROBE_TARGET'] ?? '',
    lastError: { kind: 'other', message: problems.join('; ') },
  });
  try {
    files.overwrite(env['TERMINATION_LOG'] ?? '/dev/termination-log', report, isSet('TERMINATION_LOG'));
  } catch (error) {
    logger.warn('the termination message could not be written', { reason: messageOf(error) });
  }
  process.exit(EXIT.wrongUse);
}

function isSet(name: string): boolean {
  return (env[name] ?? '') !== '';
}

async function main(): Promise<void> {
  let settings: Settings;
  let ca: string | undefined;
  try {
    settings = readSettings(env);
    ca = readAuthorities(settings.probe.caFile);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    endWithWrongSettings(error.problems);
    return;
  }
  await run(settings, ca);
}

void main().catch((error: unknown) => {
  logger.warn('the reporter ended by its own error', { reason: messageOf(error) });
  process.exit(EXIT.wrongUse);
});
