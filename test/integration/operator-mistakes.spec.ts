import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { type LogFields, silentLogger } from '../../src/modules/kube/logger.js';
import type { ResourceType } from '../../src/modules/kube/resource.js';
import {
  type HandlerContext,
  Index,
  OnCreate,
  OnEvent,
  OnField,
  OnTimer,
  Operator,
  type OperatorOptions,
  PermanentError,
  Reconcile,
  type ReconcileRequest,
  watch,
} from '../../src/modules/operator/index.js';
import { CONFIG_MAPS, eventually, makeNamespace, projectConfigMap, putConfigMap } from '../support/kube-fixtures.js';
import {
  type RunningOperators,
  runOperators,
  serve,
  serveWidgets,
  type Widget,
  widget,
  WIDGETS,
} from '../support/operator-fixtures.js';

/** As widgets, but with a strict status that forgets what it doesn't know. */
const GADGETS: ResourceType = { ...WIDGETS, plural: 'gadgets', kind: 'Gadget' };

let namespace = '';
const quickly = { queue: { backoff: { initialMs: 20, factor: 2, maxMs: 100, jitter: 0 } } };

class Diary {
  readonly lines: string[] = [];

  count(line: string): number {
    return this.lines.filter((entry) => entry === line).length;
  }
}

@Operator({ name: 'two-fields', resource: WIDGETS })
@Injectable()
class TwoFields {
  constructor(@Inject(Diary) private readonly diary: Diary) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace], ...quickly };
  }

  @OnField('spec.size')
  @OnField('spec.color')
  changed(_object: Widget, { previous, value }: HandlerContext): void {
    this.diary.lines.push(`${String(previous)}->${String(value)}`);
  }
}

@Operator({ name: 'timers', resource: WIDGETS })
@Injectable()
class Timers {
  constructor(@Inject(Diary) private readonly diary: Diary) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace], ...quickly };
  }

  @OnTimer({ intervalMs: 10 })
  ends(): void {
    this.diary.lines.push('ends');
    throw new PermanentError('not for this one');
  }

  @OnTimer({ intervalMs: 10 })
  fails(): void {
    this.diary.lines.push('fails');
    throw new Error('not now');
  }

  @OnTimer({ intervalMs: 10 })
  works(): void {
    this.diary.lines.push('works');
  }
}

@Operator({ name: 'forgetful', resource: GADGETS })
@Injectable()
class Forgetful {
  constructor(@Inject(Diary) private readonly diary: Diary) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace], ...quickly };
  }

  @OnCreate()
  created({ metadata, spec }: Widget, { setStatus }: HandlerContext): void {
    this.diary.lines.push(`create ${metadata.name}`);
    setStatus({ made: spec?.color === undefined ? true : 'in a manner of speaking' });
    if (spec?.color !== undefined) throw new Error('no paint');
  }

  @OnTimer({ intervalMs: 10 })
  tick({ metadata }: Widget): void {
    this.diary.lines.push(`tick ${metadata.name}`);
  }
}

@Operator({
  name: 'careless',
  resource: CONFIG_MAPS,
  project: projectConfigMap,
  predicate: () => {
    throw new Error('a broken predicate');
  },
  watches: [
    watch({
      resource: WIDGETS,
      project: ({ metadata: { namespace: place = '', name, uid = '', resourceVersion = '' } }) => ({
        namespace: place,
        name,
        uid,
        resourceVersion,
      }),
      toKeys: () => {
        throw new Error('a broken key map');
      },
    }),
  ],
})
@Injectable()
class Careless {
  constructor(@Inject(Diary) private readonly diary: Diary) {}

  operatorOptions(): Partial<OperatorOptions> {
    return { namespaces: [namespace] };
  }

  @OnEvent(CONFIG_MAPS)
  async onEvent(): Promise<void> {
    await Promise.resolve();
    throw new Error('a broken handler');
  }

  @Index('careless')
  value(): string {
    throw new Error('a broken index');
  }

  @Reconcile()
  reconcile({ name }: ReconcileRequest): void {
    this.diary.lines.push(`run ${name}`);
  }
}

describe('What those who write handlers get wrong, against a real API server', () => {
  let client: KubeClient;
  let running: RunningOperators | undefined;
  let diary: Diary;
  let loud: [string, LogFields | undefined][];

  const start = async (type: new (diary: Diary) => object): Promise<void> => {
    const note = (message: string, fields?: LogFields): void => {
      loud.push([message, fields]);
    };
    running = await runOperators([type, { provide: Diary, useValue: diary }], {
      logger: { ...silentLogger, warn: note, error: note },
    });
  };

  beforeAll(async () => {
    client = connect();
    await serveWidgets(client);
    await serve(client, GADGETS, { type: 'object', properties: { made: { type: 'boolean' } } });
  });

  beforeEach(async () => {
    namespace = await makeNamespace(client, 'mistakes');
    diary = new Diary();
    loud = [];
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  afterAll(() => {
    client.close();
  });

  it('tells each of two fields on one method its own value', async () => {
    await start(TwoFields);
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1, color: 'red' }));
    await eventually('both are told', () => diary.lines.length === 2);
    await client.patch(WIDGETS, { namespace, name: 'a' }, { spec: { color: 'blue' } }, { kind: 'merge' });
    await eventually('it is told', () => diary.lines.length >= 3);
    await eventually('it rests', async () => {
      const { status } = await client.get<Widget>(WIDGETS, { namespace, name: 'a' });
      return status?.observedGeneration === 2;
    });
    expect(diary.lines.slice(0, 2).sort()).toEqual(['undefined->1', 'undefined->red']);
    expect(diary.lines.slice(2)).toEqual(['red->blue']);
  });

  it('runs the other timers of an object when one fails, and gives one up until the object changes', async () => {
    await start(Timers);
    await client.create(WIDGETS, widget(namespace, 'a', { size: 1 }));
    await eventually('the others go on', () => diary.count('works') >= 3 && diary.count('fails') >= 3);
    expect(diary.count('ends')).toBe(1);
    await client.patch(WIDGETS, { namespace, name: 'a' }, { spec: { size: 2 } }, { kind: 'merge' });
    await eventually('it is tried again', () => diary.count('ends') === 2);
  });

  it('says once that a status keeps no observedGeneration, and repeats no handler while it runs', async () => {
    await start(Forgetful);
    await client.create(GADGETS, { ...widget(namespace, 'a', { size: 1 }), kind: 'Gadget' });
    await eventually('it ticks', () => diary.count('tick a') >= 5);
    expect(diary.count('create a')).toBe(1);
    const message = 'The status keeps no observedGeneration, so that a restart handles every object as new';
    expect(loud.filter(([text]) => text === message)).toEqual([
      [message, expect.objectContaining({ operator: 'forgetful', resource: 'gadgets.operator.test' })],
    ]);
  });

  it('tells the error of a handler, also when the status that it wished for is refused', async () => {
    await start(Forgetful);
    await client.create(GADGETS, { ...widget(namespace, 'a', { color: 'red' }), kind: 'Gadget' });
    await eventually('it was tried again', () => diary.count('create a') >= 2);
    const errors = new Map(loud.map(([message, fields]) => [message, fields?.['error']]));
    expect(errors.get('Reconcile failed')).toBe('Error: no paint');
    expect(errors.get('Status could not be written after a handler failed')).toMatch(/status.made.*boolean/);
  });

  it('runs a key although its predicate, key map, index and asynchronous handler of events fail, and counts each', async () => {
    await start(Careless);
    await putConfigMap(client, namespace, 'a', '1');
    await client.create(WIDGETS, widget(namespace, 'w'));
    await eventually('it runs', () => diary.count('run a') > 0);
    const failed = (): string[] => loud.map(([, fields]) => String(fields?.['error']));
    const kinds = ['a broken predicate', 'a broken key map', 'a broken index', 'a broken handler'];
    await eventually('each was logged', () => kinds.every((kind) => failed().includes(`Error: ${kind}`)));
    expect(await running?.metric('operator_event_handler_errors_total')).toBeGreaterThanOrEqual(kinds.length);
  });
});
