import type { Clock, Random } from './clock.js';
import type { KubeClient } from './kube-client.js';
import type { StructuredLogger } from './logger.js';
import type { KubeObject, ResourceType } from './resource.js';

export const EVENTS: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
};

/** The object that an Event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  /** `''` for a cluster-scoped object; its Events go to `default`, as kubectl expects. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventNote {
  readonly type: 'Normal' | 'Warning';
  /** Why, in CamelCase; at most 128 characters. */
  readonly reason: string;
  /** What was done or failed, in CamelCase; at most 128 characters. */
  readonly action: string;
  /** For people; cut at 1,024 characters. */
  readonly message: string;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** The name of this controller, such as `datapath.observer/controller`. */
  readonly controller: string;
  /** The name of this replica. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: StructuredLogger;
}

/** Milliseconds in which the same note about the same object is told once. */
const QUIET_MS = 600_000;
/** Most notes that are remembered, and most that wait: Events are a courtesy and must not grow without bound. */
const REMEMBERED = 4_096;
const WAITING = 256;
const NOTE_CHARACTERS = 1_024;

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
  #draining: Promise<void> | undefined;
  #written = 0;
  #suppressed = 0;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** How many Events were written, were repetitions, and couldn't be written. */
  get counts(): { readonly written: number; readonly suppressed: number; readonly dropped: number } {
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

  /** Resolves when everything recorded so far was written or given up. */
  async flush(): Promise<void> {
    await this.#draining;
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
        this.#options.logger.warn('an Event could not be written', { reason: pending.note.reason, error });
      }
    }
    this.#draining = undefined;
  }

  async #write({ subject, note, at }: PendingEvent): Promise<void> {
    const { client, controller, instance, random } = this.#options;
    const namespace = subject.namespace === '' ? 'default' : subject.namespace;
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
      reportingInstance: instance,
      type: note.type,
      reason: note.reason,
      action: note.action,
      note: note.message.slice(0, NOTE_CHARACTERS),
      regarding: {
        apiVersion: subject.apiVersion,
        kind: subject.kind,
        namespace: subject.namespace === '' ? undefined : subject.namespace,
        name: subject.name,
        uid: subject.uid,
      },
    };
    await client.create(EVENTS, event);
  }
}
