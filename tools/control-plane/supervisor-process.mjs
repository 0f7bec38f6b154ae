/**
 * The parent of a control plane's processes: `node supervisor-process.mjs <state folder>`.
 *
 * It exists so that nothing is ever left behind. It holds the read end of a pipe (its standard input) whose write end
 * its starter holds: when the starter dies, however that happens, the pipe ends, and the supervisor ends everything and
 * removes the state folder. `release` cuts that tether, for a control plane that is to outlive the command that
 * started it. Should the supervisor itself be killed, its children go with it where the system can do that
 * (`setpriv --pdeathsig`), and `processes.json` in the state folder names them for everybody else.
 *
 * It is asked over a Unix socket in the state folder, one JSON document a line, answered in the same way; exits of
 * processes are told to every client. Plain JavaScript, run by node without a loader: it starts in 40 ms and depends on
 * nothing that could be missing.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: node supervisor-process.mjs <state folder>');

/** Name → what runs under it, in order of start. */
const children = new Map();
/** Processes of others that end with us: {pid, startTime}. */
const adopted = [];
const clients = new Set();
let tethered = true;
let ending;
/** A command that undoes what processes leave behind (mounts, network namespaces): run after they ended. */
let cleanup;

const diesWithParent = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0;

// The same rule as in process-identity.ts.
function startTimeOf(pid) {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)])
        .toString()
        .trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    // It has gone: no start time is the answer.
    return undefined;
  }
}

function record() {
  const processes = [...children.values()]
    .filter((child) => child.running)
    .map(({ name, pid, startTime }) => ({ name, pid, startTime }));
  const file = join(folder, 'processes.json');
  writeFileSync(`${file}.draft`, JSON.stringify(processes, null, 2));
  renameSync(`${file}.draft`, file);
}

function tell(message) {
  const line = `${JSON.stringify(message)}\n`;
  for (const client of clients) client.write(line);
}

function start({ name, command, args, env, cwd, log }) {
  if (ending !== undefined) throw new Error('the supervisor is ending');
  if (children.get(name)?.running) throw new Error(`${name} is already running`);
  const [file, ...rest] = diesWithParent
    ? ['setpriv', '--pdeathsig', 'KILL', '--', command, ...args]
    : [command, ...args];
  const output = openSync(log, 'a');
  const child = spawn(file, rest, {
    cwd: cwd ?? folder,
    env: env ?? process.env,
    // A group of its own: Ctrl-C on the terminal is for the command, which then ends things in order.
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const entry = { name, pid: child.pid, running: child.pid !== undefined, child };
  entry.ended = new Promise((resolve) => {
    child.once('error', (error) => {
      entry.running = false;
      resolve({ error: error.message });
    });
    child.once('exit', (code, signal) => {
      entry.running = false;
      resolve({ code, signal });
      tell({ event: 'exited', name, pid: entry.pid, code, signal });
      if (ending === undefined) record();
    });
  });
  if (child.pid === undefined) throw new Error(`${command} can't be started`);
  entry.startTime = startTimeOf(child.pid);
  children.delete(name);
  children.set(name, entry);
  record();
  return { pid: entry.pid, startTime: entry.startTime };
}

function signalGroup(entry, signal) {
  try {
    process.kill(-entry.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

async function stop({ name, signal = 'SIGTERM', graceMs = 5_000 }) {
  const entry = children.get(name);
  if (entry === undefined || !entry.running) return { running: false };
  signalGroup(entry, signal);
  const timer = setTimeout(() => signalGroup(entry, 'SIGKILL'), graceMs);
  const result = await entry.ended;
  clearTimeout(timer);
  return result;
}

/** All processes below the given one, from the process table as it is now. */
function descendantsOf(root) {
  const table = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout ?? '';
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  const found = [root];
  // The list grows while it is walked: children of children follow.
  for (const parent of found) found.push(...rows.filter(([, ppid]) => ppid === parent).map(([pid]) => pid));
  return found.map((pid) => ({ pid, startTime: startTimeOf(pid) })).filter(({ startTime }) => startTime !== undefined);
}

/** Ends the commands of others that ran on this control plane, with all that they started. */
async function endAdopted() {
  const victims = adopted
    .filter(({ pid, startTime }) => startTimeOf(pid) === startTime)
    .flatMap(({ pid }) => descendantsOf(pid));
  const left = () => victims.filter(({ pid, startTime }) => startTimeOf(pid) === startTime);
  const signal = (name) => {
    for (const { pid } of left()) {
      try {
        process.kill(pid, name);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    }
  };
  signal('SIGTERM');
  for (let waited = 0; waited < 2_000 && left().length > 0; waited += 20) await delay(20);
  signal('SIGKILL');
}

/** Ends all processes, newest first, then undoes what they left, then the state folder goes. */
function end({ keepState = false } = {}) {
  ending ??= (async () => {
    await endAdopted();
    for (const entry of [...children.values()].reverse()) await stop({ name: entry.name, signal: 'SIGKILL' });
    record();
    let problem;
    if (cleanup !== undefined) {
      const run = spawnSync(cleanup.command, cleanup.args, { encoding: 'utf8', timeout: 120_000 });
      if (run.status !== 0) {
        problem = `cleaning up ended with ${run.status ?? run.signal}: ${run.stderr}`;
        writeFileSync(join(folder, 'logs', 'cleanup.log'), problem, { flag: 'a' });
      }
    }
    if (!keepState && problem === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    return { problem };
  })();
  return ending;
}

async function answer(request) {
  switch (request.op) {
    case 'start':
      return start(request);
    case 'stop':
      return stop(request);
    case 'signal': {
      const entry = children.get(request.name);
      if (entry?.running) signalGroup(entry, request.signal);
      return { running: entry?.running ?? false };
    }
    case 'list':
      return {
        processes: [...children.values()].map(({ name, pid, startTime, running }) => ({
          name,
          pid,
          startTime,
          running,
        })),
      };
    case 'adopt':
      adopted.push({ pid: request.pid, startTime: request.startTime });
      return {};
    case 'cleanup':
      cleanup = { command: request.command, args: request.args };
      return {};
    case 'release':
      tethered = false;
      return {};
    case 'end':
      return end(request);
    default:
      throw new Error(`unknown request ${JSON.stringify(request.op)}`);
  }
}

const server = createServer((socket) => {
  clients.add(socket);
  socket.on('close', () => clients.delete(socket));
  // A client that vanishes in mid-answer is its own affair: its 'close' follows.
  socket.on('error', () => clients.delete(socket));
  createInterface({ input: socket }).on('line', (line) => void serve(socket, line));
});

/** Answers one request; what it fails with is the answer. */
async function serve(socket, line) {
  const request = JSON.parse(line);
  let reply;
  try {
    reply = { id: request.id, result: await answer(request) };
  } catch (error) {
    reply = { id: request.id, error: error.message };
  }
  socket.write(`${JSON.stringify(reply)}\n`, () => {
    if (request.op === 'end') process.exit(0);
  });
}

async function endAndExit() {
  await end();
  process.exit(0);
}

process.stdin.resume();
process.stdin.on('error', () => undefined);
process.stdin.on('close', () => {
  if (tethered) void endAndExit();
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => void endAndExit());
process.on('uncaughtException', (error) => {
  process.stderr.write(`${error.stack}\n`);
  void endAndExit();
});

server.listen(join(folder, 'supervisor.sock'), () => process.stdout.write('ready\n'));
