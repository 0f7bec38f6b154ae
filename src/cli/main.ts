#!/usr/bin/env node
/** `datapath-run`: a run from its manifest to its verdict, for pipelines. */
import { connect } from '../modules/kube/connect.js';
import { systemClock } from '../modules/kube/clock.js';
import { isKubeApiError } from '../modules/kube/kube-api-error.js';
import { HELP, readOptions } from './options.js';
import { EXIT, runCommand } from './run-command.js';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

// The run lives in the cluster: who ends the command ends the waiting only. The status is the one of a program that a signal ended.
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    say('datapath-run: interrupted; the run goes on in the cluster, "kubectl get dprun" shows it');
    process.exit(status);
  });
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
  } else {
    const client = connect({ kubeconfig: options.kubeconfig, fieldManager: 'datapath-run' });
    process.exitCode = await runCommand(options, {
      client,
      clock: systemClock,
      say,
      print: (text) => void process.stdout.write(text),
    });
    client.close();
  }
} catch (error) {
  say(`datapath-run: ${messageOf(error)}`);
  process.exitCode = EXIT.failed;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Without an answer the message is the system's, which names no API server.
  return isKubeApiError(error) && error.code === 0
    ? `the API server can't be reached: ${error.message}`
    : error.message;
}
