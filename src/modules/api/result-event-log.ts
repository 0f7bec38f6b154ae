import { Injectable } from '@nestjs/common';
import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { Subject } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import type { ResultChange } from '../results/result-index.js';
import { ReadModel } from './read-model.js';

/** Pods whose latest change is remembered at most. */
const CAPACITY = 20_000;

export interface LoggedChange {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly sequence: number;
}

/**
 * The order of changes, for streams that go on where they stopped: each Pod's latest change, oldest first, up to a bound. An id
 * names a moment; from it on every change is known, or it is said that it isn't.
 */
@Injectable()
export class ResultEventLog implements OnModuleInit, OnModuleDestroy {
  /** Tells the ids of this process from those of one before it, or of another replica. */
  readonly #epoch = randomBytes(6).toString('hex');
  readonly #latest = new Map<string, LoggedChange>();
  /** Goes on where it was: from the beginning of the map it would pass all that was deleted, each time. */
  readonly #oldest = this.#latest.values();
  readonly #changes = new Subject<{ readonly entry: LoggedChange; readonly change: ResultChange }>();
  #subscription: Subscription | undefined;
  #sequence = 0;
  /** Changes up to this one may be missing. */
  #forgotten = 0;

  /** Emitted synchronously with each change of the index. */
  readonly changes: Observable<{ readonly entry: LoggedChange; readonly change: ResultChange }> =
    this.#changes.asObservable();

  constructor(private readonly model: ReadModel) {}

  onModuleInit(): void {
    this.#subscription = this.model.index.changes.subscribe((change) => {
      this.#onChange(change);
    });
  }

  onModuleDestroy(): void {
    this.#subscription?.unsubscribe();
    this.#changes.complete();
  }

  /** The id of this moment. */
  get lastEventId(): string {
    return this.idOf(this.#sequence);
  }

  idOf(sequence: number): string {
    return `${this.#epoch}-${String(sequence)}`;
  }

  /** Every Pod that changed after the moment of an id, oldest change first; `undefined` where that isn't known. */
  since(id: string): LoggedChange[] | undefined {
    const match = /^([0-9a-f]{12})-(\d{1,15})$/.exec(id);
    const sequence = Number(match?.[2]);
    if (match?.[1] !== this.#epoch || sequence < this.#forgotten || sequence > this.#sequence) return undefined;
    return [...this.#latest.values()].filter((entry) => entry.sequence > sequence);
  }

  #onChange(change: ResultChange): void {
    const state = change.next ?? change.previous;
    if (state === undefined) return;
    const entry: LoggedChange = {
      uid: change.uid,
      namespace: state.namespace,
      name: state.name,
      sequence: ++this.#sequence,
    };
    // Taken out and put in again, so that the map stays in the order of the latest changes.
    this.#latest.delete(change.uid);
    this.#latest.set(change.uid, entry);
    if (this.#latest.size > CAPACITY) {
      const oldest = this.#oldest.next().value;
      if (oldest !== undefined) {
        this.#latest.delete(oldest.uid);
        this.#forgotten = oldest.sequence;
      }
    }
    this.#changes.next({ entry, change });
  }
}
