/** `datapath-run`: a run from its manifest to its verdict, for pipelines. */
import { connect } from '../modules/kube/connect.js';
import { systemClock } from '../modules/kube/clock.js';
import { HELP, readOptions } from './options.js';
import { EXIT, runCommand } from './run-command.js';

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
  } else {
    const client = connect({ kubeconfig: options.kubeconfig, fieldManager: 'datapath-run' });
    process.exitCode = await runCommand(options, {
      client,
      clock: systemClock,
      say: (line) => void process.stderr.write(`${line}\n`),
    });
    client.close();
  }
} catch (error) {
  process.stderr.write(`datapath-run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = EXIT.failed;
}
