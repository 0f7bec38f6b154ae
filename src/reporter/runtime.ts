/** What differs between Node and Bun: sockets, and what an idle process is. */
import { systemTimers } from './clock.js';
import { Files, loadNodeFileSystem } from './files.js';
import type { FileSystem } from './files.js';
import { createRefusalCheck } from './refusal-check.js';
import type { ListenAddress } from './settings.js';
import type { Connect, Listen } from './socket.js';
import { bunRuntime, createBunConnect, createBunListen } from './socket-bun.js';
import { createNodeConnect, listenNode } from './socket-node.js';
import { prepareProgram, loadBunFileSystem, loadSystemCalls } from './system-bun.js';

export interface Runtime {
  readonly connect: Connect;
  readonly listen: Listen;
  readonly files: Files;
  /**
   * Replaces the process by one that costs nothing, and answers at `listen` if given.
   *
   * Resolves only where that can't be done, with the reason if it should have been possible: the caller idles by itself then.
   */
  readonly becomeIdle: (program: string | undefined, listen: ListenAddress | undefined) => Promise<string | undefined>;
}

export function createRuntime(): Runtime {
  const bun = bunRuntime();
  if (bun === undefined) {
    const files = new Files(loadNodeFileSystem);
    return { connect: createNodeConnect(), listen: listenNode, files, becomeIdle: () => Promise.resolve(undefined) };
  }
  const checkRefusal = createRefusalCheck(loadSystemCalls, systemTimers, () => process.hrtime.bigint());
  return {
    connect: createBunConnect(bun, checkRefusal),
    listen: createBunListen(bun),
    files: new Files(loadFileSystem),
    becomeIdle: async (program, listen) => {
      const path = program ?? `${process.execPath.slice(0, process.execPath.lastIndexOf('/'))}/datapath-idle`;
      const become = prepareProgram(path, listen === undefined ? [] : [listen.host, String(listen.port)]);
      // Lets a signal that has come be handled: the next program wouldn't know of it.
      await new Promise((resolve) => setImmediate(resolve));
      return become();
    },
  };
}

function loadFileSystem(): FileSystem {
  try {
    return loadBunFileSystem();
  } catch {
    // Another C library than this build knows: the dearer way has the same effect.
    return loadNodeFileSystem();
  }
}
