import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { connect } from '../../src/modules/kube/connect.js';
import { isNotFound } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import type { KubeObject } from '../../src/modules/kube/resource.js';
import {
  EVENTS,
  type HandlerContext,
  OnCreate,
  OnDelete,
  OnField,
  OnResume,
  OnTimer,
  OnUpdate,
  Operator,
  type OperatorOptions,
  PermanentError,
} from '../../src/modules/operator/index.js';
import { eventually, makeNamespace } from '../support/kube-fixtures.js';
import {
  type RunningOperators,
  runOperators,
  serveWidgets,
  type Widget,
  widget,
  WIDGETS,
} from '../support/operator-fixtures.js';

let namespace = '';
const FINALIZER = 'operator.test/caretaker';

class Diary {
  readonly lines: string[] = [];
  /** What a handler does, by its method: for the tests that make one fail. */
  readonly behaviour = new Map<string, (object: Widget, context: HandlerContext) => void>();

  note(method: string, object: Widget, context: HandlerContext): void {
    this.lines.push(`${method} ${object.metadata.name} ${object.spec?.size ?? '-'}`);
    this.behaviour.get(method)?.(object, context);
  }

  count(line: string): number {
    return this.lines.filter((entry) => entry === line).length;
  }
}

@Operator({ name: 'caretaker', resource: WIDGETS })
@Injectable()
class Caretaker {
  constructor(private readonly diary: Diary) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace], queue: { backoff: { initialMs: 20, factor: 2, maxMs: 100, jitter: 0 } } };
  }

  @OnCreate()
  created(object: Widget, context: HandlerContext): void {
    this.diary.note('create', object, context);
    context.setStatus({ made: true });
    context.setCondition({ type: 'Ready', status: 'True', reason: 'Made', message: '' });
  }

  @OnCreate({ labels: { fragile: 'yes' }, retries: 3, retryDelayMs: 10 })
  fragile(object: Widget, context: HandlerContext): void {
    this.diary.note(`fragile ${context.attempt}`, object, context);
    throw new Error('it always breaks');
  }

  @OnUpdate()
  updated(object: Widget, context: HandlerContext): void {
    this.diary.note('update', object, context);
  }

  @OnResume()
  resumed(object: Widget, context: HandlerContext): void {
    this.diary.note('resume', object, context);
  }

  @OnDelete()
  deleted(object: Widget, context: HandlerContext): void {
    this.diary.note('delete', object, context);
  }

  @OnField('spec.color')
  colored(object: Widget, context: HandlerContext): void {
    this.diary.note(`color ${String(context.previous)}->${String(context.value)}`, object, context);
  }

  @OnTimer({ intervalMs: 50, labels: { ticking: 'yes' } })
  tick(object: Widget, context: HandlerContext): void {
    this.diary.note('tick', object, context);
  }
}

describe('Handlers of causes against a real API server', () => {
  let client: KubeClient;
  let running: RunningOperators | undefined;
  let diary: Diary;

  const start = async (): Promise<void> => {
    running = await runOperators([Caretaker, { provide: Diary, useValue: diary }]);
  };
  const restart = async (): Promise<void> => {
    await running?.stop();
    diary.lines.length = 0;
    await start();
  };
  const read = (name: string): Promise<Widget> => client.get<Widget>(WIDGETS, { namespace, name });
  const patch = (name: string, body: unknown): Promise<Widget> =>
    client.patch<Widget>(WIDGETS, { namespace, name }, body, { kind: 'merge' });
  const observed = (name: string): Promise<void> =>
    eventually(`${name} is handled`, async () => {
      const { metadata, status } = await read(name);
      return status?.observedGeneration === metadata.generation;
    });
  const gone = (name: string): Promise<void> =>
    eventually(`${name} is gone`, async () => {
      try {
        await read(name);
        return false;
      } catch (error) {
        if (isNotFound(error)) return true;
        throw error;
      }
    });

  beforeAll(async () => {
    client = connect();
    await serveWidgets(client);
  });

  beforeEach(async () => {
    namespace = await makeNamespace(client, 'causes');
    diary = new Diary();
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  afterAll(() => {
    client.close();
  });

  it('handles a creation once, with the finalizer set before, and says so in the status', async () => {
    await start();
    diary.behaviour.set('create', (object) => {
      expect(object.metadata.finalizers).toContain(FINALIZER);
    });
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    await observed('a');
    expect(diary.count('create a 1')).toBe(1);
    const { status } = await read('a');
    expect(status).toMatchObject({
      made: true,
      observedGeneration: 1,
      conditions: [{ type: 'Ready', status: 'True', observedGeneration: 1 }],
    });
    expect(diary.lines.filter((line) => line.startsWith('update'))).toEqual([]);
  });

  it('handles a change of the spec as an update, and its own status write as nothing', async () => {
    await start();
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    await observed('a');
    await patch('a', { spec: { size: 2 } });
    await observed('a');
    await patch('a', { metadata: { labels: { some: 'label' } } });
    await client.create(WIDGETS, widget(namespace, 'b', { size: 1 }));
    await observed('b');
    expect(diary.lines.filter((line) => / a /.test(line) && !line.startsWith('color'))).toEqual([
      'create a 1',
      'update a 2',
    ]);
  });

  it('tells after a restart what changed meanwhile: created, updated, or only to be resumed', async () => {
    await start();
    await client.create(WIDGETS, widget(namespace, 'same', { size: 1 }));
    await client.create(WIDGETS, widget(namespace, 'changed', { size: 1 }));
    await observed('same');
    await observed('changed');
    await running?.stop();
    await patch('changed', { spec: { size: 2 } });
    await client.create(WIDGETS, widget(namespace, 'new', { size: 1 }));
    await restart();
    await observed('changed');
    await observed('new');
    await eventually('the unchanged one is resumed', () => diary.count('resume same 1') === 1);
    expect(diary.lines.filter((line) => !line.startsWith('color')).sort()).toEqual([
      'create new 1',
      'resume same 1',
      'update changed 2',
    ]);
  });

  it('holds an object until its deletion handler succeeded, and keeps the finalizer through errors', async () => {
    await start();
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    await observed('a');
    let broken = true;
    diary.behaviour.set('delete', () => {
      if (broken) throw new Error('the backend is away');
    });
    await client.delete(WIDGETS, { namespace, name: 'a' });
    await eventually('the handler was tried three times', () => diary.count('delete a 1') >= 3);
    expect((await read('a')).metadata.finalizers).toContain(FINALIZER);
    broken = false;
    await gone('a');
  });

  it('runs the deletion handler for an object that was deleted while no operator ran', async () => {
    await start();
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    await observed('a');
    await running?.stop();
    await client.delete(WIDGETS, { namespace, name: 'a' });
    await restart();
    await gone('a');
    expect(diary.count('delete a 1')).toBe(1);
  });

  it("removes its own finalizer only, and leaves others' alone", async () => {
    await start();
    const other = 'example.com/other';
    const object = widget(namespace, 'a', { size: 1 });
    await client.create(WIDGETS, { ...object, metadata: { ...object.metadata, finalizers: [other] } });
    await observed('a');
    expect((await read('a')).metadata.finalizers).toEqual([other, FINALIZER]);
    await client.delete(WIDGETS, { namespace, name: 'a' });
    await eventually('only the other finalizer is left', async () => {
      const { metadata } = await read('a');
      return metadata.finalizers?.join() === other;
    });
    await patch('a', { metadata: { finalizers: null } });
    await gone('a');
  });

  it('gives a handler up after a PermanentError until the object changes, and counts it', async () => {
    await start();
    diary.behaviour.set('create', () => {
      throw new PermanentError('size is nonsense');
    });
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    await observed('a');
    expect(diary.count('create a 1')).toBe(1);
    expect(await running?.metric('controller_runtime_terminal_reconcile_errors_total')).toBe(1);
    await eventually('people are told', async () => {
      const { items } = await client.list<KubeObject & { readonly note?: string; readonly reason?: string }>(EVENTS, {
        namespace,
      });
      return items.some(({ reason, note }) => reason === 'HandlerGaveUp' && note === 'size is nonsense');
    });
    await patch('a', { spec: { size: 2 } });
    await observed('a');
    expect(diary.count('update a 2')).toBe(1);
  });

  it('gives a handler up after as many tries as it may have, and goes on without it', async () => {
    await start();
    const object = widget(namespace, 'a', { size: 1 });
    await client.create(WIDGETS, { ...object, metadata: { ...object.metadata, labels: { fragile: 'yes' } } });
    await observed('a');
    expect(diary.lines.filter((line) => line.startsWith('fragile'))).toEqual([
      'fragile 1 a 1',
      'fragile 2 a 1',
      'fragile 3 a 1',
    ]);
    expect(diary.count('create a 1')).toBe(1);
    expect(await running?.metric('controller_runtime_terminal_reconcile_errors_total')).toBe(1);
  });

  it('does not repeat a handler that succeeded while another of the same cause is retried', async () => {
    await start();
    let failures = 3;
    diary.behaviour.set('color undefined->red', () => {
      failures -= 1;
      if (failures >= 0) throw new Error('no paint');
    });
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1, color: 'red' }));
    await observed('a');
    expect(diary.count('create a 1')).toBe(1);
    expect(diary.count('color undefined->red a 1')).toBe(4);
  });

  it('calls a handler of a field when its value changes, with the value before', async () => {
    await start();
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1, color: 'red' }));
    await observed('a');
    await patch('a', { spec: { size: 2 } });
    await observed('a');
    await patch('a', { spec: { color: 'blue' } });
    await observed('a');
    expect(diary.lines.filter((line) => line.startsWith('color'))).toEqual([
      'color undefined->red a 1',
      'color red->blue a 2',
    ]);
  });

  it('does not call a handler of a field of the spec after a restart when nothing changed', async () => {
    await start();
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1, color: 'red' }));
    await observed('a');
    await restart();
    await eventually('it is resumed', () => diary.count('resume a 1') === 1);
    await patch('a', { spec: { color: 'blue' } });
    await observed('a');
    expect(diary.lines.filter((line) => line.startsWith('color'))).toEqual(['color red->blue a 1']);
  });

  it('runs a timer again and again while its filter holds', async () => {
    await start();
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    await observed('a');
    expect(diary.count('tick a 1')).toBe(0);
    await patch('a', { metadata: { labels: { ticking: 'yes' } } });
    await eventually('it ticked three times', () => diary.count('tick a 1') >= 3);
    await patch('a', { metadata: { labels: { ticking: 'no' } }, spec: { size: 2 } });
    await observed('a');
    const ticks = diary.lines.filter((line) => line.startsWith('tick')).length;
    await patch('a', { spec: { size: 3 } });
    await observed('a');
    expect(diary.lines.filter((line) => line.startsWith('tick'))).toHaveLength(ticks);
  });

  it('lets go of every object when it is to be uninstalled', async () => {
    await start();
    for (const name of ['a', 'b']) {
      await client.create(WIDGETS, widget(namespace, name, { size: 1 }));
      await observed(name);
    }
    await client.create(WIDGETS, { ...widget(namespace, 'c', { size: 1 }) });
    await observed('c');
    await client.delete(WIDGETS, { namespace, name: 'c' });
    await gone('c');
    expect(await running?.engine.releaseObjects()).toBe(2);
    expect((await read('a')).metadata.finalizers).toBeUndefined();
    await client.delete(WIDGETS, { namespace, name: 'b' });
    await gone('b');
    expect(diary.count('delete b 1')).toBe(0);
  });

  it('never adds its finalizer to an object that is being deleted', async () => {
    const other = 'example.com/other';
    const object = widget(namespace, 'a', { size: 1 });
    await client.create(WIDGETS, { ...object, metadata: { ...object.metadata, finalizers: [other] } });
    await client.delete(WIDGETS, { namespace, name: 'a' });
    await start();
    await client.create(WIDGETS, widget(namespace, 'b', { size: 1 }));
    await observed('b');
    expect((await read('a')).metadata.finalizers).toEqual([other]);
    expect(diary.lines.filter((line) => line.includes(' a '))).toEqual([]);
    await patch('a', { metadata: { finalizers: null } });
  });
});
