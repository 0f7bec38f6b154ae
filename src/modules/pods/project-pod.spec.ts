import { describe, expect, it } from '@jest/globals';
import { projectPod } from './project-pod.js';

const running = { running: { startedAt: '2026-11-22T10:00:00Z' } };
const waiting = { waiting: { reason: 'PodInitializing' } };
const done = { terminated: { exitCode: 0 } };

interface Status {
  readonly name: string;
  readonly state: object;
  readonly lastState?: object;
  readonly started?: boolean;
  readonly restartPolicy?: string;
}

function initializing(statuses: readonly Status[], reporter = 'datapath-reporter'): string | undefined {
  return projectPod({
    metadata: { name: 'web', namespace: 'shop', uid: 'u' },
    spec: { initContainers: [...statuses, { name: reporter, restartPolicy: 'Always' }] },
    status: { phase: 'Pending', initContainerStatuses: statuses },
  } as never).initializing;
}

describe('the init container that the reporter waits for', () => {
  const reporter = { name: 'datapath-reporter', state: waiting };

  it('is the first that has not ended well', () => {
    const statuses = [{ name: 'one', state: done }, { name: 'two', state: running, started: true }, reporter];
    expect(initializing(statuses)).toBe('two');
    expect(initializing([{ name: 'one', state: { terminated: { exitCode: 1 } } }, reporter])).toBe('one');
  });

  it('is none once all before have ended or run as sidecars, or the reporter itself has begun', () => {
    const sidecar = { name: 'mesh', state: running, started: true, restartPolicy: 'Always' };
    expect(initializing([sidecar, reporter])).toBeUndefined();
    expect(
      initializing([
        { name: 'one', state: running },
        { ...reporter, state: running },
      ]),
    ).toBeUndefined();
    expect(
      initializing([
        { name: 'one', state: running },
        { ...reporter, lastState: done },
      ]),
    ).toBeUndefined();
  });

  it('is not asked for in a Pod without a reporter', () => {
    expect(initializing([{ name: 'one', state: running }], 'other')).toBeUndefined();
  });
});
