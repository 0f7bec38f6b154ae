/**
 * Strings as small numbers, each string once, counted by its holders: a text that nobody holds any more frees its number. Number 0
 * stands for "none".
 */
export class Interner {
  readonly #ids = new Map<string, number>();
  readonly #texts: (string | undefined)[] = [undefined];
  readonly #holders: number[] = [0];
  readonly #free: number[] = [];

  /** One more than the largest number in use so far: the size of an array indexed by numbers of this interner. */
  get limit(): number {
    return this.#texts.length;
  }

  /** How many different texts are held. */
  get size(): number {
    return this.#ids.size;
  }

  /** The number of a text, now held once more. `undefined` is 0. */
  acquire(text: string | undefined): number {
    if (text === undefined) return 0;
    const known = this.#ids.get(text);
    if (known !== undefined) {
      this.#holders[known] = (this.#holders[known] as number) + 1;
      return known;
    }
    const id = this.#free.pop() ?? this.#texts.length;
    this.#texts[id] = text;
    this.#holders[id] = 1;
    this.#ids.set(text, id);
    return id;
  }

  release(id: number): void {
    if (id === 0) return;
    const holders = (this.#holders[id] as number) - 1;
    this.#holders[id] = holders;
    if (holders > 0) return;
    this.#ids.delete(this.#texts[id] as string);
    this.#texts[id] = undefined;
    this.#free.push(id);
  }

  /** The number of a text that is held, else `undefined`. */
  find(text: string): number | undefined {
    return this.#ids.get(text);
  }

  text(id: number): string | undefined {
    return this.#texts[id];
  }

  /** Every text that is held, with its number. */
  entries(): IterableIterator<[string, number]> {
    return this.#ids.entries();
  }
}
