import type { ReflectorSettings } from './reflector-settings.js';
import type { Memory, ReflectorState, StreamTimes } from './reflector-state.js';

/** What the server may take beyond the time it was asked to keep a watch open, in milliseconds. */
const END_GRACE_MS = 30_000;

/** How long a watch may be without a line, in milliseconds. Before any bookmark was seen, quiet may just mean that nothing happens. */
export function silenceLimit(memory: Memory, stream: StreamTimes, settings: ReflectorSettings): number {
  return memory.bookmarks ? settings.silenceMs : stream.timeoutMs + END_GRACE_MS;
}

/**
 * The instant by which this state must have heard something, in milliseconds of the monotonic clock. Past it, not the server but this
 * process is stuck: every request, stream and wait has a limit of its own that comes earlier.
 */
export function overdueAt(state: ReflectorState, settings: ReflectorSettings): number {
  switch (state.name) {
    case 'idle':
    case 'stopped':
      return Number.POSITIVE_INFINITY;
    case 'listing':
      return state.since + settings.pageTimeoutMs + STUCK_GRACE_MS;
    case 'streaming':
      return state.stream.lastLineAt + settings.listSilenceMs + STUCK_GRACE_MS;
    case 'swapping':
      return state.since + STUCK_GRACE_MS;
    case 'watching':
      return state.stream.lastLineAt + silenceLimit(state.memory, state.stream, settings) + STUCK_GRACE_MS;
    case 'waiting':
      return state.until + STUCK_GRACE_MS;
    default: {
      const unknown: never = state;
      return unknown;
    }
  }
}

/** Also covers the credentials and the headers of a request, which have their own limits of 30 s each. */
const STUCK_GRACE_MS = 90_000;
