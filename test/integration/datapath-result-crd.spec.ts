/** What the API server itself holds of a DatapathResult, whoever writes it. */
import { fileURLToPath } from 'node:url';
import { fromEpochMs, parseInstant } from '../../src/datapath/instant.js';
import type { Instant } from '../../src/datapath/instant.js';
import type { Milestone, ResultState } from '../../src/datapath/result-state.js';
import type { MilestoneName } from '../../src/datapath/vocabulary.js';
import { MILESTONE_NAMES } from '../../src/datapath/vocabulary.js';
import { projectResult, resultName, toResource, toStatus } from '../../src/modules/results/result-conversion.js';
import type { KubeObject } from '../../src/modules/kube/resource.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { serveDefinition } from '../support/definitions.js';

const CRD = fileURLToPath(new URL('../../config/crd/datapath.observer_datapathresults.yaml', import.meta.url));
/** Spec and status of an ordinary result, all seven milestones and three conditions included, as JSON. */
const MAX_ORDINARY_BYTES = 1162;
const CREATED = instantOf('2026-03-01T10:00:00.123Z');

type Result = KubeObject & { readonly spec: object; readonly status?: object };

describe('the DatapathResult resource', () => {
  let controlPlane: ControlPlane;

  beforeAll(async () => {
    controlPlane = await startControlPlane({ audit: false });
    await serveDefinition(controlPlane, CRD, 'datapathresults.datapath.observer');
  }, 120_000);
  afterAll(async () => {
    await controlPlane?.stop();
  });

  it('takes what the controller writes of an ordinary Pod, in little room, and gives it back unchanged', async () => {
    const state = typicalState('11111111-2222-4333-8444-555555555555');
    await create(toResource(state));
    const stored = await writeStatus(resultName(state.uid), toStatus(state, undefined, CREATED));
    expect(JSON.stringify({ spec: stored.spec, status: stored.status }).length).toBeLessThanOrEqual(MAX_ORDINARY_BYTES);
    expect(projectResult(stored).state).toEqual(state);
  });

  it('takes what the controller writes of the worst Pod', async () => {
    const state: ResultState = {
      ...typicalState('worst'),
      name: 'p'.repeat(253),
      ownerKind: 'K'.repeat(63),
      ownerName: 'o'.repeat(253),
      runName: 'r'.repeat(63),
      outcome: 'Failed',
      nodeName: 'n'.repeat(253),
      startedAt: instantOf('1970-01-01T00:00:00.123456789Z'),
      datapathReadyAt: instantOf('9999-12-31T23:59:59.123456789Z'),
      datapathDelayMs: 2 ** 31,
      milestones: MILESTONE_NAMES.map((name) => ({
        name,
        at: CREATED,
        source: 'TerminationMessage',
        resolutionMs: 1000,
      })),
      probe: {
        target: '☃'.repeat(400),
        attempts: 2 ** 31,
        lastError: { kind: 'connectTimeout', message: '☃'.repeat(400) },
        phases: { dnsMs: 2 ** 31, connectMs: 2 ** 31, tlsMs: 2 ** 31, firstByteMs: 2 ** 31 },
      },
      failure: { class: 'ProbeTimeout', message: '☃'.repeat(512) },
      uncertaintyMs: 1000,
      clockSkew: { behindMs: 1_772_359_200_000, aheadMs: 253_402_300_799_999 },
      restarts: 2 ** 31,
      podDeletedAt: CREATED,
    };
    await create(toResource(state));
    const stored = await writeStatus(resultName(state.uid), toStatus(state, undefined, CREATED));
    expect(projectResult(stored).state).toEqual(state);
  });

  it('shows its columns in kubectl', async () => {
    const state = typicalState('columns');
    await create(toResource(state));
    await writeStatus(resultName(state.uid), toStatus(state, undefined, CREATED));
    const [head, row] = (await controlPlane.kubectlOk(['get', 'dpr', resultName(state.uid)])).split('\n');
    expect(head?.split(/ {2,}/)).toEqual(['NAME', 'POD', 'NODE', 'OUTCOME', 'START', 'DATAPATH', 'AGE']);
    expect(row?.split(/ {2,}/)).toEqual([
      'dpresult-columns',
      'churn-7d9c6b5f4-x2x9q',
      'node-0042',
      'Ready',
      '812',
      '1046',
      expect.any(String),
    ]);
  });

  it('can be selected by Pod, outcome, node, run and failure', async () => {
    const state: ResultState = {
      ...typicalState('selected'),
      name: 'selected',
      runName: 'selected-run',
      nodeName: 'selected-node',
      outcome: 'Failed',
      failure: { class: 'ImagePull', message: '' },
    };
    await create(toResource(state));
    await writeStatus(resultName(state.uid), toStatus(state, undefined, CREATED));
    for (const selector of [
      'spec.podRef.name=selected',
      'spec.podRef.uid=selected',
      'spec.runName=selected-run',
      'status.nodeName=selected-node',
      'status.outcome=Failed,spec.podRef.name=selected',
      'status.failure.class=ImagePull',
    ]) {
      const found = await controlPlane.kubectlOk(['get', 'dpr', '-o', 'name', '--field-selector', selector]);
      expect([selector, found.trim()]).toEqual([selector, 'datapathresult.datapath.observer/dpresult-selected']);
    }
  });

  describe('refuses', () => {
    const uid = 'kept';
    beforeAll(async () => {
      const state = typicalState(uid);
      await create(toResource(state));
      await writeStatus(resultName(uid), toStatus(state, undefined, CREATED));
    });

    it.each([
      ['another creation', { createdAt: '2026-03-01T10:00:00.124Z' }],
      ['another run', { runName: 'another' }],
      ['another Pod', { podRef: { name: 'another' } }],
      ['no owner any more', { owner: null }],
    ])('a change of the spec: %s', async (_, spec) => {
      expect(await merge(uid, { spec })).toContain('spec is immutable');
    });

    it.each([
      ['a changed start', { startedAt: '2026-03-01T10:00:00.936Z' }, 'startedAt never changes'],
      ['a removed start', { startedAt: null }, 'startedAt never changes'],
      ['a changed readiness', { datapathReadyAt: '2026-03-01T10:00:01.170Z' }, 'datapathReadyAt never changes'],
      ['a Ready that fails', { outcome: 'Failed' }, 'the outcome never moves back'],
      ['a Ready that is pending again', { outcome: 'Pending' }, 'the outcome never moves back'],
      ['an unknown outcome', { outcome: 'Fine' }, 'Unsupported value: "Fine"'],
      ['no outcome', { outcome: null }, 'status.outcome: Required value'],
      ['an unknown failure class', { failure: { class: 'Bad', message: '' } }, 'Unsupported value: "Bad"'],
      ['a text that is too long', { failure: { class: 'Evicted', message: 'x'.repeat(1025) } }, 'Too long'],
      ['a date that is none', { podDeletedAt: 'yesterday' }, 'podDeletedAt'],
      ['a date with an offset', { podDeletedAt: '2026-03-01T10:00:00+01:00' }, 'podDeletedAt'],
      ['a fraction of a millisecond', { timeToStartMs: 1.5 }, 'must be of type integer'],
      ['a negative length', { uncertaintyMs: -1 }, 'greater than or equal to 0'],
      [
        'a milestone of no name',
        { milestones: [{ at: '2026-03-01T10:00:00Z', source: 'Condition', resolutionMs: 0 }] },
        'name',
      ],
      [
        'a condition of an odd status',
        { conditions: [{ type: 'Complete', status: 'Maybe' }] },
        'Unsupported value: "Maybe"',
      ],
    ])('%s', async (_, status, reason) => {
      expect(await merge(uid, { status }, 'status')).toContain(reason);
    });

    it('a name that is not made from the UID of the Pod', async () => {
      const resource = toResource(typicalState('one'));
      const renamed = { ...resource, metadata: { ...resource.metadata, name: 'dpresult-two' } };
      await expect(create(renamed)).rejects.toThrow('metadata.name must be dpresult- and the UID of the Pod');
    });

    it('a result without a Pod', async () => {
      const { spec: _, ...resource } = toResource(typicalState('specless'));
      await expect(create(resource)).rejects.toThrow('spec: Required value');
    });
  });

  it('lets a late success turn Failed into Ready, and never the other way', async () => {
    const uid = 'late';
    const { startedAt: _, datapathReadyAt: __, datapathDelayMs: ___, ...open } = typicalState(uid);
    const failed: ResultState = {
      ...open,
      outcome: 'Failed',
      failure: { class: 'DeadlineExceeded', message: '15 min' },
    };
    await create(toResource(failed));
    await writeStatus(resultName(uid), toStatus(failed, undefined, CREATED));
    expect(await merge(uid, { status: { outcome: 'Started' } }, 'status')).toContain('the outcome never moves back');
    const late = {
      outcome: 'Ready',
      failure: null,
      startedAt: '2026-03-01T10:20:00Z',
      datapathReadyAt: '2026-03-01T10:20:01Z',
    };
    expect(await merge(uid, { status: late }, 'status')).toBe('');
    expect(await merge(uid, { status: { outcome: 'Failed' } }, 'status')).toContain('the outcome never moves back');
  });

  async function create(resource: object): Promise<void> {
    await controlPlane.kubectlOk(['create', '-f', '-'], { input: JSON.stringify(resource) });
  }

  async function writeStatus(name: string, status: object): Promise<Result> {
    const patch = JSON.stringify({ status });
    return JSON.parse(
      await controlPlane.kubectlOk([
        'patch',
        'dpr',
        name,
        '--subresource=status',
        '--type=merge',
        '-p',
        patch,
        '-o',
        'json',
      ]),
    ) as Result;
  }

  /** What the API server says against a merge patch; empty when it takes it. */
  async function merge(podUid: string, body: object, subresource?: 'status'): Promise<string> {
    const { code, stderr } = await controlPlane.kubectl([
      'patch',
      'dpr',
      resultName(podUid),
      '--type=merge',
      '-p',
      JSON.stringify(body),
      ...(subresource === undefined ? [] : [`--subresource=${subresource}`]),
    ]);
    return code === 0 ? '' : stderr;
  }
});

function instantOf(text: string): Instant {
  const instant = parseInstant(text);
  if (instant === undefined) throw new Error(`${text} is no date-time`);
  return instant;
}

/** A Pod of a Deployment in a churn test, measured to the end. */
function typicalState(uid: string): ResultState {
  const after = (ms: number): Instant => CREATED + fromEpochMs(ms);
  const condition = (name: MilestoneName, at: string): Milestone => ({
    name,
    at: instantOf(at),
    source: 'Condition',
    resolutionMs: 1000,
  });
  return {
    namespace: 'default',
    name: 'churn-7d9c6b5f4-x2x9q',
    uid,
    ownerKind: 'ReplicaSet',
    ownerName: 'churn-7d9c6b5f4',
    createdAt: CREATED,
    creationSource: 'WatchReceipt',
    runName: 'slo-1',
    labels: { app: 'churn' },
    outcome: 'Ready',
    nodeName: 'node-0042',
    startedAt: after(812),
    datapathReadyAt: after(1046),
    datapathDelayMs: 234,
    milestones: [
      { name: 'created', at: CREATED, source: 'WatchReceipt', resolutionMs: 123 },
      condition('scheduled', '2026-03-01T10:00:00Z'),
      condition('sandboxReady', '2026-03-01T10:00:00Z'),
      { name: 'started', at: after(812), source: 'Annotation', resolutionMs: 0 },
      { name: 'datapathReady', at: after(1046), source: 'Annotation', resolutionMs: 0 },
      condition('initialized', '2026-03-01T10:00:00Z'),
      condition('ready', '2026-03-01T10:00:01Z'),
    ],
    probe: { target: 'tcp://10.0.0.10:8080', attempts: 3, phases: { connectMs: 2 } },
    uncertaintyMs: 123,
    restarts: 0,
  };
}
