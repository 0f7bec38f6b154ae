import { describe, expect, it } from '@jest/globals';
import { NS_PER_MS, parseInstant } from '../../datapath/instant.js';
import type { PodObservation } from '../../datapath/pod-observation.js';
import type { ReflectorEvent } from '../kube/resource.js';
import { projectResult, resultName, toResource, toStatus } from './result-conversion.js';
import type { ResultView } from './result-conversion.js';
import { ResultIndex } from './result-index.js';
import { ResultTracker } from './result-tracker.js';

const CREATED = '2026-11-22T10:00:00Z';
const created = parseInstant(CREATED) ?? 0n;
const at = (ms: number): bigint => created + BigInt(ms) * NS_PER_MS;

function pod(changes: Partial<PodObservation> = {}): PodObservation {
  return {
    namespace: 'shop',
    name: 'web-1',
    uid: 'uid-1',
    resourceVersion: '1',
    labels: {},
    creationTimestamp: CREATED,
    phase: 'Running',
    restartPolicy: 'Always',
    ...changes,
  };
}

/** A tracker over a Pod cache that a test fills, as the watch does: the store changes before its event is delivered. */
function setUp(selective = false): {
  index: ResultIndex;
  tracker: ResultTracker;
  see: (event: ReflectorEvent<PodObservation>) => void;
} {
  const index = new ResultIndex();
  const pods = new Map<string, PodObservation>();
  const tracker = new ResultTracker({
    index,
    selective,
    pods: { getByUid: (uid) => pods.get(uid) },
    selects: () => true,
    runNameOf: () => 'run-1',
    isArchived: () => false,
  });
  const see = (event: ReflectorEvent<PodObservation>): void => {
    if (event.type === 'Deleted') pods.delete(event.object.uid);
    else if (event.type !== 'Synced') pods.set(event.object.uid, event.object);
    tracker.onPod(event);
  };
  return { index, tracker, see };
}

function stored(index: ResultIndex, uid = 'uid-1'): ResultView {
  const state = index.get(uid);
  if (state === undefined) throw new Error('not in the index');
  const resource = toResource(state);
  return projectResult({
    ...resource,
    metadata: {
      ...resource.metadata,
      name: resultName(uid),
      uid: `result-${uid}`,
      resourceVersion: '5',
      generation: 1,
    },
    status: toStatus(state, undefined, at(9_000)),
  } as never);
}

describe('ResultTracker', () => {
  it('takes the live receipt as the creation instant, a list not', () => {
    const live = setUp();
    live.see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    expect(live.index.get('uid-1')).toMatchObject({ createdAt: at(300), creationSource: 'WatchReceipt' });
    const listed = setUp();
    listed.see({ type: 'Added', object: pod(), live: false, receivedAt: at(300) });
    expect(listed.index.get('uid-1')).toMatchObject({ createdAt: created, creationSource: 'CreationTimestamp' });
  });

  it('after a restart keeps what was stored, whichever list comes first', () => {
    const before = setUp();
    before.see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    before.see({
      type: 'Modified',
      object: pod({ startedAt: '2026-11-22T10:00:01Z' }),
      previous: pod(),
      live: true,
      receivedAt: at(1_100),
    });
    const view = stored(before.index);
    const listedPod = pod({ startedAt: '2026-11-22T10:00:01Z', readyAt: '2026-11-22T10:00:02Z' });
    const podEvent = { type: 'Added', object: listedPod, live: false, receivedAt: at(8_000) } as const;
    const resultEvent = { type: 'Added', object: view, live: false, receivedAt: at(8_000) } as const;

    const podsFirst = setUp();
    podsFirst.see(podEvent);
    podsFirst.tracker.onResult(resultEvent);
    const resultsFirst = setUp();
    resultsFirst.tracker.onResult(resultEvent);
    resultsFirst.see(podEvent);

    for (const { index } of [podsFirst, resultsFirst]) {
      expect(index.get('uid-1')).toMatchObject({
        createdAt: at(300),
        creationSource: 'WatchReceipt',
        uncertaintyMs: 301,
        outcome: 'Ready',
        datapathReadyAt: at(2_000),
      });
    }
  });

  it('lets no echo of an older write take back what is known by now', () => {
    const { index, tracker, see } = setUp();
    see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    const echo = stored(index);
    const readyPod = pod({ readyAt: '2026-11-22T10:00:02Z' });
    see({ type: 'Modified', object: readyPod, previous: pod(), live: true, receivedAt: at(2_100) });
    const known = index.get('uid-1');
    const changes: unknown[] = [];
    index.changes.subscribe((change) => changes.push(change));
    tracker.onResult({ type: 'Modified', object: echo, previous: echo, live: true, receivedAt: at(2_200) });
    expect(index.get('uid-1')).toEqual(known);
    expect(changes).toEqual([]);
  });

  it('keeps the record of a Pod that was deleted, also when its name comes back with another uid', () => {
    const { index, see } = setUp();
    see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    see({ type: 'Deleted', object: pod(), stale: false, receivedAt: at(900) });
    const successor = pod({ uid: 'uid-2', readyAt: '2026-11-22T10:00:02Z' });
    see({ type: 'Added', object: successor, live: true, receivedAt: at(950) });
    expect(index.get('uid-1')).toMatchObject({ outcome: 'Aborted', failure: { class: 'DeletedBeforeStart' } });
    expect(index.get('uid-2')).toMatchObject({ outcome: 'Ready' });
  });

  it('says of a deletion found by a relist that the report was lost', () => {
    const { index, see } = setUp();
    see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    see({ type: 'Deleted', object: pod(), stale: true, receivedAt: at(60_000) });
    expect(index.get('uid-1')).toMatchObject({ outcome: 'Failed', failure: { class: 'ReportLost' } });
  });

  it('forgets a result that was deleted, unless its Pod still lives', () => {
    const { index, tracker, see } = setUp();
    see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    const view = stored(index);
    tracker.onResult({ type: 'Deleted', object: view, stale: false, receivedAt: at(400) });
    expect(index.size).toBe(1);
    see({ type: 'Deleted', object: pod(), stale: false, receivedAt: at(900) });
    tracker.onResult({ type: 'Deleted', object: view, stale: false, receivedAt: at(1_000) });
    expect(index.size).toBe(0);
  });
});

describe('a watch narrowed by a selector', () => {
  it('takes a deletion for no proof that the Pod is gone, and keeps its last state for whoever finds out', () => {
    const { index, tracker, see } = setUp(true);
    see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    const last = pod({ startedAt: '2026-11-22T10:00:01Z' });
    see({ type: 'Deleted', object: last, stale: false, receivedAt: at(1_200) });
    expect(index.get('uid-1')).toMatchObject({ outcome: 'Started', startedAt: at(1_000) });
    expect(tracker.takeDeparted('uid-1')).toBe(last);
    expect(tracker.takeDeparted('uid-1')).toBeUndefined();
  });

  it('goes on with a Pod that matches again', () => {
    const { index, tracker, see } = setUp(true);
    see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    see({ type: 'Deleted', object: pod(), stale: false, receivedAt: at(900) });
    see({ type: 'Added', object: pod({ readyAt: '2026-11-22T10:00:02Z' }), live: true, receivedAt: at(5_000) });
    expect(index.get('uid-1')).toMatchObject({ outcome: 'Ready', createdAt: at(300) });
    expect(tracker.takeDeparted('uid-1')).toBeUndefined();
  });
});

describe('stored results', () => {
  it('of a Pod in another namespace, or under another name, are not believed', () => {
    const { index, see } = setUp();
    see({ type: 'Added', object: pod(), live: true, receivedAt: at(300) });
    const state = index.get('uid-1');
    if (state === undefined) throw new Error('not in the index');
    const resource = toResource(state);
    const view = (metadata: object): ResultView =>
      projectResult({ ...resource, metadata: { ...resource.metadata, ...metadata } } as never);
    expect(view({}).state).toBeDefined();
    expect(view({ namespace: 'elsewhere' }).state).toBeUndefined();
    expect(view({ name: resultName('uid-2') }).state).toBeUndefined();
  });

  it('whose derived fields were edited by hand are told as edited', () => {
    const { index, see } = setUp();
    see({ type: 'Added', object: pod({ startedAt: '2026-11-22T10:00:01Z' }), live: true, receivedAt: at(1_300) });
    const state = index.get('uid-1');
    if (state === undefined) throw new Error('not in the index');
    const status = toStatus(state, undefined, at(9_000));
    const view = (changes: object): ResultView =>
      projectResult({ ...toResource(state), status: { ...status, ...changes } } as never);
    expect(view({}).edited).toBe(false);
    expect(view({ timeToStartMs: 1 }).edited).toBe(true);
  });

  it('say after the way through the resource what they said before', () => {
    const { index, see } = setUp();
    const full = pod({
      nodeName: 'node-1',
      ownerKind: 'ReplicaSet',
      ownerName: 'web',
      labels: { app: 'web' },
      startedAt: '2026-11-22T10:00:01.000000001Z',
      readyAt: '2026-11-22T10:00:02.5Z',
      scheduled: { status: true, at: '2026-11-22T10:00:00Z' },
    });
    see({ type: 'Added', object: full, live: true, receivedAt: at(300) });
    expect(stored(index).state).toEqual(index.get('uid-1'));
  });
});
