/** The command line: `npx tsx tools/control-plane/main.ts help`. */
import { runCommandLine } from './command-line.js';

process.exitCode = await runCommandLine(process.argv.slice(2));
