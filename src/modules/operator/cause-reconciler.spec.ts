import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../test/support/fake-clock.js';
import type { KubeClient } from '../kube/kube-client.js';
import { LogDigest } from '../kube/log-digest.js';
import { silentLogger } from '../kube/logger.js';
import { CauseReconciler, type CauseReconcilerPorts } from './cause-reconciler.js';
import { OnDelete, Operator } from './operator.decorators.js';
import { readDefinition } from './operator-definition.js';
import { wholeObject } from './operator-options.js';
import { RunningRequest } from './reconcile-request.js';

const resource = { group: 'example.com', version: 'v1', plural: 'widgets', kind: 'Widget', namespaced: true };

@Operator({ name: 'holder', resource })
class Holder {
  @OnDelete()
  cleanUp(): void {
    throw new Error('nothing is deleted here');
  }
}

function make(finalize: CauseReconcilerPorts['finalize']): CauseReconciler {
  const definition = readDefinition(new Holder());
  if (definition === undefined) throw new Error('it is declared');
  const cached = wholeObject({
    metadata: { namespace: 'web', name: 'a', uid: 'u', resourceVersion: '1', generation: 1 },
  });
  const clock = new FakeClock();
  return new CauseReconciler(definition, {
    // Nothing is asked of it before the finalizer is there.
    client: {} as KubeClient,
    clock,
    logger: silentLogger,
    digest: new LogDigest(silentLogger, clock),
    store: {
      synced: true,
      size: 1,
      get: () => cached,
      getByUid: () => cached,
      values: () => [cached].values(),
    },
    finalize,
    recordWrite: () => undefined,
    recordEvent: () => undefined,
    onTerminal: () => undefined,
  });
}

describe('A finalizer that is to be set', () => {
  const run = (reconciler: CauseReconciler) => reconciler.reconcile(new RunningRequest('web/a', 1, 'test', 0));

  it('runs the key again once the cache shows it', async () => {
    expect(await run(make(() => Promise.resolve(true)))).toEqual({ requeueAfterMs: 0 });
  });

  it('waits for the next event where the object is gone and the cache is behind, instead of asking again and again', async () => {
    expect(await run(make(() => Promise.resolve(false)))).toBeUndefined();
  });
});
