/**
 * Clients in a process of their own, so that what the load costs doesn't count as waiting for an answer. Takes {@link AskOptions} as its first
 * argument, asks until its standard input ends, and prints the times as JSON.
 */
import { ask } from './ask.js';
import type { AskOptions } from './ask.js';

const options = JSON.parse(process.argv[2] ?? '{}') as AskOptions;
const stop = new AbortController();
process.stdin.on('end', () => stop.abort()).resume();
process.stdout.write(JSON.stringify(await ask({ ...options, signal: stop.signal })));
