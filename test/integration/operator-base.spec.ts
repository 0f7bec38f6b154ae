import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/modules/kube/connect.js';
import { isConflict } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { ResourceType } from '../../src/modules/kube/resource.js';
import { metaOf, ResourceEventType, type ResourceEvent } from '../../src/modules/operator/base-operator.js';
import { askLibrary, type Exposed, Ours } from '../support/base-operator-fixtures.js';
import { eventually, makeNamespace } from '../support/kube-fixtures.js';
import { randomName, serveWidgets, type Widget, widget, WIDGETS } from '../support/operator-fixtures.js';

const FINALIZER = 'operator.test/base';

const DEFINITIONS: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

/**
 * Each broken call is made twice: by the library's own class, where it fails as described, and by ours. When a new version of the library
 * mends one, its half of the test says so.
 */
describe('The base class of k8s-operator against a real API server', () => {
  let client: KubeClient;
  let namespace: string;
  const started: Exposed[] = [];

  const ours = (): Exposed & Pick<Ours, 'finalizerVersions'> => {
    const made = new Ours(client) as unknown as Exposed & Pick<Ours, 'finalizerVersions'>;
    started.push(made);
    return made;
  };
  const create = (name: string, size = 1): Promise<Widget> =>
    client.create<Widget>(WIDGETS, widget(namespace, name, { size }));
  const read = (name: string): Promise<Widget> => client.get<Widget>(WIDGETS, { namespace, name });
  const follow = (target: Exposed, onEvent: (event: ResourceEvent) => Promise<void>): Promise<void> =>
    target.watchResource('operator.test', 'v1', 'widgets', onEvent, namespace);
  const eventOf = (object: Widget): ResourceEvent =>
    ({
      meta: metaOf('widgets', object),
      object,
      type: ResourceEventType.Modified,
    }) as unknown as ResourceEvent;
  const quiet = (): Promise<void> => Promise.resolve();

  beforeAll(async () => {
    client = connect();
    await serveWidgets(client);
  });

  beforeEach(async () => {
    namespace = await makeNamespace(client, 'base');
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map(async (each) => each.stop()));
  });

  afterAll(() => {
    client.close();
  });

  it('fails in the library’s own class as is said below', async () => {
    await create('theirs');
    const plural = randomName('gadgets');
    const report = await withDefinition(plural, (file) => askLibrary('calls', namespace, file));
    expect(report).toMatchObject({
      uri: 'undefined/apis/operator.test/v1/namespaces/a/widgets',
      register: { error: 'RequiredError' },
      finalizer: { value: true },
      patchStatus: { value: null },
      setStatus: { value: null },
    });
    const { metadata, status } = await read('theirs');
    expect({ finalizers: metadata.finalizers, status }).toEqual({ finalizers: undefined, status: undefined });
    const stopped = await askLibrary('stop', namespace);
    expect(stopped).toMatchObject({ started: true, code: 1 });
    expect(stopped).not.toHaveProperty('survived');
  });

  it('names the address of a resource (the library: "undefined/apis/…")', () => {
    const uri = ours().getCustomResourceApiUri('operator.test', 'v1', 'widgets', 'a');
    expect(uri).toMatch(/^https:\/\/[^/]+\/apis\/operator.test\/v1\/namespaces\/a\/widgets$/);
  });

  it('registers a definition, and one that is registered already (the library: throws)', async () => {
    const plural = randomName('gadgets');
    await withDefinition(plural, async (file) => {
      for (let time = 0; time < 2; time += 1) {
        const registered = await ours().registerCustomResourceDefinition(file);
        expect(registered).toMatchObject({ group: 'operator.test', plural });
      }
    });
    const name = `${plural}.operator.test`;
    expect((await client.get(DEFINITIONS, { namespace: '', name })).metadata.name).toBe(name);
    await client.delete(DEFINITIONS, { namespace: '', name });
  });

  it('adds a finalizer before it says so (the library: says so and writes nothing)', async () => {
    const object = await create('ours');
    expect(await ours().handleResourceFinalizer(eventOf(object), FINALIZER, quiet)).toBe(true);
    expect((await read('ours')).metadata.finalizers).toEqual([FINALIZER]);
    expect(object.metadata.finalizers).toBeUndefined();
  });

  it('keeps a finalizer that somebody else adds at the same moment, and removes only its own', async () => {
    const object = await create('shared');
    const [a, b] = [ours(), ours()];
    await Promise.all([
      a.handleResourceFinalizer(eventOf(object), 'operator.test/a', quiet),
      b.handleResourceFinalizer(eventOf(object), 'operator.test/b', quiet),
    ]);
    expect([...((await read('shared')).metadata.finalizers ?? [])].sort()).toEqual([
      'operator.test/a',
      'operator.test/b',
    ]);
    await client.delete(WIDGETS, { namespace, name: 'shared' });
    const deleted = await read('shared');
    let cleaned = 0;
    const done = await a.handleResourceFinalizer(eventOf(deleted), 'operator.test/a', async () => {
      cleaned += 1;
    });
    expect({ done, cleaned }).toEqual({ done: true, cleaned: 1 });
    expect((await read('shared')).metadata.finalizers).toEqual(['operator.test/b']);
    await b.handleResourceFinalizer(eventOf(deleted), 'operator.test/b', quiet);
  });

  it('waits for no version of an object that its last finalizer takes along', async () => {
    const object = await create('last');
    const target = ours();
    await target.handleResourceFinalizer(eventOf(object), FINALIZER, quiet);
    const { resourceVersion } = (await read('last')).metadata;
    await client.delete(WIDGETS, { namespace, name: 'last' });
    await target.handleResourceFinalizer(eventOf(await read('last')), FINALIZER, quiet);
    expect(target.finalizerVersions).toEqual([resourceVersion, undefined]);
  });

  it('keeps the finalizer when the action fails', async () => {
    const object = await create('kept');
    const target = ours();
    await target.handleResourceFinalizer(eventOf(object), FINALIZER, quiet);
    await client.delete(WIDGETS, { namespace, name: 'kept' });
    const failing = target.handleResourceFinalizer(eventOf(await read('kept')), FINALIZER, () =>
      Promise.reject(new Error('not yet')),
    );
    await expect(failing).rejects.toThrow('not yet');
    expect((await read('kept')).metadata.finalizers).toEqual([FINALIZER]);
    await target.handleResourceFinalizer(eventOf(await read('kept')), FINALIZER, quiet);
  });

  it.each(['patchResourceStatus', 'setResourceStatus'] as const)(
    '%s writes the status (the library: answers null and writes nothing)',
    async (method) => {
      const object = await create('status');
      const meta = await ours()[method](metaOf('widgets', object), { phase: 'Ours' });
      const written = await read('status');
      expect(written.status).toEqual({ phase: 'Ours' });
      expect(meta?.resourceVersion).toBe(written.metadata.resourceVersion);
    },
  );

  it('throws when a status write loses a race (the library: logs it)', async () => {
    const object = await create('race');
    await client.patch(WIDGETS, { namespace, name: 'race' }, { spec: { size: 2 } }, { kind: 'merge' });
    for (const method of ['patchResourceStatus', 'setResourceStatus'] as const) {
      const error: unknown = await ours()
        [method](metaOf('widgets', object), { phase: 'Late' })
        .catch((caught: unknown) => caught);
      expect(isConflict(error)).toBe(true);
    }
    expect((await read('race')).status).toBeUndefined();
  });

  it('delivers what is added, changed and deleted, and stops (the library: ends the process)', async () => {
    const events: string[] = [];
    const target = ours();
    await create('before');
    await follow(target, async (event) => {
      events.push(`${event.type} ${event.meta.name} ${(event.object as unknown as Widget).spec?.size}`);
    });
    await eventually('the first is there', () => events.includes('ADDED before 1'));
    await create('a');
    await eventually('it is added', () => events.includes('ADDED a 1'));
    await client.patch(WIDGETS, { namespace, name: 'a' }, { spec: { size: 2 } }, { kind: 'merge' });
    await eventually('it is modified', () => events.includes('MODIFIED a 2'));
    await client.delete(WIDGETS, { namespace, name: 'a' });
    await eventually('it is deleted', () => events.includes('DELETED a 2'));
    await target.stop();
    await create('after');
    expect(events).toEqual(['ADDED before 1', 'ADDED a 1', 'MODIFIED a 2', 'DELETED a 2']);
  });

  it('calls a handler that fails again until it succeeds', async () => {
    let calls = 0;
    await create('stubborn');
    await follow(ours(), async () => {
      calls += 1;
      if (calls < 4) throw new Error('not yet');
    });
    await eventually('it is called four times', () => calls === 4);
  });

  it('keeps a deletion and the addition after it apart while the handler is busy', async () => {
    const events: string[] = [];
    const gate = { open: (): void => undefined };
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const target = ours();
    await create('phoenix');
    await follow(target, async (event) => {
      events.push(`${event.type} ${(event.object as unknown as Widget).spec?.size}`);
      if (events.length === 1) await opened;
    });
    await eventually('the handler is busy', () => events.length === 1);
    await client.delete(WIDGETS, { namespace, name: 'phoenix' });
    await create('phoenix', 7);
    await create('marker');
    await eventually('the marker came through', () => events.includes('ADDED 1') && events.length >= 2);
    gate.open();
    await eventually('all came through', () => events.includes('ADDED 7'));
    expect(events.filter((event) => event !== 'ADDED 1')).toEqual(['DELETED 1', 'ADDED 7']);
  });
});

/** Calls `use` with a file that defines `plural`. */
async function withDefinition<R>(plural: string, use: (file: string) => Promise<R>): Promise<R> {
  const folder = await mkdtemp(join(tmpdir(), 'crd-'));
  const file = join(folder, 'crd.yaml');
  try {
    await writeFile(
      file,
      `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: ${plural}.operator.test }
spec:
  group: operator.test
  scope: Namespaced
  names: { plural: ${plural}, singular: ${plural}s, kind: K${plural.replaceAll('-', '')} }
  versions: [{ name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object } } }]
`,
    );
    return await use(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}
