/** A real browser, Debian's package "chromium", for what only a browser can show. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';

export const hasBrowser = spawnSync('chromium', ['--version']).error === undefined;

/**
 * Opens an address in a process group of its own; `process.kill(-pid)` ends it. Names below `.example` lead to this machine, and no
 * other name but localhost leads anywhere.
 *
 * @param profile an empty folder
 */
export function browse(
  url: string,
  profile: string,
  flags: readonly string[] = ['--remote-debugging-port=0'],
  stdio: StdioOptions = 'ignore',
): ChildProcess {
  return spawn(
    'chromium',
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      `--user-data-dir=${profile}`,
      '--host-resolver-rules=MAP *.example 127.0.0.1,MAP * ~NOTFOUND,EXCLUDE localhost,EXCLUDE 127.0.0.1',
      ...flags,
      url,
    ],
    { stdio, detached: true },
  );
}
