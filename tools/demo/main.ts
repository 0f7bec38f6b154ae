/** `make demo`: the command line of the demo. */
import { HELP, readOptions, UsageError } from './options.js';
import { missing } from '../control-plane/node/prerequisites.js';
import { runDemo } from './demo.js';
import { runNodeDemo } from './node-demo.js';
import type { DemoOptions } from './options.js';

try {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === 'help') process.stdout.write(HELP);
  else process.exitCode = await (hasNode(options) ? runNodeDemo(options) : runDemo(options));
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

/** Whether the demo runs on a real node; says so where one was asked for and can't be had. */
function hasNode({ profile }: DemoOptions): boolean {
  if (profile !== 'node') return false;
  const lacking = missing();
  if (lacking.length === 0) return true;
  process.stderr.write(
    `demo: this machine lacks ${lacking.join('; ')} for a real node; reporters run as processes instead\n`,
  );
  return false;
}
