import { describe, expect, it } from '@jest/globals';
import type { KubeObject } from '../kube/resource.js';
import { carriesReporter, projectMeasuredPod, projectPod } from './project-pod.js';

function pod(changes: { metadata?: object; spec?: object; status?: object } = {}): KubeObject {
  return {
    metadata: {
      name: 'web-1',
      namespace: 'shop',
      uid: 'u-1',
      resourceVersion: '7',
      creationTimestamp: '2026-11-22T10:00:00Z',
      labels: { app: 'web' },
      ...changes.metadata,
    },
    spec: { containers: [{ name: 'app' }], ...changes.spec },
    status: { phase: 'Pending', ...changes.status },
  } as unknown as KubeObject;
}

const SIDECAR = { initContainers: [{ name: 'datapath-reporter', restartPolicy: 'Always' }] };

describe('projectPod', () => {
  it.each([
    ['container', { containers: [{ name: 'app' }, { name: 'datapath-reporter' }] }],
    ['init', { initContainers: [{ name: 'datapath-reporter' }] }],
    ['sidecar', SIDECAR],
    [undefined, {}],
  ])('tells how the reporter runs: %s', (expected, spec) => {
    expect(projectPod(pod({ spec })).reporterKind).toBe(expected);
  });

  it('keeps the evidence of what went wrong, and no words of what went well', () => {
    const { scheduled, sandboxReady } = projectPod(
      pod({
        status: {
          conditions: [
            { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' },
            { type: 'PodReadyToStartContainers', status: 'True', reason: 'fine', message: 'fine' },
            { type: 'constructor', status: 'True' },
          ],
        },
      }),
    );
    expect(scheduled).toEqual({ status: false, reason: 'Unschedulable', message: '0/3 nodes' });
    expect(sandboxReady).toEqual({ status: true });
  });

  it.each([
    ['no gate of ours', [{ conditionType: 'example.com/other' }], [], undefined],
    ['a gate without a condition', [{ conditionType: 'datapath.observer/ready' }], [], { status: false }],
    [
      'a gate that is shut',
      [{ conditionType: 'datapath.observer/ready' }],
      [{ type: 'datapath.observer/ready', status: 'False', reason: 'ProbeTimeout' }],
      { status: false, reason: 'ProbeTimeout' },
    ],
    [
      'a gate that is open',
      [{ conditionType: 'datapath.observer/ready' }],
      [{ type: 'datapath.observer/ready', status: 'True', reason: 'ProbeSucceeded' }],
      { status: true },
    ],
  ])('sees %s', (_, readinessGates, conditions, expected) => {
    expect(projectPod(pod({ spec: { ...SIDECAR, readinessGates }, status: { conditions } })).gate).toEqual(expected);
  });

  it('takes the last termination of a reporter that was started again', () => {
    const { reporter } = projectPod(
      pod({
        spec: SIDECAR,
        status: {
          initContainerStatuses: [
            {
              name: 'datapath-reporter',
              restartCount: 2,
              state: { running: { startedAt: '2026-11-22T10:00:09Z' } },
              lastState: { terminated: { exitCode: 137, reason: 'OOMKilled', message: 'gone' } },
            },
          ],
        },
      }),
    );
    expect(reporter).toMatchObject({
      restartCount: 2,
      startedAt: '2026-11-22T10:00:09Z',
      terminated: { exitCode: 137, reason: 'OOMKilled', message: 'gone', current: false },
    });
  });

  it('cuts what a Pod says to a bound', () => {
    const long = 'x'.repeat(200_000);
    const view = projectPod(
      pod({
        metadata: { annotations: { 'datapath.observer/report': long } },
        status: { phase: 'Failed', message: long },
      }),
    );
    expect(view.report).toHaveLength(4096);
    expect(view.message).toHaveLength(512);
  });

  it('reads a Pod that has hardly anything', () => {
    expect(projectPod({ metadata: { name: 'bare' } })).toMatchObject({ name: 'bare', namespace: '', phase: 'Unknown' });
  });
});

describe('carriesReporter', () => {
  it('is true for each way to report, and false for any other Pod', () => {
    expect(carriesReporter(projectPod(pod()))).toBe(false);
    expect(carriesReporter(projectPod(pod({ spec: SIDECAR })))).toBe(true);
    for (const key of ['datapath.observer/started-at', 'perf.github.com/azure-dp-ready-ts']) {
      expect(carriesReporter(projectPod(pod({ metadata: { annotations: { [key]: 'x' } } })))).toBe(true);
    }
  });
});

describe('projectMeasuredPod', () => {
  it('keeps only the identity of a Pod without a reporter, and all of one with it', () => {
    expect(projectMeasuredPod(pod({ spec: { nodeName: 'n' } }))).toEqual({
      namespace: 'shop',
      name: 'web-1',
      uid: 'u-1',
      resourceVersion: '7',
      labels: {},
      creationTimestamp: '2026-11-22T10:00:00Z',
      phase: 'Pending',
      restartPolicy: 'Always',
    });
    expect(projectMeasuredPod(pod({ spec: SIDECAR }))).toEqual(projectPod(pod({ spec: SIDECAR })));
  });
});

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
