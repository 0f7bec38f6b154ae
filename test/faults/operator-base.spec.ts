import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { askLibrary, type Exposed, Ours } from '../support/base-operator-fixtures.js';
import { eventually, makeNamespace } from '../support/kube-fixtures.js';
import { serveWidgets, widget, WIDGETS } from '../support/operator-fixtures.js';

describe('The base class of k8s-operator on a quiet watch', () => {
  let client: KubeClient;

  beforeAll(async () => {
    client = connect();
    await serveWidgets(client);
  });

  afterAll(() => {
    client.close();
  });

  it('lives through half a minute without an event (the library: ends the process)', async () => {
    const namespace = await makeNamespace(client, 'quiet');
    const target = new Ours(client) as unknown as Exposed;
    const events: string[] = [];
    await target.watchResource(
      'operator.test',
      'v1',
      'widgets',
      async (event) => {
        events.push(event.meta.name);
      },
      namespace,
    );
    expect(await askLibrary('quiet', namespace)).toEqual({ started: true, code: 1 });
    await client.create(WIDGETS, widget(namespace, 'late'));
    await eventually('ours still watches', () => events.includes('late'));
    await target.stop();
  }, 60_000);
});
