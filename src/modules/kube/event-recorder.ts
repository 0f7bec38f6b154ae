import type { Clock, Random } from './clock.js';
import { errorKind, errorText } from './error-text.js';
import { isNamespaceTerminating } from './kube-api-error.js';
import type { KubeClient } from './kube-client.js';
import type { LogDigest } from './log-digest.js';
import { apiVersionOf } from './resource-path.js';
import type { KubeObject, ResourceType } from './resource.js';

export const EVENTS: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
};

/** Where Events of cluster-scoped objects go, as kubectl expects. */
export const CLUSTER_EVENTS = 'default';

/** The object that an Event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  /** `''` for a cluster-scoped object. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What an Event says of its object: where it is, and which one. */
export function subjectOf(
  type: ResourceType,
  { metadata: { namespace = '', name, uid = '' } }: KubeObject,
): EventSubject {
  return { apiVersion: apiVersionOf(type), kind: type.kind, namespace, name, uid };
}

export interface EventNote {
  readonly type: 'Normal' | 'Warning';
  /** Why, in CamelCase; at most 128 characters. */
  readonly reason: string;
  /** What was done or failed, in CamelCase; at most 128 characters. Default: the reason. */
  readonly action?: string | undefined;
  /** For people; cut at 1,024 characters. */
  readonly message: string;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** The name of this controller, with the domain of its project where it has one: `datapath.observer/results`. */
  readonly controller: string;
  /** The name of this replica; cut at 128 characters. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly digest: LogDigest;
}

/** Milliseconds in which the same note about the same object is told once. */
const QUIET_MS = 600_000;
/** Most notes that are remembered, and most that wait: Events are a courtesy and must not grow without bound. */
const REMEMBERED = 4_096;
const WAITING = 256;
const NOTE_CHARACTERS = 1_024;
const WORD_CHARACTERS = 128;

/** How many Events were written, were repetitions, and couldn't be written. */
export interface EventCounts {
  readonly written: number;
  readonly suppressed: number;
  readonly dropped: number;
}

interface PendingEvent {
  readonly subject: EventSubject;
  readonly note: EventNote;
  readonly at: number;
}

/**
 * Tells people what happened to an object, through Events of `events.k8s.io/v1`.
 *
 * Guarantees: the same reason and message about the same object is written at most once in 10 minutes; writing never
 * delays or fails the caller; one write at a time; what can't be written is counted and logged.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** When each note was last told, the oldest first. */
  readonly #told = new Map<string, number>();
  readonly #waiting: PendingEvent[] = [];
  readonly #abort = new AbortController();
  #draining: Promise<void> | undefined;
  #written = 0;
  #suppressed = 0;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  get counts(): EventCounts {
    return { written: this.#written, suppressed: this.#suppressed, dropped: this.#dropped };
  }

  record(subject: EventSubject, note: EventNote): void {
    const { clock } = this.#options;
    const key = `${subject.uid}\n${note.reason}\n${note.message}`;
    const now = clock.monotonicMs();
    const last = this.#told.get(key);
    if (last !== undefined && now - last < QUIET_MS) {
      this.#suppressed++;
      return;
    }
    if (this.#waiting.length >= WAITING) {
      this.#dropped++;
      return;
    }
    this.#remember(key, now);
    this.#waiting.push({ subject, note, at: clock.epochMs() });
    this.#draining ??= this.#drain();
  }

  /** Resolves when everything recorded so far was written or given up; what isn't after `graceMs` milliseconds is dropped. */
  async flush(graceMs: number): Promise<void> {
    if (this.#draining === undefined) return;
    const timer = this.#options.clock.setTimer(() => {
      this.#dropped += this.#waiting.splice(0).length;
      this.#abort.abort();
    }, graceMs);
    await this.#draining;
    timer.cancel();
  }

  #remember(key: string, now: number): void {
    this.#told.delete(key);
    this.#told.set(key, now);
    for (const [oldest, at] of this.#told) {
      if (this.#told.size <= REMEMBERED && now - at < QUIET_MS) return;
      this.#told.delete(oldest);
    }
  }

  async #drain(): Promise<void> {
    for (;;) {
      const pending = this.#waiting.shift();
      if (pending === undefined) break;
      try {
        await this.#write(pending);
        this.#written++;
      } catch (error) {
        this.#dropped++;
        // Where a namespace is being deleted nobody is left to be told.
        if (isNamespaceTerminating(error)) continue;
        const { digest, controller } = this.#options;
        const { reason } = pending.note;
        digest.report('warn', 'an Event could not be written', `${controller} ${errorKind(error)}`, {
          controller,
          reason,
          error: errorText(error),
        });
      }
    }
    this.#draining = undefined;
  }

  async #write({ subject, note, at }: PendingEvent): Promise<void> {
    const { client, controller, instance, random } = this.#options;
    const namespace = subject.namespace === '' ? CLUSTER_EVENTS : subject.namespace;
    const suffix = Math.floor(random() * 2 ** 48)
      .toString(16)
      .padStart(12, '0');
    const event: KubeObject & Readonly<Record<string, unknown>> = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      // A name has at most 253 characters.
      metadata: { name: `${subject.name.slice(0, 200)}.${suffix}`, namespace },
      eventTime: new Date(at).toISOString().replace('Z', '000Z'),
      reportingController: controller,
      reportingInstance: instance.slice(0, WORD_CHARACTERS),
      type: note.type,
      reason: note.reason.slice(0, WORD_CHARACTERS),
      action: (note.action ?? note.reason).slice(0, WORD_CHARACTERS),
      note: note.message.slice(0, NOTE_CHARACTERS),
      regarding: {
        apiVersion: subject.apiVersion,
        kind: subject.kind,
        namespace: subject.namespace === '' ? undefined : subject.namespace,
        name: subject.name,
        uid: subject.uid,
      },
    };
    await client.create(EVENTS, event, { metadataOnly: true, signal: this.#abort.signal });
  }
}
