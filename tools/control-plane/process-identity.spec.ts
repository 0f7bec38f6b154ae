import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { identityOf, isAlive, signalProcess, waitForEnd } from './process-identity.js';

describe('process identity', () => {
  it('knows a process again, and tells it from another with the same id', () => {
    const self = identityOf(process.pid);
    expect(self).toBeDefined();
    if (self === undefined) return;
    expect(isAlive(self)).toBe(true);
    expect(isAlive({ ...self, startTime: '1' })).toBe(false);
    // A signal that would end this test run, were it sent.
    expect(signalProcess({ ...self, startTime: '1' }, 'SIGKILL')).toBe(false);
  });

  it('waits for the end of a process', async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const identity = identityOf(child.pid ?? 0);
    expect(identity).toBeDefined();
    if (identity === undefined) return;
    expect(await waitForEnd(identity, 50)).toBe(false);
    expect(signalProcess(identity, 'SIGKILL')).toBe(true);
    expect(await waitForEnd(identity, 10_000)).toBe(true);
    expect(identityOf(child.pid ?? 0)).toBeUndefined();
  });
});
