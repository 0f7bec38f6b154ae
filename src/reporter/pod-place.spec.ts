import { afterReport, placeOf } from './pod-place.js';

const OURS = { name: 'datapath-reporter' };
const APP = { name: 'app' };
const pod = (spec: unknown, conditions: unknown = []): unknown => ({ spec, status: { conditions } });

describe('placeOf', () => {
  it.each([
    ['ordinary container', { containers: [OURS, APP] }, 'mustIdle'],
    ['ordinary container of a Pod that always restarts', { restartPolicy: 'Always', containers: [OURS] }, 'mustIdle'],
    ['ordinary container with a policy of its own', { containers: [{ ...OURS, restartPolicy: 'Never' }] }, 'mustIdle'],
    ['restartPolicy Never', { restartPolicy: 'Never', containers: [OURS, APP] }, 'mayExit'],
    ['restartPolicy OnFailure', { restartPolicy: 'OnFailure', containers: [OURS, APP] }, 'mayExit'],
    [
      'Never, but restarted itself',
      { restartPolicy: 'Never', containers: [{ ...OURS, restartPolicy: 'Always' }] },
      'mustIdle',
    ],
    ['init container', { initContainers: [OURS], containers: [APP] }, 'mayExit'],
    ['native sidecar', { initContainers: [{ ...OURS, restartPolicy: 'Always' }], containers: [APP] }, 'mustIdle'],
    [
      'native sidecar of a Job',
      { restartPolicy: 'Never', initContainers: [{ ...OURS, restartPolicy: 'Always' }], containers: [APP] },
      'mustIdle',
    ],
    [
      'another name, found by its setting',
      { containers: [{ name: 'x', env: [{ name: 'PROBE_TARGET' }] }] },
      'mustIdle',
    ],
    ['no container of ours', { containers: [APP] }, 'unknown'],
  ])('knows an %s', (_, spec, place) => {
    expect(placeOf(pod(spec))).toBe(place);
  });

  it('takes the init container for the running one until the Pod is initialized', () => {
    const spec = { initContainers: [OURS], containers: [OURS] };
    expect(placeOf(pod(spec, [{ type: 'Initialized', status: 'False' }]))).toBe('mayExit');
    expect(placeOf(pod(spec, [{ type: 'Initialized', status: 'True' }]))).toBe('mustIdle');
  });

  it.each([undefined, null, 'x', {}, { spec: { containers: 'x', initContainers: [5] } }])(
    'knows nothing of %j',
    (value) => {
      expect(placeOf(value)).toBe('unknown');
    },
  );
});

describe('afterReport', () => {
  it('exits without knowing its place, and idles if that was followed by a restart', () => {
    expect(afterReport('auto', 'unknown', false)).toBe('exit');
    expect(afterReport('auto', 'unknown', true)).toBe('idle');
  });

  it('does as it is told', () => {
    expect(afterReport('exit', 'mustIdle', true)).toBe('exit');
    expect(afterReport('idle', 'mayExit', false)).toBe('idle');
  });
});
