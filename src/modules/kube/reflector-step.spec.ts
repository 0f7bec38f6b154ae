import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { overdueAt } from './reflector-limits.js';
import { DEFAULT_REFLECTOR_SETTINGS, type ReflectorSettings } from './reflector-settings.js';
import type {
  Failure,
  FailureReason,
  ReflectorEffect,
  ReflectorInput,
  ReflectorState,
  Step,
} from './reflector-state.js';
import { initialState, step } from './reflector-step.js';

const settings = DEFAULT_REFLECTOR_SETTINGS;
const paging: ReflectorSettings = { ...settings, streamInitialList: false };

/** Feeds inputs to the machine and keeps what it asked for last. */
class Machine {
  state: ReflectorState;
  now = 0;
  effects: readonly ReflectorEffect[] = [];

  constructor(
    readonly used: ReflectorSettings = settings,
    public random = 0,
  ) {
    this.state = initialState(used);
  }

  feed(...inputs: ReflectorInput[]): this {
    for (const input of inputs) {
      const next: Step = step(this.state, input, { now: this.now, random: this.random }, this.used);
      this.state = next.state;
      this.effects = next.effects;
    }
    return this;
  }

  after(ms: number): this {
    this.now += ms;
    return this;
  }

  /** What was asked for last, by name. */
  get asked(): string[] {
    return this.effects.map((effect) => effect.do);
  }

  effect<D extends ReflectorEffect['do']>(what: D): Extract<ReflectorEffect, { do: D }> | undefined {
    return this.effects.find((effect): effect is Extract<ReflectorEffect, { do: D }> => effect.do === what);
  }

  /** The delay of the backoff that was asked for last, in milliseconds. */
  get backoff(): number | undefined {
    return this.effects.find((effect) => effect.do === 'setTimer' && effect.timer === 'backoff')?.['delayMs' as never];
  }
}

const failed = (reason: FailureReason, more: Partial<Failure> = {}): ReflectorInput => ({
  type: 'Failed',
  failure: { reason, code: 0, detail: 'as told', ...more },
});
const bookmark = (version: string, listEnd = false): ReflectorInput => ({ type: 'Bookmark', version, listEnd });
const object = (version: string): ReflectorInput => ({ type: 'Object', version });
const tick = (timer: 'backoff' | 'silence' | 'verify'): ReflectorInput => ({ type: 'Tick', timer });

/** A machine that watches from version 100, with a stream that carried the list too. */
function watching(used: ReflectorSettings = settings): Machine {
  return new Machine(used).feed({ type: 'Start' }, { type: 'Opened' }, bookmark('100', true), { type: 'Swapped' });
}

describe('listing', () => {
  it('streams the first list into the shadow and swaps it in at the marked bookmark', () => {
    const machine = new Machine().feed({ type: 'Start' });
    expect(machine.asked).toEqual(['forgetList', 'stream', 'setTimer']);
    expect(machine.feed({ type: 'Opened' }, object('7')).asked).toEqual(['shadow']);
    expect(machine.feed(bookmark('90')).asked).toEqual([]);
    expect(machine.feed(bookmark('100', true)).asked).toEqual(['swap']);
    machine.feed({ type: 'Swapped' });
    expect(machine.asked).toEqual(['announceSynced', 'setTimer', 'setTimer']);
    expect(machine.state).toMatchObject({ name: 'watching', version: '100' });
  });

  it('falls back to pages at once, and for good, where the server refuses to stream', () => {
    const machine = new Machine().feed({ type: 'Start' }, failed('status', { code: 422 }));
    expect(machine.asked).toEqual(['abort', 'forgetList', 'list']);
    machine.feed({ type: 'Page', version: '100', continueToken: '' }, { type: 'Swapped' }, failed('expired'));
    machine.feed(tick('backoff'));
    expect(machine.asked).toEqual(['forgetList', 'list']);
  });

  it('asks for page after page and never takes the version of an item', () => {
    const machine = new Machine(paging).feed({ type: 'Start' }, object('999'));
    expect(machine.asked).toEqual(['shadow']);
    machine.feed({ type: 'Page', version: '100', continueToken: 'more' });
    expect(machine.effect('list')).toMatchObject({ continueToken: 'more', limit: settings.pageSize });
    machine.feed(object('888'), { type: 'Page', version: '100', continueToken: '' });
    expect(machine.asked).toEqual(['swap']);
    expect(machine.feed({ type: 'Swapped' }).effect('watch')).toMatchObject({ version: '100' });
  });

  it('asks for the same page again after a cut, and starts over when the continue token expired', () => {
    const machine = new Machine(paging).feed(
      { type: 'Start' },
      { type: 'Page', version: '100', continueToken: 'more' },
    );
    machine.feed(failed('transport'), tick('backoff'));
    expect(machine.effects).toEqual([{ do: 'list', continueToken: 'more', limit: settings.pageSize }]);
    machine.feed(failed('expired', { code: 410 }), tick('backoff'));
    expect(machine.asked).toEqual(['forgetList', 'list']);
    expect(machine.effect('list')?.continueToken).toBe('');
  });

  it('tries pages after a streamed list failed three times', () => {
    const machine = new Machine().feed({ type: 'Start' });
    for (let attempt = 0; attempt < 2; attempt++) machine.feed(failed('transport'), tick('backoff'));
    expect(machine.asked).toContain('stream');
    machine.feed(failed('transport'), tick('backoff'));
    expect(machine.asked).toEqual(['forgetList', 'list']);
  });

  it('gives a streamed list up when no line comes for 30 s', () => {
    const machine = new Machine().feed({ type: 'Start' }, { type: 'Opened' });
    expect(machine.after(29_000).feed(object('5')).after(29_000).feed(tick('silence')).state.name).toBe('streaming');
    expect(machine.after(1_000).feed(tick('silence')).state.name).toBe('waiting');
  });
});

describe('watching', () => {
  it('resumes from the newest version that was taken in, by object or bookmark', () => {
    const machine = watching().feed(object('101'), bookmark('105'), failed('transport'), tick('backoff'));
    expect(machine.effect('watch')).toMatchObject({ version: '105' });
  });

  it('draws the time of each watch from 240 to 290 s', () => {
    const machine = watching();
    for (const [random, expected] of [
      [0, 240],
      [0.5, 265],
      [0.9999, 290],
    ] as const) {
      machine.random = random;
      machine.feed(failed('transport'), tick('backoff'));
      expect(machine.effect('watch')?.timeoutSeconds).toBe(expected);
    }
  });

  it('reconnects at once when the server ended the watch at its time', () => {
    const machine = watching().after(240_000).feed({ type: 'Ended' });
    expect(machine.asked).toEqual(['countRestart', 'watch', 'setTimer']);
    expect(machine.effects[0]).toEqual({ do: 'countRestart', reason: 'timeout' });
  });

  it('backs off when the server ends the watch too soon', () => {
    const machine = watching().after(100).feed({ type: 'Ended' });
    expect(machine.backoff).toBe(800);
    expect(machine.effects).toContainEqual({ do: 'countRestart', reason: 'closed' });
  });

  it('calls 90 s without a line death, once bookmarks were seen', () => {
    const machine = watching().after(89_000).feed(tick('silence'));
    expect(machine.effects).toEqual([{ do: 'setTimer', timer: 'silence', delayMs: 1_000 }]);
    expect(machine.after(1_000).feed(tick('silence')).effects).toContainEqual({
      do: 'countRestart',
      reason: 'silence',
    });
  });

  it('does not call silence death on a server that sends no bookmarks', () => {
    const machine = new Machine(paging).feed({ type: 'Start' }, { type: 'Page', version: '1', continueToken: '' });
    machine.feed({ type: 'Swapped' }, { type: 'Opened' });
    expect(machine.after(200_000).feed(tick('silence')).state.name).toBe('watching');
    expect(machine.after(80_000).feed(tick('silence')).state.name).toBe('waiting');
  });

  it('lists again at once when its version expired while the server could not be reached', () => {
    const machine = watching();
    for (let time = 0; time < 4; time++) machine.feed(failed('transport'), tick('backoff'));
    machine.feed(failed('expired', { code: 410 }));
    expect(machine.effects).toContainEqual({ do: 'setTimer', timer: 'backoff', delayMs: 0 });
  });

  it('lists again at once when its version expired, and after a backoff when that happens again', () => {
    const machine = watching().feed(failed('expired', { code: 410 }));
    expect(machine.backoff).toBe(0);
    expect(machine.effects).toContainEqual({ do: 'countRelist', reason: 'expired' });
    machine.feed(tick('backoff'));
    expect(machine.asked).toContain('stream');
    machine.feed({ type: 'Opened' }, bookmark('200', true), { type: 'Swapped' }, failed('expired'));
    expect(machine.backoff).toBe(1_600);
  });

  it('lists again when the server lost history', () => {
    const machine = watching().feed(failed('rewound', { code: 504 }), tick('backoff'));
    expect(machine.asked).toContain('stream');
  });

  it.each(['malformed', 'error_event'] as const)(
    'gives the version up after three times %s without progress',
    (reason) => {
      const machine = watching();
      machine.feed(failed(reason), tick('backoff'), failed(reason), tick('backoff'));
      expect(machine.asked).toContain('watch');
      machine.feed(failed(reason), tick('backoff'));
      expect(machine.asked).toContain('stream');
    },
  );

  it('keeps the version as long as the watch makes progress between failures', () => {
    const machine = watching();
    for (let round = 0; round < 10; round++) {
      machine.feed(failed('malformed'), tick('backoff'), { type: 'Opened' }, object(String(200 + round)));
    }
    expect(machine.feed(failed('malformed'), tick('backoff')).effect('watch')).toMatchObject({ version: '209' });
  });

  it('never lists again only because the network is bad', () => {
    const machine = watching();
    for (let round = 0; round < 20; round++) machine.feed(failed('transport'), tick('backoff'));
    expect(machine.effect('watch')).toMatchObject({ version: '100' });
  });
});

describe('backoff', () => {
  it('doubles from 0.8 s to 30 s and starts anew only after 120 s of health', () => {
    const machine = watching();
    const delays: (number | undefined)[] = [];
    for (let round = 0; round < 8; round++) {
      delays.push(machine.feed(failed('transport')).backoff);
      machine.feed(tick('backoff'), { type: 'Opened' });
    }
    expect(delays).toEqual([800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    expect(machine.after(119_000).feed(failed('transport')).backoff).toBe(30_000);
    machine.feed(tick('backoff'), { type: 'Opened' });
    expect(machine.after(120_000).feed(failed('transport')).backoff).toBe(800);
  });

  it('waits as long as the server asks, and spreads those who were told the same', () => {
    const machine = watching().feed(failed('throttled', { code: 429, retryAfterMs: 10_000 }));
    expect(machine.backoff).toBe(10_000);
    machine.random = 0.5;
    machine.feed(tick('backoff'), failed('throttled', { code: 429, retryAfterMs: 10_000 }));
    expect(machine.backoff).toBe(12_500);
  });

  it('makes requests rare whatever fails, at any time', () => {
    const reasons = fc.constantFrom<FailureReason>(
      ...(['expired', 'rewound', 'throttled', 'status', 'error_event', 'malformed', 'closed', 'transport'] as const),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(reasons, fc.integer({ min: 0, max: 500 })), { minLength: 60, maxLength: 60 }),
        (story) => {
          const machine = watching();
          const requests: number[] = [];
          for (const [reason, lived] of story) {
            machine.after(lived).feed(failed(reason));
            machine.after(machine.backoff ?? 0).feed(tick('backoff'));
            if (machine.asked.some((what) => what === 'stream' || what === 'watch' || what === 'list')) {
              requests.push(machine.now);
            }
            if (machine.state.name === 'streaming') {
              machine.feed({ type: 'Opened' }, bookmark('500', true), { type: 'Swapped' });
            } else if (machine.state.name === 'listing') {
              machine.feed({ type: 'Page', version: '500', continueToken: '' }, { type: 'Swapped' });
              requests.push(machine.now);
            }
          }
          const busiest = Math.max(
            ...requests.map((from) => requests.filter((at) => at >= from && at < from + 60_000).length),
          );
          expect(busiest).toBeLessThanOrEqual(16);
        },
      ),
    );
  });
});

describe('verification', () => {
  it('runs every 10 to 15 minutes while watching', () => {
    const machine = watching();
    expect(machine.effects).toContainEqual({ do: 'setTimer', timer: 'verify', delayMs: 600_000 });
    expect(machine.feed(tick('verify')).asked).toEqual(['verify']);
    machine.random = 0.9;
    expect(machine.feed({ type: 'Verified', missed: 0 }).effects).toEqual([
      { do: 'setTimer', timer: 'verify', delayMs: 870_000 },
    ]);
  });

  it('leads to a list when the watch had missed something', () => {
    const machine = watching().feed(tick('verify'), { type: 'Verified', missed: 2 });
    expect(machine.asked).toContain('stream');
    expect(machine.effects).toContainEqual({ do: 'countRelist', reason: 'missed' });
  });

  it('is given up when the state is listed again anyway', () => {
    expect(watching().feed(tick('verify'), failed('expired')).asked).toContain('abandonVerification');
  });
});

describe('stopping', () => {
  it('ends whatever is under way, in every state, and nothing starts it again', () => {
    const inputs = fc.constantFrom<ReflectorInput>(
      { type: 'Start' },
      { type: 'Opened' },
      { type: 'Ended' },
      { type: 'Swapped' },
      { type: 'Page', version: '5', continueToken: 'x' },
      { type: 'Page', version: '5', continueToken: '' },
      { type: 'Verified', missed: 1 },
      object('6'),
      bookmark('7'),
      bookmark('8', true),
      failed('transport'),
      failed('expired'),
      failed('status', { code: 422 }),
      tick('backoff'),
      tick('silence'),
      tick('verify'),
    );
    fc.assert(
      fc.property(fc.array(inputs, { maxLength: 12 }), fc.array(inputs, { maxLength: 6 }), (before, after) => {
        const machine = new Machine().feed({ type: 'Start' }, ...before);
        expect(machine.feed({ type: 'Stop' }).asked).toEqual(expect.arrayContaining(['abort', 'abandonVerification']));
        for (const input of after) {
          machine.feed(input);
          expect(machine.state.name).toBe('stopped');
          const starts = machine.asked.filter((what) =>
            ['list', 'stream', 'watch', 'swap', 'apply', 'verify'].includes(what),
          );
          expect(starts).toEqual([]);
        }
      }),
    );
  });
});

describe('overdueAt', () => {
  it('lies beyond every limit that the state itself has', () => {
    const machine = watching();
    expect(overdueAt(machine.state, settings)).toBeGreaterThan(settings.silenceMs);
    machine.feed(failed('throttled', { retryAfterMs: 600_000 }));
    expect(overdueAt(machine.state, settings)).toBeGreaterThan(600_000);
    expect(overdueAt(machine.feed({ type: 'Stop' }).state, settings)).toBe(Number.POSITIVE_INFINITY);
  });
});
