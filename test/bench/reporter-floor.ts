/** The least that a reporter by Bun can cost: one connection, and the end. */
import { bunRuntime } from '../../src/reporter/socket-bun.js';

const [hostname = '', port = ''] = (process.env['PROBE_TARGET'] ?? '').split(':');
void bunRuntime()?.connect({
  hostname,
  port: Number(port),
  socket: { data: () => undefined, open: () => process.exit(0) },
});
