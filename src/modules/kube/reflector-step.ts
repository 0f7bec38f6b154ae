import { backoffMs } from './backoff.js';
import { silenceLimit } from './reflector-limits.js';
import { type ReflectorSettings, within } from './reflector-settings.js';
import type {
  Failure,
  Memory,
  NextAct,
  ReflectorEffect,
  ReflectorInput,
  ReflectorState,
  Step,
  StepContext,
} from './reflector-state.js';

/**
 * The reflector as a state machine: list (streamed or in pages) into a shadow, swap it in, watch from its version, resume or list
 * again when the watch ends.
 *
 * Guarantees
 * - A watch resumes only from a version whose every predecessor was taken in, so nothing is skipped.
 * - The version never comes from a listed object, only from the list itself, a live object or a bookmark.
 * - After a failure the next request waits for the backoff, and the backoff starts anew only after a healthy watch: however the
 *   server fails, requests stay bounded.
 * - An expired version leads to a list, at once the first time after a healthy watch, however many failures came in between: what comes and goes until
 *   the list is never seen.
 *
 * Assumptions: the shell feeds inputs in the order in which things happened, feeds nothing of a request after `abort`, and
 * carries out effects in order.
 */
export function step(
  state: ReflectorState,
  input: ReflectorInput,
  context: StepContext,
  settings: ReflectorSettings,
): Step {
  switch (input.type) {
    case 'Object':
      return onObject(state, input.version, context);
    case 'Bookmark':
      return onBookmark(state, input.version, input.listEnd, context, settings);
    case 'Page':
      return onPage(state, input, context, settings);
    case 'Swapped':
      return onSwapped(state, context, settings);
    case 'Opened':
      return onOpened(state, context);
    case 'Ended':
      return onEnded(state, context, settings);
    case 'Failed':
      return onFailed(state, input.failure, context, settings);
    case 'Tick':
      return onTick(state, input.timer, context, settings);
    case 'Verified':
      return onVerified(state, input.missed, context, settings);
    case 'Start':
      return state.name === 'idle' ? startList(state.memory, context, settings) : stay(state);
    case 'Stop':
      return stop(state);
    default: {
      const unknown: never = input;
      return unknown;
    }
  }
}

export function initialState(settings: ReflectorSettings): ReflectorState {
  return {
    name: 'idle',
    memory: {
      failures: 0,
      listedAtOnce: false,
      versionFailures: 0,
      streamFailures: 0,
      streamRefused: !settings.streamInitialList,
      bookmarks: false,
      synced: false,
    },
  };
}

/** A watch that lived for this part of the time asked for ended in the ordinary way. */
const FULL_LIFE = 0.8;

const NONE: readonly ReflectorEffect[] = [];
const APPLY: readonly ReflectorEffect[] = [{ do: 'apply' }];
const SHADOW: readonly ReflectorEffect[] = [{ do: 'shadow' }];

function stay(state: ReflectorState): Step {
  return { state, effects: NONE };
}

function onObject(state: ReflectorState, version: string, { now }: StepContext): Step {
  switch (state.name) {
    case 'watching': {
      const { memory, stream } = state;
      return {
        state: {
          name: 'watching',
          memory: memory.versionFailures === 0 ? memory : { ...memory, versionFailures: 0 },
          version,
          stream: { openedAt: stream.openedAt, lastLineAt: now, timeoutMs: stream.timeoutMs },
        },
        effects: APPLY,
      };
    }
    case 'streaming':
      return { state: { ...state, stream: { ...state.stream, lastLineAt: now } }, effects: SHADOW };
    case 'listing':
      return { state, effects: SHADOW };
    default:
      return stay(state);
  }
}

function onBookmark(
  state: ReflectorState,
  version: string,
  listEnd: boolean,
  { now }: StepContext,
  settings: ReflectorSettings,
): Step {
  switch (state.name) {
    case 'watching': {
      const stream = { ...state.stream, lastLineAt: now };
      const memory = { ...state.memory, versionFailures: 0, bookmarks: true };
      // The first bookmark tells that silence means something from now on.
      const effects: readonly ReflectorEffect[] = state.memory.bookmarks
        ? NONE
        : [{ do: 'setTimer', timer: 'silence', delayMs: settings.silenceMs }];
      return { state: { name: 'watching', memory, version, stream }, effects };
    }
    case 'streaming': {
      const stream = { ...state.stream, lastLineAt: now };
      if (!listEnd) return { state: { ...state, stream }, effects: NONE };
      const memory = { ...state.memory, bookmarks: true, streamFailures: 0 };
      return { state: { name: 'swapping', memory, version, stream, since: now }, effects: [{ do: 'swap' }] };
    }
    default:
      return stay(state);
  }
}

function onPage(
  state: ReflectorState,
  { version, continueToken }: { readonly version: string; readonly continueToken: string },
  { now }: StepContext,
  settings: ReflectorSettings,
): Step {
  if (state.name !== 'listing') return stay(state);
  const { memory } = state;
  if (continueToken === '') {
    return {
      state: { name: 'swapping', memory, version, stream: undefined, since: now },
      effects: [{ do: 'swap' }],
    };
  }
  return {
    state: { name: 'listing', memory, continueToken, since: now },
    effects: [{ do: 'list', continueToken, limit: settings.pageSize }],
  };
}

function onSwapped(state: ReflectorState, context: StepContext, settings: ReflectorSettings): Step {
  if (state.name !== 'swapping') return stay(state);
  const { now, random } = context;
  const memory: Memory = { ...state.memory, synced: true, versionFailures: 0 };
  const first: readonly ReflectorEffect[] = state.memory.synced ? NONE : [{ do: 'announceSynced' }];
  const verify: ReflectorEffect = { do: 'setTimer', timer: 'verify', delayMs: within(settings.verifyEveryMs, random) };
  if (state.stream === undefined) {
    const watch = startWatch(memory, state.version, context, settings);
    return { state: watch.state, effects: [...first, verify, ...watch.effects] };
  }
  const stream = { ...state.stream, lastLineAt: now };
  const silence: ReflectorEffect = { do: 'setTimer', timer: 'silence', delayMs: settings.silenceMs };
  return {
    state: { name: 'watching', memory, version: state.version, stream },
    effects: [...first, verify, silence],
  };
}

function onOpened(state: ReflectorState, { now }: StepContext): Step {
  if (state.name !== 'watching' && state.name !== 'streaming') return stay(state);
  return { state: { ...state, stream: { ...state.stream, openedAt: now, lastLineAt: now } }, effects: NONE };
}

function onEnded(state: ReflectorState, context: StepContext, settings: ReflectorSettings): Step {
  if (state.name === 'watching') {
    const lived = context.now - state.stream.openedAt;
    if (lived >= FULL_LIFE * state.stream.timeoutMs) {
      const memory = lived >= settings.healthyAfterMs ? healthyAgain(state.memory) : state.memory;
      const next = startWatch(memory, state.version, context, settings);
      return { state: next.state, effects: [{ do: 'countRestart', reason: 'timeout' }, ...next.effects] };
    }
  }
  return onFailed(state, { reason: 'closed', code: 0, detail: 'the server ended the stream' }, context, settings);
}

function onFailed(state: ReflectorState, failure: Failure, context: StepContext, settings: ReflectorSettings): Step {
  switch (state.name) {
    case 'watching':
      return onWatchFailed(state, failure, context, settings);
    case 'streaming':
      return onStreamFailed(state, failure, context, settings);
    case 'listing': {
      // A continue token that expired makes the pages so far worthless, not the list impossible.
      const again: NextAct =
        state.continueToken === '' || failure.reason === 'expired'
          ? { act: 'list' }
          : { act: 'page', continueToken: state.continueToken };
      return wait(state.memory, again, failure, 'relist', context, settings);
    }
    default:
      return stay(state);
  }
}

function onWatchFailed(
  state: Extract<ReflectorState, { name: 'watching' }>,
  failure: Failure,
  context: StepContext,
  settings: ReflectorSettings,
): Step {
  const healthy = context.now - state.stream.openedAt >= settings.healthyAfterMs;
  const blamed = blamesVersion(failure) ? state.memory.versionFailures + 1 : state.memory.versionFailures;
  const memory = { ...(healthy ? healthyAgain(state.memory) : state.memory), versionFailures: blamed };
  const versionLost = failure.reason === 'expired' || failure.reason === 'rewound';
  if (versionLost || blamed >= settings.versionFailures) {
    const relist = wait({ ...memory, versionFailures: 0 }, { act: 'list' }, failure, 'relist', context, settings);
    return { state: relist.state, effects: [{ do: 'abandonVerification' }, ...relist.effects] };
  }
  return wait(memory, { act: 'watch', version: state.version }, failure, 'restart', context, settings);
}

function onStreamFailed(
  state: Extract<ReflectorState, { name: 'streaming' }>,
  failure: Failure,
  context: StepContext,
  settings: ReflectorSettings,
): Step {
  // A server without streamed lists answers 422 or 400; pages are then the way, without any delay.
  if (failure.code === 422 || failure.code === 400) {
    const next = startList({ ...state.memory, streamRefused: true }, context, settings);
    return { state: next.state, effects: [{ do: 'abort' }, ...next.effects] };
  }
  const memory = { ...state.memory, streamFailures: state.memory.streamFailures + 1 };
  return wait(memory, { act: 'list' }, failure, 'relist', context, settings);
}

function healthyAgain(memory: Memory): Memory {
  return { ...memory, failures: 0, listedAtOnce: false };
}

/** Whether resuming from the same version may fail for ever in the same way. */
function blamesVersion(failure: Failure): boolean {
  if (failure.reason === 'status') return failure.code < 500;
  return failure.reason === 'error_event' || failure.reason === 'malformed';
}

function onTick(
  state: ReflectorState,
  timer: 'backoff' | 'silence' | 'verify',
  context: StepContext,
  settings: ReflectorSettings,
): Step {
  switch (timer) {
    case 'backoff':
      return state.name === 'waiting' ? resume(state.memory, state.next, context, settings) : stay(state);
    case 'silence':
      return onSilenceTick(state, context, settings);
    case 'verify':
      if (state.name === 'watching') return { state, effects: [{ do: 'verify' }] };
      // Not the moment: a swap sets the timer anew, everything else passes soon.
      return { state, effects: [{ do: 'setTimer', timer: 'verify', delayMs: settings.backoff.maxMs }] };
    default: {
      const unknown: never = timer;
      return unknown;
    }
  }
}

function onSilenceTick(state: ReflectorState, context: StepContext, settings: ReflectorSettings): Step {
  if (state.name !== 'watching' && state.name !== 'streaming') return stay(state);
  const limit =
    state.name === 'streaming' ? settings.listSilenceMs : silenceLimit(state.memory, state.stream, settings);
  const quiet = context.now - state.stream.lastLineAt;
  if (quiet < limit) return { state, effects: [{ do: 'setTimer', timer: 'silence', delayMs: limit - quiet }] };
  const detail = `no line for ${Math.round(quiet)} ms`;
  return onFailed(state, { reason: 'silence', code: 0, detail }, context, settings);
}

function onVerified(
  state: ReflectorState,
  missed: number | undefined,
  context: StepContext,
  settings: ReflectorSettings,
): Step {
  if (state.name === 'stopped' || state.name === 'idle') return stay(state);
  const delayMs = within(settings.verifyEveryMs, context.random);
  const again: ReflectorEffect = { do: 'setTimer', timer: 'verify', delayMs };
  if (missed === undefined || missed === 0 || state.name !== 'watching') {
    return { state, effects: [again] };
  }
  const next = startList(state.memory, context, settings);
  const effects: ReflectorEffect[] = [{ do: 'abort' }, { do: 'countRelist', reason: 'missed' }, again];
  return { state: next.state, effects: [...effects, ...next.effects] };
}

/** Goes on after the backoff, or at once for a first expiry. */
function wait(
  memory: Memory,
  next: NextAct,
  failure: Failure,
  counted: 'restart' | 'relist',
  context: StepContext,
  settings: ReflectorSettings,
): Step {
  const { now, random } = context;
  const atOnce = failure.reason === 'expired' && !memory.listedAtOnce;
  const delay = backoffMs(settings.backoff, memory.failures, random);
  // The server's own wish counts where it is longer; chance keeps all who were told the same from coming back together.
  const asked = (failure.retryAfterMs ?? 0) * (1 + settings.backoff.jitter * random);
  const delayMs = atOnce ? 0 : Math.max(delay, asked);
  const state: ReflectorState = {
    name: 'waiting',
    memory: { ...memory, failures: memory.failures + 1, listedAtOnce: memory.listedAtOnce || atOnce },
    next,
    until: now + delayMs,
  };
  const count: readonly ReflectorEffect[] =
    counted === 'restart'
      ? [{ do: 'countRestart', reason: failure.reason }]
      : memory.synced
        ? [{ do: 'countRelist', reason: failure.reason }]
        : NONE;
  return {
    state,
    effects: [
      { do: 'abort' },
      { do: 'cancelTimer', timer: 'silence' },
      { do: 'warn', failure, delayMs },
      ...count,
      { do: 'setTimer', timer: 'backoff', delayMs },
    ],
  };
}

function resume(memory: Memory, next: NextAct, context: StepContext, settings: ReflectorSettings): Step {
  switch (next.act) {
    case 'list':
      return startList(memory, context, settings);
    case 'page':
      return {
        state: { name: 'listing', memory, continueToken: next.continueToken, since: context.now },
        effects: [{ do: 'list', continueToken: next.continueToken, limit: settings.pageSize }],
      };
    case 'watch':
      return startWatch(memory, next.version, context, settings);
    default: {
      const unknown: never = next;
      return unknown;
    }
  }
}

/** Streams that failed this often in a row without a refusal make the next list one of pages. */
const STREAM_ATTEMPTS = 3;

function startList(memory: Memory, context: StepContext, settings: ReflectorSettings): Step {
  const { now } = context;
  if (memory.streamRefused || memory.streamFailures >= STREAM_ATTEMPTS) {
    return {
      state: { name: 'listing', memory: { ...memory, streamFailures: 0 }, continueToken: '', since: now },
      effects: [{ do: 'forgetList' }, { do: 'list', continueToken: '', limit: settings.pageSize }],
    };
  }
  const { timeoutMs, timeoutSeconds } = watchTimeout(context, settings);
  return {
    state: { name: 'streaming', memory, stream: { openedAt: now, lastLineAt: now, timeoutMs } },
    effects: [
      { do: 'forgetList' },
      { do: 'stream', timeoutSeconds },
      { do: 'setTimer', timer: 'silence', delayMs: settings.listSilenceMs },
    ],
  };
}

function startWatch(memory: Memory, version: string, context: StepContext, settings: ReflectorSettings): Step {
  const { now } = context;
  const { timeoutMs, timeoutSeconds } = watchTimeout(context, settings);
  const stream = { openedAt: now, lastLineAt: now, timeoutMs };
  return {
    state: { name: 'watching', memory, version, stream },
    effects: [
      { do: 'watch', version, timeoutSeconds },
      { do: 'setTimer', timer: 'silence', delayMs: silenceLimit(memory, stream, settings) },
    ],
  };
}

function watchTimeout(
  { random }: StepContext,
  settings: ReflectorSettings,
): { readonly timeoutMs: number; readonly timeoutSeconds: number } {
  const timeoutSeconds = Math.max(1, Math.round(within(settings.watchTimeoutMs, random) / 1000));
  return { timeoutMs: timeoutSeconds * 1000, timeoutSeconds };
}

function stop(state: ReflectorState): Step {
  if (state.name === 'stopped') return stay(state);
  return {
    state: { name: 'stopped', memory: state.memory },
    effects: [
      { do: 'abort' },
      { do: 'abandonVerification' },
      { do: 'cancelTimer', timer: 'backoff' },
      { do: 'cancelTimer', timer: 'silence' },
      { do: 'cancelTimer', timer: 'verify' },
      { do: 'forgetList' },
    ],
  };
}
